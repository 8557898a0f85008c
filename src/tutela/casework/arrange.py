"""Brings a case in order after evidence came: known ones graded, look-alikes stacked, all placed.

It may be done again at any time and changes only what has changed. Stacks that are there keep
their lead and their decision; what joins a stack that a person has decided is `inferred`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.audit.log import Event
from tutela.casework import case as cases
from tutela.casework import known, pictures, placing, stacking
from tutela.casework import policy as policies
from tutela.casework.among import among
from tutela.casework.model import CaseInfo, MediaState
from tutela.casework.packed import packed
from tutela.casework.pictures import NONE, TOGETHER, Int64s, Pictures
from tutela.casework.standing import lock_media, lock_stacks
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal
from tutela.store import Database
from tutela.store.bulk import insert_returning, update_rows
from tutela.store.tables.casework import CaseMedia, Media, Stack


class Arranged(msgspec.Struct, frozen=True):
    """What came of it: how many media became known, stacks are new, media joined and inferred."""

    known: int
    stacks: int
    joined: int
    inferred: int


def arrange(database: Database, who: Principal, case_id: CaseId) -> Arranged:
    """Grade what is known, stack what looks alike, and give every picture its place in the review.

    Memory is bounded by some hundred bytes a picture (`pictures.Pictures`); all else is done in
    pieces.

    Raises:
        AccessError: `who` may not add evidence to this case.
        UsageError: the case is closed, or its authority is not valid now.
    """
    with database.write() as tx:
        require(tx, who, Permission.EVIDENCE_ADD, case_id)
        case = cases.working(tx, case_id)
        _wait_for_graders(tx, case_id)
        _take_up(tx, case_id)
        events = _Events()
        for some in _pieces(_ungraded(tx, case_id)):
            events.add(known.on_arrival(tx, who, case, [MediaId(one) for one in some]))
        became_known = events.count
        found = pictures.read(tx, case_id)
        stacked = _stack(tx, case, found)
        for piece in _infer(tx, who, case, found, stacked):
            events.add(piece)
        placed = placing.place(tx, case, found)
        done = Arranged(became_known, stacked.new, stacked.joined, events.count - became_known)
        if placed or events.count or stacked.new:
            cases.touch(tx, case_id)
            events.add([Event("case.arranged", f"case:{case_id}", msgspec.structs.asdict(done))])
            for piece in events.pieces():
                log.record_many(tx, who, piece)
        return done


class _Events:
    """Events for the end of the transaction: whoever writes to the log makes all others wait.

    They are kept packed: a hundred bytes each, not five hundred.
    """

    def __init__(self) -> None:
        self.count = 0
        self._packed: list[bytes] = []

    def add(self, events: list[Event]) -> None:
        self.count += len(events)
        self._packed.append(msgspec.msgpack.encode(events))

    def pieces(self) -> Iterator[list[Event]]:
        for one in self._packed:
            yield list(map(Event._make, msgspec.msgpack.decode(one)))


def _wait_for_graders(tx: Connection, case_id: CaseId) -> None:
    """Let nobody grade in this case, nor arrange it, until the end of the transaction."""
    (stacks,) = packed(tx, select(Stack.id).where(Stack.case_id == case_id).order_by(Stack.id))
    for some in _pieces(stacks):
        lock_stacks(tx, some)
    everything = select(CaseMedia.media_id).where(CaseMedia.case_id == case_id)
    (media,) = packed(tx, everything.order_by(CaseMedia.media_id))
    for some in _pieces(media):
        lock_media(tx, some)


def _pieces(numbers: Int64s) -> Iterator[list[int]]:
    for start in range(0, len(numbers), TOGETHER):
        yield numbers[start : start + TOGETHER].tolist()


def _ungraded(tx: Connection, case_id: CaseId) -> Int64s:
    (media,) = packed(
        tx,
        select(CaseMedia.media_id)
        .where(
            CaseMedia.case_id == case_id,
            CaseMedia.state.in_((MediaState.OPEN.value, MediaState.SET_ASIDE.value)),
            CaseMedia.code.is_(None),
        )
        .order_by(CaseMedia.media_id),
    )
    return media


def _take_up(tx: Connection, case_id: CaseId) -> None:
    """Open what was set aside as unreadable in one place and could be read in another."""
    readable = (
        select(CaseMedia.media_id, CaseMedia.reasons)
        .join(Media, Media.id == CaseMedia.media_id)
        .where(
            CaseMedia.case_id == case_id,
            CaseMedia.state == MediaState.SET_ASIDE.value,
            Media.is_picture,
        )
    )
    found = [
        media_id
        for media_id, reasons in tx.execute(readable)
        if reasons and reasons[0][0] in ("no_picture", "undecodable")
    ]
    for start in range(0, len(found), known.TOGETHER):
        some = CaseMedia.media_id.in_(found[start : start + known.TOGETHER])
        tx.execute(
            update(CaseMedia)
            .where(CaseMedia.case_id == case_id, some)
            .values(state=MediaState.OPEN.value, reasons=[])
        )


class _Stacked(NamedTuple):
    """How many stacks are new and media joined one; rows that joined a decided one, its code."""

    new: int = 0
    joined: int = 0
    decided: Int64s = np.empty(0, np.int64)
    codes: Int64s = np.empty(0, np.int64)


def _stack(tx: Connection, case: CaseInfo, found: Pictures) -> _Stacked:
    """Give every picture that has no stack one; the column `stack` is told."""
    fresh = found.stack == NONE
    if not fresh.any():
        return _Stacked()
    # What is known is never shown, nor decided: it stands alone.
    stackable = found.comparable & (found.state != pictures.KNOWN)
    radius = min(policies.read(tx).stack_radius_bits, stacking.RADIUS_MAXIMUM_BITS)
    there, leads = _leads(tx, case, found, stackable)
    rows = np.concatenate([leads, _best_first(found, np.flatnonzero(fresh & stackable))])
    alone = np.flatnonzero(fresh & ~stackable)
    lead_of = stacking.lead_of(found.pdq[rows], len(there), radius)
    joins = np.arange(len(there), len(rows))
    new = joins[lead_of[joins] == joins]
    sizes = np.bincount(lead_of[joins], minlength=len(rows))
    made = _make(
        tx,
        case,
        found.media[np.concatenate([rows[new], alone])],
        np.concatenate([sizes[new], np.ones(len(alone), np.int64)]),
        radius,
    )
    stacks = np.full(len(rows), NONE, np.int64)
    stacks[: len(there)] = there
    stacks[new] = made[: len(new)]
    found.stack[rows[joins]] = stacks[lead_of[joins]]
    found.stack[alone] = made[len(new) :]
    grown = np.flatnonzero(sizes[: len(there)])
    _grow(tx, there[grown], sizes[grown])
    joined = joins[lead_of[joins] != joins]
    led_by = rows[lead_of[joined]]
    decided = (found.state[led_by] == pictures.GRADED) & (found.code[led_by] != NONE)
    inherit, codes = rows[joined[decided]], found.code[led_by[decided]]
    by_media = np.argsort(inherit)
    return _Stacked(len(made), len(joined), inherit[by_media], codes[by_media])


def _leads(
    tx: Connection, case: CaseInfo, found: Pictures, stackable: NDArray[np.bool_]
) -> tuple[Int64s, Int64s]:
    """Return the stacks that are there and the rows of their leads, where something may join."""
    asked = select(Stack.id, Stack.lead_media_id).where(Stack.case_id == case.id)
    stacks, leads = packed(tx, asked.order_by(Stack.id))
    rows = found.rows(leads)
    joinable = (rows != NONE) & stackable[rows]
    return stacks[joinable], rows[joinable]


def _best_first(found: Pictures, rows: Int64s) -> Int64s:
    keys = found.media[rows], -found.pixels[rows], -found.quality[rows]
    return rows[np.lexsort(keys)]


def _make(tx: Connection, case: CaseInfo, leads: Int64s, sizes: Int64s, radius: int) -> Int64s:
    """Make stacks and return their numbers."""
    made = [np.empty(0, np.int64)]
    for start in range(0, len(leads), TOGETHER):
        some = slice(start, start + TOGETHER)
        stacks = [
            _stack_row(case, lead, size, radius)
            for lead, size in zip(leads[some].tolist(), sizes[some].tolist(), strict=True)
        ]
        made.append(np.array(insert_returning(tx, Stack, stacks), np.int64))
    return np.concatenate(made)


def _grow(tx: Connection, stacks: Int64s, counts: Int64s) -> None:
    for count in np.unique(counts).tolist():
        for some in _pieces(stacks[counts == count]):
            tx.execute(
                update(Stack).where(among(tx, Stack.id, some)).values(size=Stack.size + count)
            )


def _infer(
    tx: Connection, who: Principal, case: CaseInfo, found: Pictures, stacked: _Stacked
) -> Iterator[list[Event]]:
    """Give what joined a decided stack its code, as inferred; it is no vote. Yield the events."""
    found.state[stacked.decided] = pictures.INFERRED
    found.code[stacked.decided] = stacked.codes
    for some in _pieces(stacked.decided):
        codes = {
            MediaId(media_id): found.codes.values[code]
            for media_id, code in zip(
                found.media[some].tolist(), found.code[some].tolist(), strict=True
            )
        }
        state = MediaState.INFERRED.value
        changed = [
            {"case_id": case.id, "media_id": media_id, "state": state, "code": code}
            for media_id, code in codes.items()
        ]
        update_rows(tx, CaseMedia, changed)
        yield known.write_grades(tx, who, case, codes, "inferred")


def _stack_row(case: CaseInfo, lead_media_id: int, size: int, radius: int) -> dict[str, Any]:
    return {
        "case_id": case.id,
        "lead_media_id": lead_media_id,
        "size": size,
        "cutoff_bits": radius,
        "leased_by": None,
        "leased_until": None,
    }
