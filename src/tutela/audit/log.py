"""Appends events to the log, in the transaction of the change that they tell.

A leaf's body is canonical JSON (RFC 8785; numbers are integers only):
`{"act", "at", "by", "data", "on", "prev", "seq", "v", "via"}`. It holds ids and commitments, never
names, URLs or words: those are kept beside it under a salt, so that they can be erased lawfully
while the tree still verifies.

`prev` is the beginning of the leaf hash of the event before. The tree alone proves that something
was changed; this says where, as long as not everything after it was written anew too.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, select, update

from tutela.audit.merkle import Frontier, leaf_hash
from tutela.core.principal import Principal
from tutela.core.time import iso_precise, now
from tutela.store.bulk import Columns, insert_rows
from tutela.store.tables.audit import AuditEvent, AuditHead, AuditText

VERSION = 1
SALT_BYTES = 16
SALTED = "salted:"  # followed by the commitment, in place of words
PREV_BYTES = 8
# An entry bundle gives the length of an entry in 16 bits (C2SP tlog-tiles, "Log entries").
LONGEST_BODY = 0xFFFF
# Numbers of JSON are doubles: beyond this they are not told apart (RFC 8785, section 3.2.2.3).
LARGEST_INTEGER = 2**53 - 1

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
        ValueError: a fact is no JSON of strings, integers, booleans, lists and objects, or an
            event is longer than an entry of a log may be.
    """
    first, frontier, last = _locked(tx)
    moment = now()
    # What stands before and after the facts of one event; in bytes, since they are hashed.
    seam = b',"at":"%b","by":%b,"data":' % (iso_precise(moment).encode(), _encode(who.account_id))
    end = b',"v":%d,"via":%b}' % (VERSION, _encode(who.via))
    leaves = _Leaves([], [], [], [], [])
    texts: list[dict[str, Any]] = []
    facts = _Facts()
    for seq, event in enumerate(events, first):
        action, subject, data, words = event
        said = canonical({**data, **_committed(seq, words, texts)}) if words else facts.of(data)
        body = b'{"act":%b%b%b,"on":%b,"prev":"%b","seq":%d%b' % (
            *(_encode(action), seam, said, _encode(subject)),
            *(last[:PREV_BYTES].hex().encode(), seq, end),
        )
        if len(body) > LONGEST_BODY:
            raise ValueError(f"an audit event of {len(body):,} bytes")
        last = leaf_hash(body)
        leaves.seq.append(seq)
        leaves.action.append(action)
        leaves.subject.append(subject)
        leaves.body.append(body)
        leaves.leaf_hash.append(last)
    if leaves.seq:
        frontier.extend(leaves.leaf_hash)
        _append(tx, leaves, {"at": moment, "account_id": who.account_id}, texts, frontier)
    return first


class _Leaves(NamedTuple):
    """Rows of the log by column: thousands of them in one bulk act."""

    seq: list[int]
    action: list[str]
    subject: list[str]
    body: list[bytes]
    leaf_hash: list[bytes]


class _Facts:
    """Canonical JSON of facts; those that many events of one call share are written once."""

    def __init__(self) -> None:
        # With the facts themselves: the number of an object is another's when it is gone.
        self._known: dict[int, tuple[Mapping[str, Value], bytes]] = {}

    def of(self, data: Mapping[str, Value]) -> bytes:
        """Return what `canonical` returns."""
        known = self._known.get(id(data))
        if known is None:
            known = self._known[id(data)] = data, canonical(data)
        return known[1]


def canonical(data: Mapping[str, Value]) -> bytes:
    """Return RFC 8785 JSON of the facts of an event.

    Raises:
        ValueError: a float, an integer that a double cannot hold, half a surrogate pair, a name
            of rare characters, or no JSON at all.
    """
    for name, value in data.items():
        # RFC 8785 sorts by UTF-16, the encoder by code points: the same below the surrogates.
        if not name.isascii() and max(name) >= "\ud800":
            raise ValueError("a fact of an audit event has a name of rare characters")
        if type(value) is not str:
            _check(value)
    return _encode(data)


def commitment(salt: bytes, text: str) -> bytes:
    """Return what a leaf holds instead of words: SHA-256 over the salt and the UTF-8 text."""
    return hashlib.sha256(salt + text.encode()).digest()


def _committed(seq: int, words: Mapping[str, str], texts: list[dict[str, Any]]) -> dict[str, str]:
    """Return commitments to words, and add the words to the rows that are kept beside."""
    made = {}
    for name, text in words.items():
        salt = secrets.token_bytes(SALT_BYTES)
        made[name] = SALTED + commitment(salt, text).hex()
        texts.append({"seq": seq, "name": name, "salt": salt, "text": text})
    return made


def _check(value: Value) -> None:
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, int):
        if not -LARGEST_INTEGER <= value <= LARGEST_INTEGER:
            raise ValueError(f"the integer {value} in an audit event, which JSON may not keep")
    elif isinstance(value, Mapping):
        canonical(value)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check(inner)
    else:
        raise ValueError(f"a {type(value).__name__} in an audit event")  # noqa: TRY004 one error for all that JSON of the log is not


def _append(
    tx: Connection,
    leaves: _Leaves,
    same: Mapping[str, Any],
    texts: list[dict[str, Any]],
    frontier: Frontier,
) -> None:
    insert_rows(tx, AuditEvent, Columns(leaves._asdict(), same))
    insert_rows(tx, AuditText, texts)
    tx.execute(
        update(AuditHead)
        .where(AuditHead.id == 1)
        .values(size=frontier.size, frontier=frontier.packed, root=frontier.root())
    )


def _locked(tx: Connection) -> tuple[int, Frontier, bytes]:
    """Take the lock of the log, and return its size, its frontier and the last leaf hash.

    SQLite holds the lock since BEGIN IMMEDIATE, PostgreSQL by the row of the head.
    """
    wanted = select(AuditHead.size, AuditHead.frontier).where(AuditHead.id == 1).with_for_update()
    row = tx.execute(wanted).one_or_none()
    if row is None:
        empty = Frontier()
        head = {"id": 1, "size": 0, "frontier": empty.packed, "root": empty.root()}
        # Another writer may be doing the same at this moment: then this waits for it.
        insert_rows(tx, AuditHead, [head], ignore_existing=True)
        row = tx.execute(wanted).one()
    frontier = Frontier(row.size, row.frontier)
    return row.size, frontier, _last(tx, frontier)


def _last(tx: Connection, frontier: Frontier) -> bytes:
    """Return the hash of the last leaf: the last peak where that is a single leaf."""
    if frontier.size % 2 or not frontier.size:
        return frontier.packed[-32:]
    # A statement of its own: only one that begins after the lock was taken sees the last event.
    found = tx.execute(
        select(AuditEvent.leaf_hash).where(AuditEvent.seq == frontier.size - 1)
    ).scalar_one_or_none()
    # A log whose end was cut off still takes events; `verify` names what is missing.
    return found or b""
