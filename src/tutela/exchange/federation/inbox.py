"""Messages from a node: each taken once and in its order, however often it comes.

A message that does not belong here (another sender, receiver, number or clock) is refused as it
came: nothing changes but the log, and the sender keeps it. What is taken gets an answer, which may
be that policy refuses it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update

from tutela.audit import log
from tutela.audit.log import Event, Value
from tutela.core.errors import ConflictError, InputError, ServiceError, TutelaError
from tutela.core.time import now
from tutela.exchange.federation import nodes
from tutela.exchange.federation.message import (
    CLOCKS_APART,
    Message,
    Reply,
    decoded,
    encoded,
    sha256,
)
from tutela.exchange.federation.nodes import Node
from tutela.store import Database
from tutela.store.tables.federation import Node as NodeRow
from tutela.store.tables.federation import NodeTaken

_TURN_S = 5.0


class Act(NamedTuple):
    """What is done with a kind of message.

    `do` acts within the transaction and returns the whole answer: what it refuses is a code in
    `Reply.refused`. It gets what `look` found before, which takes time and changes nothing: nobody
    waits for that.
    """

    do: Callable[[Connection, Node, Message, Any], bytes]
    look: Callable[[Connection, Node, Message], object] | None = None


class Inbox:
    """Takes messages for one installation.

    Args:
        database: Where it keeps them.
        pin: The own pin.
        acts: What to do, by kind of message.
    """

    def __init__(self, database: Database, pin: bytes, acts: Mapping[str, Act]) -> None:
        self._database, self._pin, self._acts = database, pin, acts
        self._told: dict[int, tuple[str, bytes]] = {}
        self._lock = threading.Lock()
        self._turns: dict[int, threading.Lock] = {}

    def take(self, node: Node, body: bytes) -> bytes:
        """Do what a message says, once; return the answer.

        Raises:
            AccessError: the node is trusted no more, or by another key.
            InputError: it is no message, or not one from this node to this one.
            ConflictError: it is not the next one (code `order`), of another run of numbers
                (`stream`), or other than it was under its number (`replayed`).
            ServiceError: another message of this node is being answered (code `busy`).
        """
        try:
            message = self._addressed(node, body)
            with self._turn(node):
                with self._database.read() as tx:
                    # Only for the next message is anything looked for: nobody gets it done twice.
                    kept = self._standing(tx, nodes.by_pin(tx, node.pin), message, body)
                    looked = self._looked(tx, node, message) if kept is None else None
                return kept or self._taken(node, message, body, looked)
        except (InputError, ConflictError) as error:
            self._refused(node, body, error)
            raise

    def _addressed(self, node: Node, body: bytes) -> Message:
        message = decoded(body, Message)
        if (message.sender, message.receiver) != (node.pin.hex(), self._pin.hex()):
            raise InputError("this message is not from you to this node", code="addressed")
        if message.at > now() + CLOCKS_APART:
            raise InputError(
                f"this message was made in the future: {message.at:%Y-%m-%d %H:%M} UTC",
                code="clock",
                hint="one of the two clocks is wrong",
            )
        return message

    @contextmanager
    def _turn(self, node: Node) -> Iterator[None]:
        """Let one message of a node be dealt with at a time, which is how a node sends them."""
        with self._lock:
            turn = self._turns.setdefault(node.id, threading.Lock())
        if not turn.acquire(timeout=_TURN_S):
            raise ServiceError("a message of yours is being answered", code="busy", hint="wait")
        try:
            yield
        finally:
            turn.release()

    def _looked(self, tx: Connection, node: Node, message: Message) -> object:
        act = self._acts.get(message.kind)
        return act.look(tx, node, message) if act and act.look else None

    def _standing(self, tx: Connection, node: Node, message: Message, body: bytes) -> bytes | None:
        """Return what was answered to a message before, None where it is the next one.

        Raises:
            ConflictError: it is neither.
        """
        stream = bytes.fromhex(message.stream)
        before = tx.execute(
            select(NodeTaken.sha256, NodeTaken.answer).where(
                NodeTaken.node_id == node.id,
                NodeTaken.stream == stream,
                NodeTaken.number == message.number,
            )
        ).one_or_none()
        if before is not None:
            if before.sha256 != sha256(body):
                raise ConflictError(
                    f"number {message.number} was another message before", code="replayed"
                )
            kept: bytes = before.answer
            return kept
        anew = node.in_stream != stream
        if anew and not (node.in_open and self._unseen(tx, node, stream)):
            raise ConflictError(
                "this message is of another run of numbers",
                code="stream",
                hint="after a restored backup both operators run: tutela node restart",
            )
        following = 1 if anew else node.in_number + 1
        if message.number != following:
            raise ConflictError(
                f"message {message.number} came, and {following} is the next", code="order"
            )
        return None

    def _unseen(self, tx: Connection, node: Node, stream: bytes) -> bool:
        """Tell whether nothing of a run of numbers ever came: an old one does not come back."""
        same = (NodeTaken.node_id == node.id, NodeTaken.stream == stream)
        return tx.execute(select(NodeTaken.number).where(*same).limit(1)).first() is None

    def _taken(self, node: Node, message: Message, body: bytes, looked: object) -> bytes:
        with self._database.write() as tx:
            now_ = nodes.locked(tx, node.id)
            if now_.pin != node.pin or now_.removed_at is not None:
                raise nodes.unknown(node.pin)  # it came in a while ago
            # Another process of this installation may have been quicker.
            kept = self._standing(tx, now_, message, body)
            return kept or self._done(tx, now_, message, body, looked)

    def _done(
        self, tx: Connection, node: Node, message: Message, body: bytes, looked: object
    ) -> bytes:
        act = self._acts.get(message.kind)
        try:
            answer = act.do(tx, node, message, looked) if act else refusal(message, "kind")
        except InputError as error:
            # Its number is used up all the same, or nothing would ever come after it.
            answer = refusal(message, error.code)
        stream = bytes.fromhex(message.stream)
        tx.execute(
            insert(NodeTaken).values(
                node_id=node.id,
                stream=stream,
                number=message.number,
                kind=message.kind,
                sha256=sha256(body),
                answer=answer,
                taken_at=now(),
            )
        )
        values: dict[str, Any] = {"in_stream": stream, "in_number": message.number}
        if node.in_stream != stream:
            values["in_open"] = False
        tx.execute(update(NodeRow).where(NodeRow.id == node.id).values(**values))
        facts: dict[str, Value] = {
            "kind": message.kind,
            "number": message.number,
            "stream": message.stream,
        }
        facts |= {"message": sha256(body).hex(), "answer": sha256(answer).hex()}
        if said := decoded(answer, Reply).refused:
            facts["refused"] = said
        log.record_many(tx, node.principal, [Event("node.taken", node.subject, facts)])
        return answer

    def _refused(self, node: Node, body: bytes, error: TutelaError) -> None:
        """Write to the log what was refused; the same again and again is one event."""
        said = error.code, sha256(body)
        if self._told.get(node.id) == said:
            return
        self._told[node.id] = said
        with self._database.write() as tx:
            facts: dict[str, Value] = {"code": error.code, "message": sha256(body).hex()}
            log.record_many(tx, node.principal, [Event("node.refused", node.subject, facts)])


def refusal(message: Message, code: str) -> bytes:
    """Return the answer that a message was taken and nothing done, and why."""
    return encoded(Reply(number=message.number, refused=code))
