"""One WebAuthn ceremony: what is asked of the browser, and what its answer has to hold against.

The rules are those of WebAuthn level 3, sections 7.1 and 7.2. A challenge lies in a session that is
not active, works for five minutes, and once, whatever comes of it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import webauthn
from sqlalchemy import Connection
from webauthn.helpers import parse_authentication_credential_json
from webauthn.helpers.exceptions import WebAuthnException

from tutela.access import sessions
from tutela.access.sessions import State
from tutela.core.errors import AccessError
from tutela.core.ids import AccountId
from tutela.core.settings import WebSettings
from tutela.core.time import iso_precise, now
from tutela.store import Database

CHALLENGE_MINUTES: Final = 5
LONGEST_ANSWER: Final = 65_536

# What the parsers raise on JSON and CBOR that is not what it should be.
_BROKEN = (WebAuthnException, ValueError, TypeError, LookupError, AttributeError)


class Ceremony(msgspec.Struct, frozen=True):
    """What the browser needs to begin: the token of a session for its cookie, and JSON options."""

    session: str
    options: str


class Verified(msgspec.Struct, frozen=True):
    """What a new passkey has shown of itself."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


def site(web: WebSettings) -> str:
    """Return the relying party id: the host of the address that people type."""
    return urlsplit(web.origin).hostname or "localhost"


def begin(  # noqa: PLR0913, PLR0917 what the answer has to be compared with
    tx: Connection,
    web: WebSettings,
    purpose: str,
    challenge: bytes,
    account_id: AccountId | None,
    options: str,
) -> Ceremony:
    """Keep what the answer has to be compared with, in a session that is not active."""
    until = now() + timedelta(minutes=CHALLENGE_MINUTES)
    data: dict[str, Any] = {
        "purpose": purpose,
        "challenge": challenge.hex(),
        "account": account_id,
        "until": iso_precise(until),
    }
    return Ceremony(sessions.start(tx, None, State.BEFORE, web, data), options)


def taken(
    database: Database, web: WebSettings, session: str, purpose: str
) -> tuple[bytes, AccountId | None]:
    """Use the challenge up, in a transaction of its own: whatever comes now, it served once."""
    with database.write() as tx:
        data = sessions.take(tx, session, State.BEFORE, web).data
    if data.get("purpose") != purpose or iso_precise(now()) > data["until"]:
        raise wrong()
    return bytes.fromhex(data["challenge"]), data["account"]


def registered(web: WebSettings, answer: str, challenge: bytes) -> Verified | None:
    """Return what a new passkey has shown of itself, or None where its answer does not hold."""
    if len(answer) > LONGEST_ANSWER:
        return None
    try:
        done = webauthn.verify_registration_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site(web),
            expected_origin=web.origin.rstrip("/"),
            require_user_verification=True,
        )
    except _BROKEN:
        return None
    return Verified(done.credential_id, done.credential_public_key, done.sign_count)


def credential_id(answer: str) -> bytes | None:
    """Return the id of the passkey that an answer says it is of, or None where it is no answer."""
    if len(answer) > LONGEST_ANSWER:
        return None
    try:
        return parse_authentication_credential_json(answer).raw_id
    except _BROKEN:
        return None


def used(
    web: WebSettings, answer: str, challenge: bytes, public_key: bytes, sign_count: int
) -> int | None:
    """Return the new counter of a passkey that signed this challenge here, or None if it did not.

    A counter that does not move on is that of a copy (section 6.1.1), unless it is always 0.
    """
    try:
        done = webauthn.verify_authentication_response(
            credential=answer,
            expected_challenge=challenge,
            expected_rp_id=site(web),
            expected_origin=web.origin.rstrip("/"),
            credential_public_key=public_key,
            credential_current_sign_count=sign_count,
            require_user_verification=True,
        )
    except _BROKEN:
        return None
    return done.new_sign_count


def wrong() -> AccessError:
    """Return the one answer to whatever is wrong."""
    return AccessError(
        "this passkey does not open anything here", code="sign_in", hint="try again, or use a code"
    )
