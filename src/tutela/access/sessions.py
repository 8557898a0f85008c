"""Sessions of browsers: a token in a cookie, of which the database holds the hash.

A session ends when it is not used for a while, when its time is over, when its account is closed,
or when it is ended. Signing in always gives a new token.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, delete, insert, or_, select, update

from tutela.access import tokens
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import AccessError
from tutela.core.ids import AccountId
from tutela.core.principal import Principal, Via
from tutela.core.settings import WebSettings
from tutela.core.time import now
from tutela.store import Database
from tutela.store.tables.access import Account, WebSession

HALF_MINUTES = 10
TOUCH_SECONDS = 60


class State(enum.StrEnum):
    """How far a browser has come in."""

    BEFORE = "before"  # nobody yet: a passkey or the agency's answer is awaited
    SECOND_FACTOR = "second_factor"  # an account, which has shown its first factor only
    ACTIVE = "active"


class Session(msgspec.Struct, frozen=True):
    """One session. `account_id` is None before anybody has shown who they are."""

    token_hash: bytes
    account_id: AccountId | None
    state: State
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    data: dict[str, Any]


def start(
    tx: Connection,
    account_id: AccountId | None,
    state: State,
    web: WebSettings,
    data: Mapping[str, Any] | None = None,
) -> str:
    """Make a session and return its token; one that is not active yet lives ten minutes."""
    token, kept = tokens.new_token()
    moment = now()
    active = state is State.ACTIVE
    lives = timedelta(hours=web.session_hours) if active else timedelta(minutes=HALF_MINUTES)
    tx.execute(delete(WebSession).where(WebSession.expires_at < moment))
    tx.execute(
        insert(WebSession).values(
            token_hash=kept,
            account_id=account_id,
            state=state,
            created_at=moment,
            seen_at=moment,
            expires_at=moment + lives,
            data=dict(data or {}),
        )
    )
    return token


def find(tx: Connection, token: str, web: WebSettings) -> Session | None:
    """Return the session of a token, or None where it is over or its account is not active."""
    moment = now()
    found = tx.execute(
        _selected().where(
            WebSession.token_hash == tokens.hashed(token),
            WebSession.expires_at > moment,
            WebSession.seen_at > moment - timedelta(minutes=web.idle_minutes),
            or_(WebSession.account_id.is_(None), Account.state == "active"),
        )
    ).one_or_none()
    return _session(found) if found else None


def touch(database: Database, token: str) -> None:
    """Note that a session is used; once a minute at most, so that reading stays reading."""
    kept, moment = tokens.hashed(token), now()
    due = (WebSession.token_hash == kept) & (
        WebSession.seen_at < moment - timedelta(seconds=TOUCH_SECONDS)
    )
    with database.read() as tx:
        if tx.execute(select(WebSession.state).where(due)).first() is None:
            return
    with database.write() as tx:
        tx.execute(update(WebSession).where(due).values(seen_at=moment))


def take(tx: Connection, token: str, state: State, web: WebSettings) -> Session:
    """End a session that has not come in yet, and return it: what it holds serves once.

    Raises:
        AccessError: code `sign_in`: there is no such session, or its time is over.
    """
    found = find(tx, token, web)
    gone = delete(WebSession).where(
        WebSession.token_hash == tokens.hashed(token), WebSession.state == state
    )
    if tx.execute(gone).rowcount != 1 or found is None:
        raise AccessError(
            "this way in has expired or was used already", code="sign_in", hint="begin again"
        )
    return found


def end(tx: Connection, token: str) -> None:
    """End a session, whatever its state; nothing happens where there is none."""
    _end(tx, WebSession.token_hash == tokens.hashed(token))


def end_one(tx: Connection, who: Principal, token_hash: bytes) -> None:
    """End one of the own sessions."""
    require(tx, who, Permission.OWN)
    _end(tx, (WebSession.token_hash == token_hash) & (WebSession.account_id == who.account_id))


def end_all(tx: Connection, account_id: AccountId, by: Principal, *, but: str = "") -> None:
    """End all sessions of an account, except that of the token `but`.

    It asks for no permission: the act that it is part of has.
    """
    mine = WebSession.account_id == account_id
    _end(tx, mine & (WebSession.token_hash != tokens.hashed(but)), by)


def of(tx: Connection, who: Principal) -> list[Session]:
    """Return the own active sessions, the latest used first."""
    require(tx, who, Permission.OWN)
    rows = tx.execute(
        _selected()
        .where(
            WebSession.account_id == who.account_id,
            WebSession.state == State.ACTIVE,
            WebSession.expires_at > now(),
        )
        .order_by(WebSession.seen_at.desc())
    )
    return [_session(row) for row in rows]


def _end(tx: Connection, which: ColumnElement[bool], who: Principal | None = None) -> None:
    rows = tx.execute(
        delete(WebSession).where(which).returning(WebSession.account_id, WebSession.state)
    ).all()
    ended = [AccountId(row.account_id) for row in rows if row.state == State.ACTIVE]
    for account_id in ended:
        by = who or Principal(account_id, None, "", frozenset(), Via.WEB)
        log.record(tx, by, "session.ended", f"account:{account_id}")


def _selected() -> Select[Any]:
    return select(WebSession.__table__).outerjoin(Account, Account.id == WebSession.account_id)


def _session(row: Row[Any]) -> Session:
    return Session(
        row.token_hash,
        None if row.account_id is None else AccountId(row.account_id),
        State(row.state),
        row.created_at,
        row.seen_at,
        row.expires_at,
        row.data,
    )
