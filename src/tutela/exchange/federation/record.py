"""Comparing two logs: what each says of the messages between two nodes must be the same."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, select

from tutela.exchange.federation.message import RecordRow
from tutela.exchange.federation.nodes import Node
from tutela.store.tables.audit import AuditEvent

ROWS = 1_000


class _Data(msgspec.Struct):
    number: int = 0
    stream: str = ""
    message: str = ""
    answer: str = ""


class _Leaf(msgspec.Struct):
    seq: int
    data: _Data


_leaf = msgspec.json.Decoder(_Leaf).decode


class Side(enum.StrEnum):
    """Messages that a node sent and were answered, or that it took and answered."""

    ANSWERED = "answered"
    TAKEN = "taken"


class Difference(NamedTuple):
    """A message on which two logs differ: what each says, None where it says nothing."""

    number: int
    answered: RecordRow | None
    taken: RecordRow | None


def rows(tx: Connection, node: Node, side: Side, after: int) -> list[RecordRow]:
    """Return what our log says of messages to or from a node, in the present run of numbers."""
    if side is Side.TAKEN:
        return _some(tx, node, "node.taken", (node.in_stream or b"").hex(), after)
    return _some(tx, node, "node.answered", node.out_stream.hex(), after)


def differences(
    answered: list[RecordRow], taken: list[RecordRow], since: list[RecordRow], *, whole: bool
) -> Iterator[Difference]:
    """Yield messages on which two pages differ.

    Args:
        answered: What one log says of messages that it sent.
        taken: What the other says of them, read after that.
        since: What the first said after that.
        whole: Whether these are the last pages: then one message at most may have been taken of
            which the answer is not known.
    """
    end = answered[-1].number if answered else 0
    left = {row.number: row for row in answered}
    right = {row.number: row for row in taken if row.number <= end}
    for number in sorted(left.keys() | right.keys()):
        if left.get(number) != right.get(number):
            yield Difference(number, left.get(number), right.get(number))
    known = max(end, since[-1].number if since else 0)
    beyond = [row for row in taken if row.number > known]
    for row in beyond[1:] if whole else ():
        yield Difference(row.number, None, row)


def _some(tx: Connection, node: Node, action: str, stream: str, after: int) -> list[RecordRow]:
    """Return a page of rows by number; the log is read from the first event on."""
    found: list[RecordRow] = []
    last = -1
    while len(found) < ROWS:
        leaves = tx.execute(
            select(AuditEvent.seq, AuditEvent.body)
            .where(AuditEvent.subject == node.subject, AuditEvent.action == action)
            .where(AuditEvent.seq > last)
            .order_by(AuditEvent.seq)
            .limit(ROWS)
        ).all()
        for seq, body in leaves:
            last = seq
            data = _leaf(body).data
            if data.stream == stream and data.number > after and len(found) < ROWS:
                found.append(RecordRow(stream, data.number, data.message, data.answer))
        if len(leaves) < ROWS:
            break
    return found
