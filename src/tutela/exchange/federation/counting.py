"""Votes that partner nodes tell: kept as they come, counted where their content is here.

A node's nation has one vote on a media, that of the organisation which stands for it; the rules of
agreement are those for all votes. What is said of a content that is not here waits until it comes.
Messages are answered before anything is counted, so that no answer, nor the time it takes, tells
which contents are here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, func, select

from tutela.audit import log
from tutela.audit.log import Event
from tutela.casework import agreement
from tutela.casework import policy as policies
from tutela.casework import scheme as schemes
from tutela.casework.among import among
from tutela.casework.standing import lock_media
from tutela.core.errors import UsageError
from tutela.core.principal import SYSTEM
from tutela.core.time import now
from tutela.exchange.federation.horizon import Horizon
from tutela.exchange.federation.inbox import refusal
from tutela.exchange.federation.message import Message, Reply, Taken, Votes, decoded, encoded
from tutela.exchange.federation.nodes import Node
from tutela.store import Database
from tutela.store.bulk import Columns, insert_returning, update_rows, upsert_rows
from tutela.store.tables.casework import Media
from tutela.store.tables.federation import Node as NodeRow
from tutela.store.tables.federation import NodeVote
from tutela.store.tables.grading import Grade, Vote

_AT_ONCE = 1_000
# A transaction that was open when we looked last may have dated its rows so long before.
_OVERLAP = timedelta(minutes=10)


def take(tx: Connection, node: Node, message: Message, _looked: object) -> bytes:
    """Keep what a node's nation votes; the answer says how much was taken.

    Raises:
        InputError: it is none (code `message`).
    """
    if not node.votes:
        return refusal(message, "policy")
    said = decoded(message.body, Votes).statements
    latest = {(one.sha256, one.scheme): one for one in said}
    each: Mapping[str, Sequence[Any]] = {
        "sha256": [bytes.fromhex(one.sha256) for one in latest.values()],
        "scheme": [one.scheme for one in latest.values()],
        "code": [one.code for one in latest.values()],
    }
    same = {"node_id": node.id, "counted": False, "at": now()}
    upsert_rows(tx, NodeVote, Columns(each, same))
    unknown = sum(not _is_code(tx, one.scheme, one.code) for one in said)
    body = msgspec.Raw(encoded(Taken(len(said), unknown)))
    return encoded(Reply(number=message.number, body=body))


class Counting:
    """Counts what waits, where its content is here; call `count` again and again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looked: datetime | None = None
        self._horizon = Horizon()

    def count(self) -> int:
        """Count what can be; return how many votes that were."""
        began = now()
        with self._database.read() as tx:
            newest = tx.execute(select(func.max(Media.id))).scalar() or 0
        counted = 0
        if self._looked is not None:
            counted = self._all(NodeVote.at >= self._looked - _OVERLAP)
        if newest > self._horizon.settled:
            counted += self._all(Media.id > self._horizon.settled)
        self._horizon.saw(newest)
        self._looked = began
        return counted

    def _all(self, wanted: ColumnElement[bool]) -> int:
        counted, last = 0, 0
        while True:
            with self._database.read() as tx:
                media = _waiting(tx, and_(wanted, Media.id > last))
            if not media:
                return counted
            with self._database.write() as tx:
                counted += _count(tx, media)
            last = media[-1]


def _waiting(tx: Connection, wanted: ColumnElement[bool]) -> list[int]:
    """Return media on which votes wait, a bounded number of them."""
    asked = _joined(Media.id).where(wanted).distinct().order_by(Media.id).limit(_AT_ONCE)
    return list(tx.execute(asked).scalars())


def _joined(*columns: Any) -> Select[Any]:
    return (
        select(*columns)
        .select_from(NodeVote)
        .join(Media, Media.sha256 == NodeVote.sha256)
        .join(NodeRow, NodeRow.id == NodeVote.node_id)
        .where(NodeVote.counted.is_(False), NodeRow.removed_at.is_(None), NodeRow.votes)
    )


def _count(tx: Connection, media: Sequence[int]) -> int:
    """Count the votes that wait on some media; return how many."""
    lock_media(tx, media)
    # Read after the lock was taken: somebody else may have counted them.
    columns = (Media.id.label("media_id"), NodeRow.organisation_id, NodeVote.__table__)
    rows = tx.execute(_joined(*columns).where(among(tx, Media.id, media))).all()
    by_scheme: dict[str, list[Row[Any]]] = {}
    for row in rows:
        if _is_code(tx, row.scheme, row.code):
            by_scheme.setdefault(row.scheme, []).append(row)
    votes_to_trust = policies.read(tx).votes_to_trust
    events: list[Event] = []
    for scheme, some in sorted(by_scheme.items()):
        events += _under(tx, scheme, some, votes_to_trust)
    done = [row for some in by_scheme.values() for row in some]
    # A vote that was told otherwise since has another date, and waits again.
    key = ("node_id", "sha256", "scheme", "at")
    each: Mapping[str, Sequence[Any]] = {name: [getattr(row, name) for row in done] for name in key}
    update_rows(tx, NodeVote, Columns(each, {"counted": True}), key)
    if events:
        log.record_many(tx, SYSTEM, events)
    return len(done)


def _under(
    tx: Connection, scheme: str, rows: Sequence[Row[Any]], votes_to_trust: int
) -> list[Event]:
    """Count votes under one scheme; return what the log is to say of it."""
    media = sorted({row.media_id for row in rows})
    votes: dict[int, dict[int, str]] = {media_id: {} for media_id in media}
    for media_id, organisation_id, code in tx.execute(
        select(Vote.media_id, Vote.organisation_id, Vote.code).where(
            Vote.scheme == scheme, among(tx, Vote.media_id, media)
        )
    ):
        votes[media_id][organisation_id] = code
    news = [row for row in rows if votes[row.media_id].get(row.organisation_id) != row.code]
    grades = _written(tx, scheme, news)
    gone: dict[int, list[int]] = {}
    ballots: list[tuple[Row[Any], int]] = []
    for row, grade_id in zip(news, grades, strict=True):
        if row.code is None:
            votes[row.media_id].pop(row.organisation_id, None)
            gone.setdefault(row.organisation_id, []).append(row.media_id)
        else:
            votes[row.media_id][row.organisation_id] = row.code
            ballots.append((row, grade_id))
    _ballots(tx, scheme, ballots)
    for organisation_id, theirs in gone.items():
        tx.execute(
            delete(Vote).where(
                Vote.scheme == scheme,
                Vote.organisation_id == organisation_id,
                among(tx, Vote.media_id, theirs),
            )
        )
    moved = {row.media_id: votes[row.media_id] for row in news}
    before = agreement.of(tx, moved, scheme)
    events = [
        Event(
            "vote.partner",
            f"media:{row.media_id}",
            {"node": row.node_id, "scheme": scheme, "code": row.code},
        )
        for row in news
    ]
    return events + agreement.change(tx, scheme, moved, before, votes_to_trust)


def _written(tx: Connection, scheme: str, rows: Sequence[Row[Any]]) -> list[int]:
    """Write votes into the history of grades; return their numbers there."""
    each: Mapping[str, Sequence[Any]] = {
        "media_id": [row.media_id for row in rows],
        "organisation_id": [row.organisation_id for row in rows],
        "code": [row.code for row in rows],
    }
    same: dict[str, Any] = {
        "case_id": None,
        "account_id": None,
        "scheme": scheme,
        "facets": {},
        "law": "",
    }
    same |= {"basis": "partner", "at": now()}
    return insert_returning(tx, Grade, Columns(each, same))


def _ballots(tx: Connection, scheme: str, ballots: Sequence[tuple[Row[Any], int]]) -> None:
    each: Mapping[str, Sequence[Any]] = {
        "media_id": [row.media_id for row, _ in ballots],
        "organisation_id": [row.organisation_id for row, _ in ballots],
        "grade_id": [grade_id for _, grade_id in ballots],
        "code": [row.code for row, _ in ballots],
    }
    upsert_rows(tx, Vote, Columns(each, {"scheme": scheme}))


def _is_code(tx: Connection, scheme: str, code: str | None) -> bool:
    """Tell whether this installation can count such a vote."""
    try:
        known = schemes.load(tx, scheme)
        if code is not None:
            known.code(code)
    except UsageError:
        return False
    return True
