"""Finds events for people: newest first or in order, a page at a time.

It asks for no permission, since accounts are above this room: whoever shows events requires
`Permission.AUDIT_READ` first.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from tutela.audit import reading
from tutela.audit.log import SALTED
from tutela.audit.walk import Body
from tutela.core.errors import IntegrityError
from tutela.store.tables.audit import AuditEvent, AuditText

PAGE = 100
MOST = 10_000

_decode = msgspec.json.Decoder(Body).decode


class Filter(msgspec.Struct, frozen=True):
    """Which events; what is None or empty asks for nothing.

    `action` may end in `.` for all of a noun: `grade.`; `subject` in `:`, likewise.
    """

    subject: str = ""
    account_id: int | None = None
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None  # before this moment


class Found(msgspec.Struct, frozen=True):
    """One event, with the words that are still kept; a text that was erased is None."""

    seq: int
    at: datetime
    account_id: int | None
    via: str
    action: str
    subject: str
    data: dict[str, Any]
    texts: dict[str, str | None]


def find(
    tx: Connection, wanted: Filter, *, before: int | None = None, limit: int = PAGE
) -> list[Found]:
    """Return the newest events that fit, newest first.

    For the next page give the number of the last event as `before`.
    """
    statement = _chosen(wanted).order_by(AuditEvent.seq.desc()).limit(min(limit, MOST))
    if before is not None:
        statement = statement.where(AuditEvent.seq < before)
    return _found(tx, statement)


def each(tx: Connection, wanted: Filter) -> Iterator[Found]:
    """Yield all events that fit, in their order, from a bounded memory."""
    after = -1
    while True:
        statement = _chosen(wanted).where(AuditEvent.seq > after).order_by(AuditEvent.seq)
        page = _found(tx, statement.limit(reading.BATCH))
        yield from page
        if len(page) < reading.BATCH:
            return
        after = page[-1].seq


def _chosen(wanted: Filter) -> Any:
    conditions: list[ColumnElement[bool]] = []
    if wanted.subject:
        conditions.append(_begins(AuditEvent.subject, wanted.subject, ":"))
    if wanted.action:
        conditions.append(_begins(AuditEvent.action, wanted.action, "."))
    if wanted.account_id is not None:
        conditions.append(AuditEvent.account_id == wanted.account_id)
    if wanted.since is not None:
        conditions.append(AuditEvent.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(AuditEvent.at < wanted.until)
    return select(AuditEvent.seq, AuditEvent.at, AuditEvent.body).where(*conditions)


def _begins(column: Any, text: str, end: str) -> ColumnElement[bool]:
    chosen: ColumnElement[bool] = (
        column.startswith(text, autoescape=True) if text.endswith(end) else column == text
    )
    return chosen


def _found(tx: Connection, statement: Any) -> list[Found]:
    rows = [(row.at, _body(row.seq, row.body)) for row in tx.execute(statement)]
    facts = {body.seq: msgspec.json.decode(body.data) for _, body in rows}
    committed = {
        seq: [name for name, value in data.items() if str(value).startswith(SALTED)]
        for seq, data in facts.items()
    }
    kept = _kept(tx, [seq for seq, names in committed.items() if names])
    return [
        Found(
            seq=body.seq,
            at=at,
            account_id=body.by,
            via=body.via,
            action=body.act,
            subject=body.on,
            data=facts[body.seq],
            texts={name: kept.get((body.seq, name)) for name in committed[body.seq]},
        )
        for at, body in rows
    ]


def _kept(tx: Connection, numbers: list[int]) -> dict[tuple[int, str], str]:
    if not numbers:
        return {}
    rows = tx.execute(
        select(AuditText.seq, AuditText.name, AuditText.text).where(AuditText.seq.in_(numbers))
    )
    return {(row.seq, row.name): row.text for row in rows}


def _body(seq: int, body: bytes) -> Body:
    try:
        return _decode(body)
    except msgspec.DecodeError:
        raise IntegrityError(
            f"event {seq} cannot be read", hint="`tutela audit verify` tells more"
        ) from None
