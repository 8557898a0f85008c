"""Signing in at the agency: OpenID Connect Core 1.0, code flow with PKCE, state and nonce.

The agency says who somebody is; who may come in is decided here. Its subject is bound to an account
while that is still invited, and no account is ever made by signing in. Where the agency does not
say that two factors were shown (`amr` with `mfa`, RFC 8176), ours is asked for as well.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import Connection, Row, select, update

from tutela.access import attempts, sessions, signin
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.access.provider import Provider
from tutela.access.sessions import State
from tutela.audit import log
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import AccountId
from tutela.core.principal import Principal, Via
from tutela.core.settings import WebSettings
from tutela.store import Database
from tutela.store.tables.access import Account

CALLBACK: Final = "/sign-in/agency"
ALGORITHMS: Final = ["RS256", "ES256"]
LEEWAY_S: Final = 60
SECRET_BYTES: Final = 32
LONGEST_SUBJECT: Final = 255  # OpenID Connect Core 1.0, section 2


class Way(msgspec.Struct, frozen=True):
    """Where to send the browser, and the token of a session for its cookie meanwhile."""

    session: str
    url: str


class Entered(msgspec.Struct, frozen=True):
    """A session, active, or waiting for the second factor (`signin.code`)."""

    session: str
    state: State


def bind(
    tx: Connection, who: Principal, web: WebSettings, account_id: AccountId, subject: str
) -> None:
    """Say which subject of the agency an invited person is.

    Raises:
        AccessError: `who` may not change accounts.
        UsageError: the account was accepted already (then binding it would hand it over), the
            subject is another's or none, or there is no agency.
    """
    require(tx, who, Permission.ACCOUNTS)
    subject = subject.strip()
    if not web.oidc_issuer or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise UsageError("a subject of the agency is 1 to 255 characters, and needs an agency")
    kept = _subject(web, subject)
    if tx.execute(select(Account.id).where(Account.oidc_subject == kept)).first():
        raise UsageError("this subject is bound to an account already", code="taken")
    bound = tx.execute(
        update(Account)
        .where(Account.id == account_id, Account.kind == "person", Account.state == "invited")
        .values(oidc_subject=kept)
    )
    if bound.rowcount != 1:
        raise UsageError(
            "only a person who is still invited can be bound to a subject",
            hint="tutela account reset asks for that",
        )
    log.record(tx, who, "account.subject-bound", f"account:{account_id}")


def begin(database: Database, web: WebSettings, provider: Provider) -> Way:
    """Send a browser to the agency.

    Raises:
        ServiceError: the agency does not answer as it should.
    """
    state, nonce, verifier = (secrets.token_urlsafe(SECRET_BYTES) for _ in range(3))
    asked = {
        "response_type": "code",
        "scope": "openid",
        "client_id": web.oidc_client_id,
        "redirect_uri": _callback(web),
        "state": state,
        "nonce": nonce,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    endpoint = provider.metadata().authorization_endpoint
    joint = "&" if "?" in endpoint else "?"
    data = {"purpose": "agency", "state": state, "nonce": nonce, "verifier": verifier}
    with database.write() as tx:
        session = sessions.start(tx, None, State.BEFORE, web, data)
    return Way(session, f"{endpoint}{joint}{urlencode(asked)}")


def finish(
    database: Database,
    web: WebSettings,
    provider: Provider,
    session: str,
    came: tuple[Mapping[str, str], str],
) -> Entered:
    """Let in whom the agency sent back.

    Args:
        database: Where accounts are.
        web: Settings of the agency and of sessions.
        provider: The agency.
        session: The token that `begin` gave.
        came: The query that the browser came back with, and its address.

    Raises:
        AccessError: code `sign_in`: the agency's word does not hold, or is about nobody here; code
            `locked`: too many tries from this address.
        ServiceError: the agency does not answer as it should.
    """
    query, address = came
    this = attempts.begin(database, "", address)
    with database.write() as tx:
        kept = sessions.take(tx, session, State.BEFORE, web).data
    claims = _claims(web, provider, kept, query)
    entered = None
    with database.write() as tx:
        row = _person(tx, web, claims["sub"]) if claims else None
        if row is None or claims is None:
            signin.refuse(tx, None, address, by="oidc")
        else:
            entered = _let_in(tx, web, row, both=_both_factors(claims))
            if entered is None:
                signin.refuse(tx, row.id, address, by="oidc", why="second_factor")
    if entered is None:
        raise _wrong()
    attempts.succeeded(database, this)
    return entered


def _claims(
    web: WebSettings, provider: Provider, kept: Mapping[str, Any], query: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return what the agency says of somebody, or None where its word does not hold."""
    state = query.get("state", "").encode("utf-8", "surrogatepass")
    if (
        kept.get("purpose") != "agency"
        or not secrets.compare_digest(state, kept["state"].encode())
        or query.get("iss", web.oidc_issuer) != web.oidc_issuer  # RFC 9207: mix-up
        or not query.get("code")
    ):
        return None
    token = provider.id_token(query["code"], kept["verifier"], _callback(web))
    if token is None:
        return None
    claims = _verified(token, provider.keys()) or _verified(token, provider.keys(again=True))
    return claims if claims and _holds(web, claims, kept["nonce"]) else None


def _verified(token: str, keys: KeySet) -> dict[str, Any] | None:
    try:
        return dict(jwt.decode(token, keys, algorithms=ALGORITHMS).claims)
    except (JoseError, ValueError, TypeError, LookupError):
        return None


def _holds(web: WebSettings, claims: Mapping[str, Any], nonce: str) -> bool:
    """Check an ID token's claims (OpenID Connect Core 1.0, section 3.1.3.7)."""
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    moment = time.time()
    expires, issued, subject = (claims.get(name) for name in ("exp", "iat", "sub"))
    return (
        claims.get("iss") == web.oidc_issuer
        and web.oidc_client_id in named
        and (len(named) == 1 or "azp" in claims)
        and claims.get("azp", web.oidc_client_id) == web.oidc_client_id
        and isinstance(expires, (int, float))
        and expires > moment - LEEWAY_S
        and isinstance(issued, (int, float))
        and issued < moment + LEEWAY_S
        and isinstance(claims.get("nonce"), str)
        and secrets.compare_digest(claims["nonce"].encode(), nonce.encode())
        and isinstance(subject, str)
        and 0 < len(subject) <= LONGEST_SUBJECT
    )


def _both_factors(claims: Mapping[str, Any]) -> bool:
    methods = claims.get("amr")
    return isinstance(methods, list) and "mfa" in methods


def _let_in(tx: Connection, web: WebSettings, row: Row[int, str], *, both: bool) -> Entered | None:
    account_id = AccountId(row.id)
    if row.state == "invited" and both:
        tx.execute(update(Account).where(Account.id == row.id).values(state="active"))
        who = Principal(account_id, None, "", frozenset(), Via.WEB)
        log.record(tx, who, "account.accepted", f"account:{row.id}", factor="oidc")
    elif row.state == "invited":
        return None
    if both:
        return Entered(signin.let_in(tx, account_id, web, "oidc"), State.ACTIVE)
    half = sessions.start(tx, account_id, State.SECOND_FACTOR, web, {"by": "oidc"})
    return Entered(half, State.SECOND_FACTOR)


def _person(tx: Connection, web: WebSettings, subject: str) -> Row[int, str] | None:
    return tx.execute(
        select(Account.id, Account.state).where(
            Account.oidc_subject == _subject(web, subject),
            Account.kind == "person",
            Account.state != "closed",
        )
    ).one_or_none()


def _subject(web: WebSettings, subject: str) -> str:
    """Return what is kept: a subject is only one together with its issuer."""
    return f"{web.oidc_issuer} {subject}"


def _callback(web: WebSettings) -> str:
    return web.origin.rstrip("/") + CALLBACK


def _wrong() -> AccessError:
    return AccessError(
        "the agency's sign-in does not open anything here",
        code="sign_in",
        hint="try again; if it stays so, an administrator can look at the log",
    )
