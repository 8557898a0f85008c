"""How an invited person comes in for the first time: a password and a second factor, behind a link.

The link's secret works once and for 24 hours. Until then nothing is written: the authenticator's
secret that the page shows is derived from the link's, so that a page loaded twice shows it twice.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, Row, select, update

from tutela.access import passwords, secondfactor, signin, tokens
from tutela.access.seal import Sealer
from tutela.audit import log
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import AccountId
from tutela.core.principal import Principal, Via
from tutela.core.settings import WebSettings
from tutela.core.time import now
from tutela.store import Database
from tutela.store.tables.access import Account, Invitation, Organisation


class Offer(msgspec.Struct, frozen=True):
    """What the page of an invitation shows.

    `uri` is for the authenticator app, `qr_svg` the same as a picture, `secret` the same to type.
    """

    account_id: AccountId
    name: str
    display_name: str
    organisation: str
    secret: str
    uri: str
    qr_svg: str


class Accepted(msgspec.Struct, frozen=True):
    """What an accepted invitation gives: an active session, and recovery codes to be shown once."""

    account_id: AccountId
    session: str
    recovery_codes: list[str]


def offer(tx: Connection, sealer: Sealer, token: str) -> Offer:
    """Return what the page behind a link shows; nothing changes.

    Raises:
        AccessError: code `sign_in`: the link is nobody's, used or too old.
    """
    row = invited(tx, token)
    secret = _secret(sealer, token)
    uri = secondfactor.uri(secret, row.name)
    return Offer(
        AccountId(row.id),
        row.name,
        row.display_name,
        row.organisation,
        secondfactor.shown(secret),
        uri,
        secondfactor.qr_svg(uri),
    )


def accept(
    database: Database, sealer: Sealer, web: WebSettings, token: str, chosen: tuple[str, str]
) -> Accepted:
    """Take an invitation up with a password and an authenticator.

    Args:
        database: Where the account is.
        sealer: Seals the authenticator's secret.
        web: How long the session lasts that begins.
        token: The link's secret.
        chosen: The password, and a code that the authenticator shows now.

    Raises:
        AccessError: code `sign_in`: the link is nobody's, used or too old.
        UsageError: code `password`: it is not good enough; code `code`: the code is wrong.
    """
    password, code = chosen
    secret = _secret(sealer, token)
    kept = chosen_password(database, token, password)
    step = secondfactor.step_of(secret, code)
    if step is None:
        raise UsageError(
            "the code is not the one that the authenticator shows now",
            code="code",
            hint="is the clock of the telephone right?",
        )
    with database.write() as tx:
        row = invited(tx, token)
        account_id = AccountId(row.id)
        sealed = secondfactor.sealed(sealer, account_id, secret)
        tx.execute(
            update(Account)
            .where(Account.id == account_id)
            .values(totp_secret=sealed, totp_last_step=step)
        )
        return activate(tx, web, token, kept, "totp")


def chosen_password(database: Database, token: str, password: str) -> str:
    """Return what is kept of the password that an invited person chose.

    Raises:
        AccessError: code `sign_in`: the link is nobody's, used or too old.
        UsageError: code `password`: it is not good enough.
    """
    with database.read() as tx:
        row = invited(tx, token)
    passwords.check(password, row.name, row.display_name)
    return passwords.hashed(password)


def activate(
    tx: Connection, web: WebSettings, token: str, password_hash: str, factor: str
) -> Accepted:
    """Make the account active; its second factor is there already, and the link is used up."""
    row = invited(tx, token)
    account_id = AccountId(row.id)
    tx.execute(
        update(Invitation)
        .where(Invitation.token_hash == tokens.hashed(token))
        .values(used_at=now())
    )
    tx.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(state="active", password_hash=password_hash)
    )
    codes = secondfactor.renew_recovery(tx, account_id)
    who = Principal(account_id, row.organisation_id, row.name, frozenset(), Via.WEB)
    log.record(tx, who, "account.accepted", f"account:{account_id}", factor=factor)
    return Accepted(account_id, signin.let_in(tx, account_id, web, "invitation"), codes)


def invited(tx: Connection, token: str) -> Row[int, str, str, int, str]:
    """Return id, name, display_name, organisation_id and organisation of who was invited.

    Raises:
        AccessError: code `sign_in`: the link is nobody's, used or too old.
    """
    row = tx.execute(
        select(
            Account.id,
            Account.name,
            Account.display_name,
            Account.organisation_id,
            Organisation.name.label("organisation"),
        )
        .join(Invitation, Invitation.account_id == Account.id)
        .join(Organisation, Organisation.id == Account.organisation_id)
        .where(
            Invitation.token_hash == tokens.hashed(token),
            Invitation.used_at.is_(None),
            Invitation.expires_at > now(),
            Account.state == "invited",
        )
        .with_for_update(of=Invitation)
    ).one_or_none()
    if row is None:
        raise AccessError(
            "this link was used already, or its 24 hours are over",
            code="sign_in",
            hint="ask the administrator who invited you for a new one",
        )
    return row


def _secret(sealer: Sealer, token: str) -> bytes:
    return sealer.derive("totp of an invitation", tokens.hashed(token), secondfactor.SECRET_BYTES)
