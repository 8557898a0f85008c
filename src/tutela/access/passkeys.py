"""Passkeys (WebAuthn): a key in a device, which asks its person before it signs.

A passkey is both factors at once, so it needs no password: user verification is required, the
credential is discoverable, and no account has to be named.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

import msgspec
import webauthn
from sqlalchemy import Connection, Row, delete, func, insert, select, update
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from tutela.access import attempts, ceremony, enrolment, signin
from tutela.access.authorise import require
from tutela.access.ceremony import CHALLENGE_MINUTES, Ceremony, Verified
from tutela.access.enrolment import Accepted
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import UsageError
from tutela.core.ids import AccountId
from tutela.core.principal import Principal
from tutela.core.settings import WebSettings
from tutela.core.time import now
from tutela.store import Database
from tutela.store.tables.access import Account, Passkey

CHALLENGE_BYTES: Final = 32
LABEL_CHARACTERS: Final = 60
MOST_PER_ACCOUNT: Final = 20


class PasskeyInfo(msgspec.Struct, frozen=True):
    """A passkey of an account, as its person sees it."""

    id: int
    label: str
    created_at: datetime


def begin_signin(tx: Connection, web: WebSettings) -> Ceremony:
    """Let a browser ask for any passkey of this site."""
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    options = webauthn.generate_authentication_options(
        rp_id=ceremony.site(web),
        challenge=challenge,
        timeout=CHALLENGE_MINUTES * 60_000,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return ceremony.begin(tx, web, "sign in", challenge, None, webauthn.options_to_json(options))


def finish_signin(
    database: Database, web: WebSettings, session: str, answer: str, address: str
) -> str:
    """Let in whoever holds the passkey; return the token of an active session.

    Raises:
        AccessError: code `sign_in`: the answer is not that of a passkey that we know, to this
            challenge, from this site; code `locked`: too many tries from this address.
    """
    this = attempts.begin(database, "", address)
    challenge, _ = ceremony.taken(database, web, session, "sign in")
    with database.read() as tx:
        row = _known(tx, answer)
    token = None
    with database.write() as tx:
        if row is not None and _uses(tx, web, row, answer, challenge):
            token = signin.let_in(tx, AccountId(row.account_id), web, "passkey")
        else:
            signin.refuse(tx, row.account_id if row else None, address, by="passkey")
    if token is None:
        raise ceremony.wrong()
    attempts.succeeded(database, this)
    return token


def begin_adding(tx: Connection, who: Principal, web: WebSettings) -> Ceremony:
    """Let a browser make a passkey for the own account.

    Raises:
        AccessError: nobody is signed in.
        UsageError: the account has as many as it may.
    """
    require(tx, who, Permission.OWN)
    if who.account_id is None:
        raise UsageError("only a person has passkeys")
    return _begin_registration(tx, web, who.account_id)


def finish_adding(
    database: Database, who: Principal, web: WebSettings, answered: Ceremony, label: str
) -> PasskeyInfo:
    """Keep a new passkey of the own account; `answered.options` is the browser's JSON answer.

    Raises:
        AccessError: code `sign_in`: the answer is not to this challenge, or not from this site.
    """
    challenge, account_id = ceremony.taken(database, web, answered.session, "register")
    verified = ceremony.registered(web, answered.options, challenge)
    with database.write() as tx:
        require(tx, who, Permission.OWN)
        if account_id != who.account_id or account_id is None or verified is None:
            raise ceremony.wrong()
        made = _keep(tx, account_id, verified, label)
        log.record(tx, who, "passkey.added", f"account:{account_id}", passkey=made.id)
    return made


def begin_accepting(tx: Connection, web: WebSettings, link: str) -> Ceremony:
    """Let the browser of an invited person make a passkey.

    Raises:
        AccessError: code `sign_in`: the link is nobody's, used or too old.
    """
    return _begin_registration(tx, web, AccountId(enrolment.invited(tx, link).id))


def finish_accepting(
    database: Database, web: WebSettings, link: str, password: str, answered: Ceremony
) -> Accepted:
    """Take an invitation up with a password and a passkey instead of an authenticator.

    Raises:
        AccessError: code `sign_in`: link or answer are not what they should be.
        UsageError: code `password`: it is not good enough.
    """
    kept = enrolment.chosen_password(database, link, password)
    challenge, account_id = ceremony.taken(database, web, answered.session, "register")
    verified = ceremony.registered(web, answered.options, challenge)
    with database.write() as tx:
        if account_id != enrolment.invited(tx, link).id or verified is None or account_id is None:
            raise ceremony.wrong()
        _keep(tx, account_id, verified, "")
        return enrolment.activate(tx, web, link, kept, "passkey")


def of(tx: Connection, who: Principal) -> list[PasskeyInfo]:
    """Return the own passkeys, the oldest first."""
    require(tx, who, Permission.OWN)
    rows = tx.execute(
        select(Passkey.id, Passkey.label, Passkey.created_at)
        .where(Passkey.account_id == who.account_id)
        .order_by(Passkey.id)
    )
    return [PasskeyInfo(id_, label, at) for id_, label, at in rows]


def remove(tx: Connection, who: Principal, passkey_id: int) -> None:
    """Remove one of the own passkeys, unless it is the last second factor.

    Raises:
        UsageError: there is no such passkey, or nothing would be left.
    """
    mine = of(tx, who)
    if passkey_id not in {one.id for one in mine}:
        raise UsageError("there is no such passkey")
    totp = tx.execute(
        select(Account.totp_secret).where(Account.id == who.account_id)
    ).scalar_one_or_none()
    if len(mine) == 1 and totp is None:
        raise UsageError("this is the only second factor", hint="set up another one first")
    tx.execute(delete(Passkey).where(Passkey.id == passkey_id))
    log.record(tx, who, "passkey.removed", f"account:{who.account_id}", passkey=passkey_id)


def _begin_registration(tx: Connection, web: WebSettings, account_id: AccountId) -> Ceremony:
    account = tx.execute(
        select(Account.name, Account.display_name).where(Account.id == account_id)
    ).one()
    held = tx.execute(
        select(Passkey.credential_id).where(Passkey.account_id == account_id)
    ).scalars()
    challenge = secrets.token_bytes(CHALLENGE_BYTES)
    options = webauthn.generate_registration_options(
        rp_id=ceremony.site(web),
        rp_name="Tutela",
        user_name=account.name,
        user_display_name=account.display_name,
        user_id=b"account:%d" % account_id,
        challenge=challenge,
        timeout=CHALLENGE_MINUTES * 60_000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in held],
    )
    return ceremony.begin(
        tx, web, "register", challenge, account_id, webauthn.options_to_json(options)
    )


def _keep(tx: Connection, account_id: AccountId, new: Verified, label: str) -> PasskeyInfo:
    count = select(func.count()).select_from(Passkey).where(Passkey.account_id == account_id)
    if tx.execute(count).scalar_one() >= MOST_PER_ACCOUNT:
        raise UsageError(f"an account has at most {MOST_PER_ACCOUNT} passkeys")
    if tx.execute(select(Passkey.id).where(Passkey.credential_id == new.credential_id)).first():
        raise UsageError("this passkey is known already")
    moment, plain = now(), label.strip()[:LABEL_CHARACTERS] or "passkey"
    made = tx.execute(
        insert(Passkey)
        .values(
            account_id=account_id,
            credential_id=new.credential_id,
            public_key=new.public_key,
            sign_count=new.sign_count,
            label=plain,
            created_at=moment,
        )
        .returning(Passkey.id)
    ).scalar_one()
    return PasskeyInfo(made, plain, moment)


def _known(tx: Connection, answer: str) -> Row[int, int, bytes, int] | None:
    """Return the passkey that an answer says it is of, if its account is active."""
    raw = ceremony.credential_id(answer)
    if raw is None:
        return None
    found: Row[int, int, bytes, int] | None = tx.execute(
        select(Passkey.id, Passkey.account_id, Passkey.public_key, Passkey.sign_count)
        .join(Account, Account.id == Passkey.account_id)
        .where(Passkey.credential_id == raw, Account.state == "active")
    ).one_or_none()
    return found


def _uses(
    tx: Connection, web: WebSettings, row: Row[int, int, bytes, int], answer: str, challenge: bytes
) -> bool:
    """Verify an answer and move the counter on; two answers with one counter are one too many."""
    sign_count = ceremony.used(web, answer, challenge, row.public_key, row.sign_count)
    if sign_count is None:
        return False
    moved = tx.execute(
        update(Passkey)
        .where(Passkey.id == row.id, Passkey.sign_count == row.sign_count)
        .values(sign_count=sign_count)
    )
    return moved.rowcount == 1
