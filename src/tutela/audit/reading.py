"""Reads the log in the order of its events, some thousand at a time: memory stays bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, String, bindparam, select, type_coerce

from tutela.core.errors import IntegrityError
from tutela.core.time import iso_precise
from tutela.store.columns import WholeNumber
from tutela.store.tables.audit import AuditEvent, AuditHead, AuditText

BATCH = 4096


class Leaf(NamedTuple):
    """One row as it stands, believed in nothing: `at` is what the driver gives for a time."""

    seq: int
    at: Any
    account_id: int | None
    action: str
    subject: str
    body: bytes
    leaf_hash: bytes


class Head(NamedTuple):
    """The head as it stands."""

    size: int
    frontier: bytes
    root: bytes


_LEAVES = (
    select(
        AuditEvent.seq,
        type_coerce(AuditEvent.at, String),
        AuditEvent.account_id,
        AuditEvent.action,
        AuditEvent.subject,
        AuditEvent.body,
        AuditEvent.leaf_hash,
    )
    .where(
        AuditEvent.seq > bindparam("after", type_=WholeNumber),
        AuditEvent.seq < bindparam("end", type_=WholeNumber),
    )
    .order_by(AuditEvent.seq)
    .limit(BATCH)
)
_HASHES = (
    select(AuditEvent.leaf_hash)
    .where(
        AuditEvent.seq >= bindparam("start", type_=WholeNumber),
        AuditEvent.seq < bindparam("end", type_=WholeNumber),
    )
    .order_by(AuditEvent.seq)
)


def head(tx: Connection) -> Head | None:
    """Return the head of the log, or None where nothing was ever logged."""
    row = tx.execute(
        select(AuditHead.size, AuditHead.frontier, AuditHead.root).where(AuditHead.id == 1)
    ).one_or_none()
    return None if row is None else Head(*row)


def batches(tx: Connection, end: int, after: int = -(2**62)) -> Iterator[Sequence[Leaf]]:
    """Yield the events behind `after` and before `end`, in the order of their numbers."""
    while True:
        rows: Sequence[Any] = tx.execute(_LEAVES, {"after": after, "end": end}).all()
        if rows:
            yield rows
            after = rows[-1][0]
        if len(rows) < BATCH:
            return


def texts(tx: Connection, first: int, last: int) -> dict[int, list[tuple[str, bytes, str]]]:
    """Return the words kept beside events `first` to `last`: name, salt and text by number."""
    found: dict[int, list[tuple[str, bytes, str]]] = {}
    rows = tx.execute(
        select(AuditText.seq, AuditText.name, AuditText.salt, AuditText.text)
        .where(AuditText.seq >= first, AuditText.seq <= last)
        .order_by(AuditText.seq, AuditText.name)
    )
    for seq, name, salt, text in rows:
        found.setdefault(seq, []).append((name, salt, text))
    return found


def leaf_hashes(tx: Connection, start: int, end: int) -> Iterator[bytes]:
    """Yield the leaf hashes of events `start` to before `end`.

    Raises:
        IntegrityError: one is missing.
    """
    for part in range(start, end, BATCH):
        stop = min(end, part + BATCH)
        found = tx.execute(_HASHES, {"start": part, "end": stop}).scalars().all()
        if len(found) != stop - part:
            raise IntegrityError(
                f"of events {part} to {stop - 1} some are missing",
                hint="`tutela audit verify` names them",
            )
        yield from found


def moment_text(raw: Any) -> str:
    """Write a time as a leaf does: SQLite gives text in UTC, PostgreSQL a moment."""
    if isinstance(raw, datetime):
        return iso_precise(raw)
    text = str(raw)
    return f"{text[:10]}T{text[11:]}Z"
