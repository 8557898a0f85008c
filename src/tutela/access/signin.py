"""Lets people in by password and code.

An account that is not there, a wrong password and a wrong code are answered alike: same words, same
work, one event in the log. The code is used up only behind the right password.
"""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection, Row, select, update

from tutela.access import accounts, attempts, passwords, secondfactor, sessions
from tutela.access.seal import Sealer
from tutela.access.sessions import State
from tutela.audit import log
from tutela.core.errors import AccessError
from tutela.core.ids import AccountId
from tutela.core.principal import Principal, Via
from tutela.core.settings import WebSettings
from tutela.store import Database
from tutela.store.tables.access import Account

NO_ACCOUNT: Final = AccountId(0)
NOBODY: Final = Principal(None, None, "nobody", frozenset(), Via.WEB)


class Credentials(msgspec.Struct, frozen=True):
    """What somebody typed; `code` is of the authenticator or a recovery code, `address` an IP."""

    name: str
    password: str
    code: str
    address: str


def password(database: Database, sealer: Sealer, web: WebSettings, given: Credentials) -> str:
    """Let somebody in; return the token of an active session.

    Raises:
        AccessError: code `sign_in`: name, password and code do not go together, whichever is wrong;
            code `locked`: too many tries.
    """
    name = given.name.strip().lower()
    this = _counted(database, name, given.address)
    with database.read() as tx:
        row = _person(tx, name)
    right = passwords.matches(row.password_hash if row else None, given.password)
    renewed = (
        passwords.hashed(given.password)
        if row is not None and right and passwords.outdated(row.password_hash)
        else None
    )
    token = None
    with database.write() as tx:
        # Read again: the account may have been closed, or its password changed, meanwhile.
        if row is None or not right or _person(tx, name) != row:
            secondfactor.consume(tx, sealer, NO_ACCOUNT, given.code)
            refuse(tx, row.id if row else None, given.address)
        else:
            account_id = AccountId(row.id)
            how = secondfactor.consume(tx, sealer, account_id, given.code)
            if how:
                if renewed is not None:
                    tx.execute(
                        update(Account).where(Account.id == row.id).values(password_hash=renewed)
                    )
                token = let_in(tx, account_id, web, f"password+{how}")
            else:
                refuse(tx, account_id, given.address)
    if token is None:
        raise wrong()
    attempts.succeeded(database, this)
    return token


def code(  # noqa: PLR0913, PLR0917 what is open, and what was typed
    database: Database, sealer: Sealer, web: WebSettings, token: str, typed: str, address: str
) -> str:
    """Finish a sign-in that lacks its second factor; return the token of an active session.

    A wrong code ends it: the first factor has to be shown again.

    Raises:
        AccessError: code `sign_in`: the code is wrong, or the time was over; code `locked`.
    """
    this = _counted(database, "", address)
    fresh = None
    with database.write() as tx:
        half = sessions.take(tx, token, State.SECOND_FACTOR, web)
        account_id = half.account_id
        if account_id is None:
            raise wrong()
        how = secondfactor.consume(tx, sealer, account_id, typed)
        if how:
            fresh = let_in(tx, account_id, web, f"{half.data['by']}+{how}")
        else:
            refuse(tx, account_id, address)
    if fresh is None:
        raise wrong()
    attempts.succeeded(database, this)
    return fresh


def let_in(tx: Connection, account_id: AccountId, web: WebSettings, by: str) -> str:
    """Give an account an active session; `by` says what it has shown. The caller has looked."""
    who = accounts.principal(tx, account_id, Via.WEB)
    token = sessions.start(tx, account_id, State.ACTIVE, web)
    log.record(tx, who, "session.started", f"account:{account_id}", by=by)
    return token


def refuse(
    tx: Connection, account_id: int | None, address: str, *, via: Via = Via.WEB, **data: str
) -> None:
    """Note a try that failed; the address is kept beside the log and can be erased."""
    subject = f"account:{account_id or 'unknown'}"
    nobody = msgspec.structs.replace(NOBODY, via=via)
    log.record(tx, nobody, "signin.failed", subject, texts={"address": address}, **data)


def wrong() -> AccessError:
    """Return the one answer to whatever is wrong."""
    return AccessError(
        "name, password and code do not go together",
        code="sign_in",
        hint="check all three; a code of the authenticator works once",
    )


def _counted(database: Database, name: str, address: str) -> attempts.Try:
    try:
        return attempts.begin(database, name, address)
    except AccessError:
        with database.write() as tx:
            row = _person(tx, name)
            refuse(tx, row.id if row else None, address, why="locked")
        raise


def _person(tx: Connection, name: str) -> Row[int, str | None] | None:
    found: Row[int, str | None] | None = tx.execute(
        select(Account.id, Account.password_hash).where(
            Account.name == name,
            Account.kind == "person",
            Account.state == "active",
            Account.password_hash.is_not(None),
        )
    ).one_or_none()
    return found
