"""What people change about their own way in; each change asks for the password once more."""

from __future__ import annotations

from sqlalchemy import select, update

from tutela.access import attempts, passwords, secondfactor, sessions, signin, tokens
from tutela.access.authorise import require
from tutela.access.enrolment import Offer
from tutela.access.model import Permission
from tutela.access.seal import Sealer
from tutela.audit import log
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import AccountId
from tutela.core.principal import Principal
from tutela.core.settings import WebSettings
from tutela.store import Database
from tutela.store.tables.access import Account


def change_password(
    database: Database, web: WebSettings, who: Principal, typed: tuple[str, str], address: str
) -> str:
    """Set a new password; all sessions end, and the token of a new one is returned.

    Args:
        database: Where the account is.
        web: How long the new session lasts.
        who: Whose password.
        typed: The old password and the new one.
        address: IP address of the browser.

    Raises:
        AccessError: code `sign_in`: the old one is wrong; code `locked`: too many tries.
        UsageError: code `password`: the new one is not good enough.
    """
    old, new = typed
    account_id = confirm(database, who, old, address)
    passwords.check(new, who.name)
    kept = passwords.hashed(new)
    with database.write() as tx:
        tx.execute(update(Account).where(Account.id == account_id).values(password_hash=kept))
        sessions.end_all(tx, account_id, who)
        token = signin.let_in(tx, account_id, web, "new password")
        log.record(tx, who, "account.password-changed", f"account:{account_id}")
    return token


def offer(sealer: Sealer, who: Principal, session: str) -> Offer:
    """Return a new authenticator's secret to show; the same one for the same session."""
    secret = _secret(sealer, session)
    uri = secondfactor.uri(secret, who.name)
    return Offer(
        who.account_id or AccountId(0),
        who.name,
        who.name,
        "",
        secondfactor.shown(secret),
        uri,
        secondfactor.qr_svg(uri),
    )


def change_authenticator(
    database: Database, sealer: Sealer, who: Principal, session: str, code: str
) -> list[str]:
    """Take the authenticator that `offer` showed instead of the old one; return recovery codes.

    Ask `confirm` for the password before.

    Raises:
        UsageError: code `code`: it is not what the new authenticator shows.
    """
    secret = _secret(sealer, session)
    step = secondfactor.step_of(secret, code)
    if step is None or who.account_id is None:
        raise UsageError(
            "the code is not the one that the authenticator shows now",
            code="code",
            hint="is the clock of the telephone right?",
        )
    with database.write() as tx:
        require(tx, who, Permission.OWN)
        sealed = secondfactor.sealed(sealer, who.account_id, secret)
        tx.execute(
            update(Account)
            .where(Account.id == who.account_id)
            .values(totp_secret=sealed, totp_last_step=step)
        )
        codes = secondfactor.renew_recovery(tx, who.account_id)
        sessions.end_all(tx, who.account_id, who, but=session)
        log.record(tx, who, "account.authenticator-changed", f"account:{who.account_id}")
    return codes


def renew_recovery(database: Database, who: Principal) -> list[str]:
    """Replace the own recovery codes; return the new ones. Ask `confirm` for the password before.

    Raises:
        AccessError: nobody is signed in.
    """
    with database.write() as tx:
        require(tx, who, Permission.OWN)
        if who.account_id is None:
            raise AccessError("only an account has recovery codes")
        codes = secondfactor.renew_recovery(tx, who.account_id)
        log.record(tx, who, "account.recovery-renewed", f"account:{who.account_id}")
    return codes


def confirm(database: Database, who: Principal, password: str, address: str) -> AccountId:
    """Let the work go on only where the own password is typed again.

    Raises:
        AccessError: code `sign_in`: it is wrong; code `locked`: too many tries.
    """
    this = attempts.begin(database, who.name, address)
    with database.read() as tx:
        require(tx, who, Permission.OWN)
        kept = tx.execute(
            select(Account.password_hash).where(
                Account.id == who.account_id, Account.state == "active"
            )
        ).scalar_one_or_none()
    if not passwords.matches(kept, password) or who.account_id is None:
        with database.write() as tx:
            signin.refuse(tx, who.account_id, address, by="own")
        raise AccessError("this is not the password", code="sign_in")
    attempts.succeeded(database, this)
    return who.account_id


def _secret(sealer: Sealer, session: str) -> bytes:
    return sealer.derive("totp of a session", tokens.hashed(session), secondfactor.SECRET_BYTES)
