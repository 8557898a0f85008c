"""Answering partner nodes that ask: known here or not, by policy, and whom to speak to.

What is said is one bit of each content and a reference that only we can resolve. Never what it is,
in which case it lies, how often or since when. How many contents a node may ask about in a day is
bounded, so that nobody goes through our holdings by trying.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from sqlalchemy import Connection, exists, insert, or_, select, update

from tutela.audit import log
from tutela.audit.log import Event
from tutela.casework.among import among
from tutela.casework.stacking import distances
from tutela.core.errors import InputError
from tutela.core.media import PDQ, PDQ_QUALITY_MINIMUM, PDQ_RADIUS_BITS, Fingerprint
from tutela.core.time import now
from tutela.exchange.federation.horizon import Horizon
from tutela.exchange.federation.inbox import refusal
from tutela.exchange.federation.message import (
    Asked,
    Known,
    Message,
    Pointers,
    Question,
    Reply,
    decoded,
    encoded,
    padded,
)
from tutela.exchange.federation.nodes import Node
from tutela.hashlist.library import Library
from tutela.store.tables.casework import CaseMedia, Media
from tutela.store.tables.federation import Node as NodeRow
from tutela.store.tables.federation import NodePointer

_REFERENCE_BYTES = 8
_TOGETHER = 1 << 16  # codes that are compared at once, so that memory stays bounded


class Found(NamedTuple):
    """What of ours a content is: a media of a case, or an entry of a list (`list:number`)."""

    media_id: int | None
    entry: str


class Answering:
    """Answers questions for one installation.

    Args:
        contact: Whom a partner speaks to.
        library: Folder of the library; it may come later.
        lists: Names of those in which questions are looked up.
    """

    def __init__(self, contact: str, library: Path, lists: Iterable[str]) -> None:
        self._contact = contact
        self._folder = library
        self._library: Library | None = None
        self._lists = frozenset(lists)
        self._codes = _Codes()

    def look(self, tx: Connection, node: Node, message: Message) -> list[Found | None] | None:
        """Look for what a question is about; None where it will not be answered anyway."""
        try:
            question = decoded(message.body, Question)
        except InputError:
            return None
        if not node.may_ask or _asked_today(node) + len(question.contents) > node.asks_per_day:
            return None
        return self._find(tx, question.contents)

    def answer(
        self, tx: Connection, node: Node, message: Message, found: list[Found | None] | None
    ) -> bytes:
        """Answer a question by what `look` found.

        Raises:
            InputError: it is none (code `message`).
        """
        question = decoded(message.body, Question)
        count = len(question.contents)
        refused = "" if node.may_ask else "policy"
        if not refused and not _within_day(tx, node, count):
            refused = "too_many"
        if refused:
            return padded(refusal(message, refused), count)
        if found is None:  # it may ask since a moment
            found = self._find(tx, question.contents)
        known = [one for one in found if one]
        asked = {"contents": count, "known": len(known)}
        words = {"purpose": question.purpose}
        log.record_many(tx, node.principal, [Event("node.asked", node.subject, asked, words)])
        references = _references(tx, node, question.purpose, known)
        contents = tuple(
            Known(known=True, reference=references[one]) if one else Known(known=False)
            for one in found
        )
        pointers = Pointers(contact=self._contact, contents=contents)
        reply = Reply(number=message.number, body=msgspec.Raw(encoded(pointers)))
        return padded(encoded(reply), count)

    def _find(self, tx: Connection, contents: Sequence[Asked]) -> list[Found | None]:
        found = _by_digest(tx, contents)
        self._codes.refresh(tx)
        for place, one in enumerate(contents):
            if found[place] is None:
                found[place] = self._near(tx, one) or self._listed(one)
        return found

    def _near(self, tx: Connection, one: Asked) -> Found | None:
        """Return the nearest picture of a case, in any turn."""
        if one.pdq is None:
            return None
        for media_id in self._codes.near(bytes.fromhex(one.pdq)):
            if tx.execute(select(CaseMedia.media_id).where(CaseMedia.media_id == media_id)).first():
                return Found(media_id, "")
        return None

    def _listed(self, one: Asked) -> Found | None:
        if self._library is None and self._lists and self._folder.exists():
            self._library = Library.open(self._folder)
        if self._library is None:
            return None
        numbers = [info.number for info in self._library.lists if info.name in self._lists]
        fingerprints = [Fingerprint(PDQ, bytes.fromhex(one.pdq))] if one.pdq else []
        hits = self._library.find(one.digests, fingerprints, lists=numbers) if numbers else []
        return Found(None, f"{hits[0].list}:{hits[0].entry.provenance.row}") if hits else None


class _Codes:
    """The PDQ values of all media, held in memory; what is new is read when somebody asks."""

    def __init__(self) -> None:
        self._ids = np.zeros(0, np.int64)
        self._codes = np.zeros((0, 32), np.uint8)
        self._horizon = Horizon()
        self._turn = threading.Lock()

    def near(self, code: bytes) -> list[int]:
        """Return media within the radius of a PDQ value, nearest first."""
        with self._turn:
            ids, codes = self._ids, self._codes
        apart = np.concatenate(
            [np.zeros(0, np.int64)]
            + [
                distances(codes[start : start + _TOGETHER], code)
                for start in range(0, len(codes), _TOGETHER)
            ]
        )
        near = np.flatnonzero(apart <= PDQ_RADIUS_BITS)
        order = near[np.argsort(apart[near], kind="stable")]
        return [int(number) for number in ids[order]]

    def refresh(self, tx: Connection) -> None:
        """Read what is new."""
        with self._turn:
            begin = self._horizon.settled
            keep = self._ids <= begin
            rows = tx.execute(
                select(Media.id, Media.pdq)
                .where(Media.id > begin, Media.pdq_quality >= PDQ_QUALITY_MINIMUM)
                .where(Media.pdq.is_not(None))
                .order_by(Media.id)
            ).all()
            fresh = np.array([number for number, _ in rows], np.int64)
            codes = np.frombuffer(b"".join(pdq or b"" for _, pdq in rows), np.uint8)
            self._ids = np.concatenate([self._ids[keep], fresh])
            self._codes = np.concatenate([self._codes[keep], codes.reshape(-1, 32)])
            self._horizon.saw(int(self._ids[-1]) if len(self._ids) else 0)


def _by_digest(tx: Connection, contents: Sequence[Asked]) -> list[Found | None]:
    """Return the media of cases that have one of the digests of each content."""
    by: dict[str, dict[bytes, int]] = {}
    for name in ("sha256", "sha1", "md5"):
        column = getattr(Media, name)
        given = [value for one in contents if (value := getattr(one.digests, name))]
        rows = tx.execute(
            select(column, Media.id)
            .where(column.in_(given))
            .where(exists().where(CaseMedia.media_id == Media.id))
            .order_by(Media.id.desc())
        )
        by[name] = {value: number for value, number in rows if value is not None}
    found: list[Found | None] = []
    for one in contents:
        media = (by[name].get(getattr(one.digests, name)) for name in by)
        first = next((number for number in media if number is not None), None)
        found.append(None if first is None else Found(first, ""))
    return found


def _today() -> datetime:
    return now().replace(hour=0, minute=0, second=0, microsecond=0)


def _asked_today(node: Node) -> int:
    return node.asked if node.asked_day == _today() else 0


def _within_day(tx: Connection, node: Node, count: int) -> bool:
    """Count what a node asks about today; tell whether it may. `node` is locked."""
    this, day, asked = NodeRow.id == node.id, _today(), _asked_today(node)
    if asked + count <= node.asks_per_day:
        tx.execute(update(NodeRow).where(this).values(asked_day=day, asked=asked + count))
        return True
    if tx.execute(select(NodeRow.capped_day).where(this)).scalar() != day:
        tx.execute(update(NodeRow).where(this).values(capped_day=day))
        facts = {"asked": asked, "more": count}
        log.record_many(tx, node.principal, [Event("node.capped", node.subject, facts)])
    return False


def _references(
    tx: Connection, node: Node, purpose: str, found: Sequence[Found]
) -> dict[Found, str]:
    """Return a reference for each, the one that the node was given before where it was."""
    media = {one.media_id for one in found if one.media_id is not None}
    entries = {one.entry for one in found if one.entry}
    rows = tx.execute(
        select(NodePointer.media_id, NodePointer.entry, NodePointer.reference).where(
            NodePointer.node_id == node.id,
            or_(among(tx, NodePointer.media_id, media), NodePointer.entry.in_(entries)),
        )
    )
    given = {Found(media_id, entry): reference for media_id, entry, reference in rows}
    events = []
    for one in dict.fromkeys(found):
        if one in given:
            # The contact is told why it was asked about last.
            again = update(NodePointer).where(NodePointer.reference == given[one])
            tx.execute(again.values(purpose=purpose, at=now()))
        else:
            given[one] = secrets.token_hex(_REFERENCE_BYTES)
            tx.execute(
                insert(NodePointer).values(
                    reference=given[one],
                    node_id=node.id,
                    media_id=one.media_id,
                    entry=one.entry,
                    purpose=purpose,
                    at=now(),
                )
            )
        about = {"media": one.media_id, "reference": given[one]}
        events.append(Event("node.pointed", node.subject, about))
    log.record_many(tx, node.principal, events)
    return given
