"""Messages to a node: numbered and kept in the transaction that makes them, until answered.

They are sent in their order, one at a time, each until it is answered: what a cut line swallowed is
sent again under its number, and the other side does it once.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from tutela.audit import log
from tutela.audit.log import Event, Value
from tutela.core.errors import IntegrityError
from tutela.core.ids import CaseId, NodeId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.exchange.federation import nodes
from tutela.exchange.federation.message import (
    ANSWER_BYTES,
    QUESTION,
    Message,
    Reply,
    decoded,
    encoded,
    sha256,
)
from tutela.exchange.federation.nodes import Node
from tutela.store.tables.federation import Node as NodeRow
from tutela.store.tables.federation import NodeSent, NodeTold

_STREAM_BYTES = 16


class Waiting(NamedTuple):
    """A message that is to be sent."""

    stream: bytes
    number: int
    kind: str
    message: bytes


class Draft(NamedTuple):
    """What a message is to say.

    `about` is what of ours each of its contents is; `counts` are facts for the log.
    """

    kind: str
    body: object
    about: Sequence[Any] = ()
    case_id: CaseId | None = None
    counts: Mapping[str, int] = MappingProxyType({})


def put(tx: Connection, who: Principal, node: Node, pin: bytes, draft: Draft) -> int:
    """Number a message and keep it; return its number. `node` is locked by the caller.

    Args:
        tx: A write transaction.
        who: Whose message it is.
        node: For whom, as `nodes.locked` gave it; messages of one transaction follow on it.
        pin: The own pin.
        draft: What it says.
    """
    number = _next(tx, node.id)
    moment = now()
    body = encoded(
        Message(
            stream=node.out_stream.hex(),
            number=number,
            sender=pin.hex(),
            receiver=node.pin.hex(),
            at=moment,
            kind=draft.kind,
            body=msgspec.Raw(encoded(draft.body)),
        )
    )
    tx.execute(
        insert(NodeSent).values(
            node_id=node.id,
            stream=node.out_stream,
            number=number,
            kind=draft.kind,
            message=body,
            about=list(draft.about),
            made_at=moment,
            made_by=who.account_id,
            case_id=draft.case_id,
        )
    )
    facts: dict[str, Value] = {"kind": draft.kind, "number": number, **draft.counts}
    facts["message"] = sha256(body).hex()
    if draft.case_id is not None:
        facts["case"] = int(draft.case_id)
    log.record_many(tx, who, [Event("node.sent", node.subject, facts)])
    return number


def waiting(tx: Connection, node_id: NodeId) -> Waiting | None:
    """Return the next message to send to a node, None where all are answered."""
    row = tx.execute(
        select(NodeSent.stream, NodeSent.number, NodeSent.kind, NodeSent.message)
        .join(NodeRow, NodeRow.id == NodeSent.node_id)
        .where(NodeSent.node_id == node_id, NodeSent.answered_at.is_(None))
        .where(NodeSent.stream == NodeRow.out_stream)
        .order_by(NodeSent.number)
        .limit(1)
    ).one_or_none()
    return None if row is None else Waiting(*row)


def answered(tx: Connection, who: Principal, node: Node, sent: Waiting, answer: bytes) -> Reply:
    """Keep the answer to a message; the same answer again changes nothing.

    Raises:
        InputError: it is none.
        IntegrityError: it is the answer to another message, or another than was given before.
    """
    reply = decoded(answer, Reply, ANSWER_BYTES)
    if reply.number != sent.number:
        raise IntegrityError(
            f"{node.name} answered message {reply.number} when asked {sent.number}", code="answer"
        )
    nodes.locked(tx, node.id)
    this = (
        NodeSent.node_id == node.id,
        NodeSent.stream == sent.stream,
        NodeSent.number == sent.number,
    )
    kept = tx.execute(select(NodeSent.answer).where(*this)).scalar()
    if kept is not None:
        if kept != answer:
            raise IntegrityError(f"{node.name} answered a message in two ways", code="answer")
        return reply
    tx.execute(update(NodeSent).where(*this).values(answered_at=now(), answer=answer))
    facts: dict[str, Value] = {"kind": sent.kind, "number": sent.number}
    facts["stream"] = sent.stream.hex()
    facts |= {"message": sha256(sent.message).hex(), "answer": sha256(answer).hex()}
    if reply.refused:
        facts["refused"] = reply.refused
    log.record_many(tx, who, [Event("node.answered", node.subject, facts)])
    return reply


def beginning() -> dict[str, Any]:
    """Return the columns of a node to whom nothing was said, in a new run of numbers both ways."""
    return {
        "out_stream": secrets.token_bytes(_STREAM_BYTES),
        "out_number": 0,
        "in_open": True,
        "told_seq": nodes.NEVER_TOLD,
        "trouble": "",
    }


def renumber(tx: Connection, who: Principal, node: Node, pin: bytes) -> Node:
    """Begin a new run of numbers with a node, and let it begin one; return it as it is then.

    What it was told and answered stays. Questions that wait are asked again in the new run.
    """
    nodes.locked(tx, node.id)
    mine = (NodeSent.node_id == node.id, NodeSent.answered_at.is_(None))
    open_ = tx.execute(select(NodeSent.__table__).where(*mine).order_by(NodeSent.number)).all()
    tx.execute(delete(NodeSent).where(*mine))
    forget(tx, node.id)
    tx.execute(update(NodeRow).where(NodeRow.id == node.id).values(**beginning()))
    log.record(tx, who, "node.restarted", node.subject)
    begun = nodes.locked(tx, node.id)
    for row in open_:
        if row.kind == QUESTION:
            body = decoded(row.message, Message).body
            draft = Draft(row.kind, body, row.about, row.case_id, {"contents": len(row.about)})
            put(tx, who, begun, pin, draft)
    return nodes.locked(tx, node.id)


def forget(tx: Connection, node_id: NodeId) -> None:
    """Let a node be told all votes anew: it did not take them, or what it has is not known."""
    tx.execute(update(NodeTold).where(NodeTold.node_id == node_id).values(code=""))
    told = {"told_seq": nodes.NEVER_TOLD}
    tx.execute(update(NodeRow).where(NodeRow.id == node_id).values(**told))


def _next(tx: Connection, node_id: NodeId) -> int:
    return tx.execute(
        update(NodeRow)
        .where(NodeRow.id == node_id)
        .values(out_number=NodeRow.out_number + 1)
        .returning(NodeRow.out_number)
    ).scalar_one()
