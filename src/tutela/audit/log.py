"""Appends events to the log, in the transaction of the change that they tell.

A leaf's body is canonical JSON (RFC 8785; numbers are integers only):
`{"act", "at", "by", "data", "on", "seq", "v", "via"}`. It holds ids and commitments, never names,
URLs or words: those are kept beside it under a salt, so that they can be erased lawfully while the
tree still verifies.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, insert, select, update

from tutela.audit.merkle import Frontier, leaf_hash
from tutela.core.principal import Principal
from tutela.core.time import iso_precise, now
from tutela.store.bulk import insert_rows
from tutela.store.tables.audit import AuditEvent, AuditHead, AuditText

VERSION = 1
SALT_BYTES = 16

Value = str | int | bool | None | Sequence["Value"] | Mapping[str, "Value"]

_encode = msgspec.json.Encoder(order="deterministic").encode


class Event(NamedTuple):
    """What happened: `action` such as `grade.given`, `subject` such as `media:12`, and facts.

    `texts` are words that may have to be erased one day; the leaf only commits to them.
    """

    action: str
    subject: str
    data: Mapping[str, Value] = {}
    texts: Mapping[str, str] = {}


def record(
    tx: Connection,
    who: Principal,
    action: str,
    subject: str,
    *,
    texts: Mapping[str, str] | None = None,
    **data: Value,
) -> int:
    """Append one event and return its number. See `record_many`."""
    return record_many(tx, who, [Event(action, subject, data, texts or {})])


def record_many(tx: Connection, who: Principal, events: Iterable[Event]) -> int:
    """Append events, one leaf each, and return the number of the first.

    Call it last in a transaction: from here to the commit all other writers wait.

    Raises:
        ValueError: a fact is no JSON of strings, integers, booleans, lists and objects.
    """
    size, frontier = _locked(tx)
    first, moment = size, now()
    leaves: list[dict[str, object]] = []
    texts: list[dict[str, object]] = []
    for seq, event in enumerate(events, first):
        data = dict(event.data)
        for name, text in event.texts.items():
            salt = secrets.token_bytes(SALT_BYTES)
            data[name] = "salted:" + commitment(salt, text).hex()
            texts.append({"seq": seq, "name": name, "salt": salt, "text": text})
        body = canonical(
            {
                "v": VERSION,
                "seq": seq,
                "at": iso_precise(moment),
                "by": who.account_id,
                "via": who.via,
                "act": event.action,
                "on": event.subject,
                "data": data,
            }
        )
        hashed = leaf_hash(body)
        frontier.push(hashed)
        leaves.append(
            {
                "seq": seq,
                "at": moment,
                "account_id": who.account_id,
                "action": event.action,
                "subject": event.subject,
                "body": body,
                "leaf_hash": hashed,
            }
        )
    insert_rows(tx, AuditEvent, leaves)
    insert_rows(tx, AuditText, texts)
    tx.execute(
        update(AuditHead)
        .where(AuditHead.id == 1)
        .values(size=frontier.size, frontier=frontier.packed, root=frontier.root())
    )
    return first


def canonical(body: Mapping[str, Value]) -> bytes:
    """Return RFC 8785 JSON of a body; floats have no place in the log."""
    _refuse_floats(body)
    return _encode(body)


def commitment(salt: bytes, text: str) -> bytes:
    """Return what a leaf holds instead of words: SHA-256 over the salt and the UTF-8 text."""
    return hashlib.sha256(salt + text.encode()).digest()


def _refuse_floats(value: object) -> None:
    if isinstance(value, float):
        raise ValueError("a float in an audit event")  # noqa: TRY004 a value that JSON would allow
    if isinstance(value, Mapping):
        for inner in value.values():
            _refuse_floats(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _refuse_floats(inner)


def _locked(tx: Connection) -> tuple[int, Frontier]:
    """Take the lock of the log: SQLite holds it since BEGIN IMMEDIATE, PostgreSQL by this row."""
    row = tx.execute(
        select(AuditHead.size, AuditHead.frontier).where(AuditHead.id == 1).with_for_update()
    ).one_or_none()
    if row is None:
        empty = Frontier()
        tx.execute(insert(AuditHead).values(id=1, size=0, frontier=empty.packed, root=empty.root()))
        return 0, empty
    return row.size, Frontier(row.size, row.frontier)
