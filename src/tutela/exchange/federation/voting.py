"""Telling partner nodes the vote of our nation, whenever it has changed.

The vote of a nation is what the organisations of this installation say of a content alike, or what
an adjudicator settled; where they differ it has none. Votes that came from nodes are not passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from tutela.casework.among import among
from tutela.core.ids import NodeId
from tutela.core.principal import SYSTEM
from tutela.exchange.federation import nodes, outbox
from tutela.exchange.federation.message import STATEMENTS, VOTES, Statement
from tutela.exchange.federation.message import Votes as Body
from tutela.exchange.federation.nodes import Node
from tutela.exchange.federation.outbox import Draft
from tutela.store import Database
from tutela.store.bulk import Columns, upsert_rows
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import Media
from tutela.store.tables.federation import Node as NodeRow
from tutela.store.tables.federation import NodeTold
from tutela.store.tables.grading import Grade, Vote

# Each of these may change a vote; the log has them in the order in which they were committed.
_MOVES = ("grade.", "agreement.", "reading.")
_EVENTS = 20_000  # of the log that one step looks through
_MEDIA = "media:"

Key = tuple[int, str]  # a media, and a scheme


def tell(database: Database, node_id: NodeId, pin: bytes) -> int:
    """Make messages of what our nation votes now where a node was told otherwise; return how many.

    A node that is not to hear our votes is told nothing.

    Args:
        database: Where votes and messages are.
        node_id: For whom.
        pin: The own pin.
    """
    with database.read() as tx:
        last = tx.execute(select(func.max(AuditEvent.seq))).scalar()
    made = 0
    while last is not None:
        with database.write() as tx:
            node = nodes.locked(tx, node_id)
            if node.removed_at is not None or not node.hears or last <= node.told_seq:
                break
            made += _step(tx, node, pin, min(last, node.told_seq + _EVENTS))
    return made


def _step(tx: Connection, node: Node, pin: bytes, until: int) -> int:
    moved = _moved(tx, node.told_seq, until)
    now_, told = dict(_votes(tx, moved)), _told(tx, node, moved)
    changed = sorted(key for key in now_.keys() | told.keys() if now_.get(key) != told.get(key))
    digests = _digests(tx, {media_id for media_id, _ in changed})
    messages = 0
    said = [key for key in changed if key[0] in digests]
    for start in range(0, len(said), STATEMENTS):
        part = said[start : start + STATEMENTS]
        statements = tuple(Statement(digests[key[0]].hex(), key[1], now_.get(key)) for key in part)
        about = [media_id for media_id, _ in part]
        counts = {"statements": len(statements)}
        outbox.put(tx, SYSTEM, node, pin, Draft(VOTES, Body(statements), about, None, counts))
        messages += 1
    _remember(tx, node, said, now_)
    tx.execute(update(NodeRow).where(NodeRow.id == node.id).values(told_seq=until))
    return messages


def _moved(tx: Connection, after: int, until: int) -> list[int]:
    """Return media of which the log says something between two events that may change a vote."""
    rows = tx.execute(
        select(AuditEvent.subject, AuditEvent.action)
        .where(AuditEvent.seq > after, AuditEvent.seq <= until)
        .where(AuditEvent.subject.startswith(_MEDIA))
    )
    found = {subject for subject, action in rows if action.startswith(_MOVES)}
    return sorted(int(subject.removeprefix(_MEDIA)) for subject in found)


def _votes(tx: Connection, media: Sequence[int]) -> Iterator[tuple[Key, str]]:
    """Yield what our nation votes on media, where it says one thing."""
    others = nodes.organisations(tx)
    rows = tx.execute(
        select(Vote.media_id, Vote.scheme, Vote.organisation_id, Vote.code, Vote.grade_id).where(
            among(tx, Vote.media_id, media)
        )
    )
    codes: dict[Key, set[str]] = {}
    last: dict[Key, int] = {}
    for media_id, scheme, organisation_id, code, grade_id in rows:
        if organisation_id not in others:
            key = media_id, scheme
            codes.setdefault(key, set()).add(code)
            last[key] = max(last.get(key, 0), grade_id)
    settled = _settled(tx, media)
    for key, said in codes.items():
        number, code = settled.get(key, (0, ""))
        if len(said) == 1:
            yield key, next(iter(said))
        elif number > last[key]:
            # Settled after the last of these votes; a newer vote would open it again.
            yield key, code


def _settled(tx: Connection, media: Sequence[int]) -> dict[Key, tuple[int, str]]:
    """Return how disputes were settled here last: the number of that grade, and its code.

    The history says it, not the agreement: that is disputed anew by any vote of another nation.
    """
    rows = tx.execute(
        select(Grade.media_id, Grade.scheme, Grade.id, Grade.code)
        .where(among(tx, Grade.media_id, media), Grade.basis == "adjudicated")
        .where(Grade.case_id.is_(None), Grade.code.is_not(None))
        .order_by(Grade.id)
    )
    return {(media_id, scheme): (number, code or "") for media_id, scheme, number, code in rows}


def _told(tx: Connection, node: Node, media: Sequence[int]) -> dict[Key, str | None]:
    rows = tx.execute(
        select(NodeTold.media_id, NodeTold.scheme, NodeTold.code).where(
            NodeTold.node_id == node.id, among(tx, NodeTold.media_id, media)
        )
    )
    return {(media_id, scheme): code for media_id, scheme, code in rows}


def _digests(tx: Connection, media: Iterable[int]) -> dict[int, bytes]:
    rows = tx.execute(
        select(Media.id, Media.sha256).where(among(tx, Media.id, media), Media.sha256.is_not(None))
    )
    return {media_id: sha256 for media_id, sha256 in rows if sha256 is not None}


def _remember(tx: Connection, node: Node, keys: Sequence[Key], votes: dict[Key, str]) -> None:
    each: Mapping[str, Sequence[Any]] = {
        "media_id": [media_id for media_id, _ in keys],
        "scheme": [scheme for _, scheme in keys],
        "code": [votes.get(key) for key in keys],
    }
    upsert_rows(tx, NodeTold, Columns(each, {"node_id": node.id}))
