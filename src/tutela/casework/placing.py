"""Gives every picture of a case its priority, reasons and position in the review."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from tutela.casework import order, pictures, stacking
from tutela.casework import scheme as schemes
from tutela.casework.model import CaseInfo
from tutela.casework.order import Weighed
from tutela.casework.packed import packed
from tutela.casework.pictures import NONE, TOGETHER, Int64s, Pictures
from tutela.core.entry import Role
from tutela.core.media import PDQ_RADIUS_BITS
from tutela.store.bulk import update_rows
from tutela.store.tables.casework import CaseMedia, MediaHit, SeriesMedia, Stack

# What is still to be looked at comes first, then what has been, then what never needs to be.
_GROUPS = np.zeros(len(pictures.STATES), np.int64)
_GROUPS[[pictures.GRADED, pictures.INFERRED, pictures.KNOWN]] = 1, 1, 2

Weights = dict[int, list[Weighed]]


class _Stacks(NamedTuple):
    """Rows stack by stack, each lead first; where the stacks start in them, and their sizes."""

    rows: Int64s
    starts: Int64s
    sizes: Int64s

    @property
    def first(self) -> Int64s:
        """The row of each stack that speaks for it."""
        return self.rows[self.starts]


def place(tx: Connection, case: CaseInfo, found: Pictures) -> int:
    """Write priority, reasons, stack and position where they changed; return for how many.

    Every picture has a stack by now.
    """
    if not len(found):
        return 0
    stacks = _stacks(tx, case, found)
    priority, reason = _judged(found, stacks, _weights(tx, case, found, stacks))
    position = _positions(found, stacks, priority)
    moved = (found.was_in != found.stack) | (found.position != position)
    judged = (found.priority != priority) | (found.reason != reason)
    for some in _pieces(judged):
        said = [found.reasons.values[number] for number in reason[some].tolist()]
        rows = _changes(case, found, position, some)
        for row, weight, reasons in zip(rows, priority[some].tolist(), said, strict=True):
            row |= {"priority": weight, "reasons": reasons}
        update_rows(tx, CaseMedia, rows)
    for some in _pieces(moved & ~judged):
        update_rows(tx, CaseMedia, _changes(case, found, position, some))
    return int(np.count_nonzero(moved | judged))


def _pieces(wanted: NDArray[np.bool_]) -> Iterator[Int64s]:
    rows = np.flatnonzero(wanted)
    for start in range(0, len(rows), TOGETHER):
        yield rows[start : start + TOGETHER]


def _changes(
    case: CaseInfo, found: Pictures, position: Int64s, rows: Int64s
) -> list[dict[str, Any]]:
    columns = (column[rows].tolist() for column in (found.media, found.stack, position))
    return [
        {"case_id": case.id, "media_id": media_id, "stack_id": stack_id, "position": place_}
        for media_id, stack_id, place_ in zip(*columns, strict=True)
    ]


def _stacks(tx: Connection, case: CaseInfo, found: Pictures) -> _Stacks:
    asked = select(Stack.id, Stack.lead_media_id).where(Stack.case_id == case.id)
    numbers, leads = packed(tx, asked.order_by(Stack.id))
    leads_it = leads[np.searchsorted(numbers, found.stack)] == found.media
    rows = np.lexsort((found.media, ~leads_it, found.stack))
    _, starts, sizes = np.unique(found.stack[rows], return_index=True, return_counts=True)
    return _Stacks(rows, starts, sizes)


def _positions(found: Pictures, stacks: _Stacks, priority: NDArray[np.int32]) -> Int64s:
    """Number pictures from 0, stack by stack: what is open and weighs most comes first.

    Equal ones stand as they lay in the evidence.
    """
    rows, starts, sizes = stacks
    group = np.minimum.reduceat(_GROUPS[found.state[rows]], starts)
    weight = np.maximum.reduceat(priority[rows], starts)
    earliest = np.minimum.reduceat(found.media[rows], starts)
    ranked = np.lexsort((earliest, -weight, group))
    begins = np.empty(len(ranked), np.int64)
    begins[ranked] = np.cumsum(sizes[ranked]) - sizes[ranked]
    position = np.empty(len(rows), np.int64)
    position[rows] = np.repeat(begins - starts, sizes) + np.arange(len(rows))
    return position


def _judged(
    found: Pictures, stacks: _Stacks, weights: Weights
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return priority and the number of the reasons of each; a lead speaks for its whole stack.

    What is known or decided keeps the reasons that it has: its order matters no more.
    """
    is_open = found.state == pictures.OPEN
    priority = np.where(is_open, 0, found.priority)
    reason = np.where(is_open, 0, found.reason)
    says = found.sightings >= order.LARGE
    says[list(weights)] = True

    def judge(row: int, speaking: Int64s, size: int) -> None:
        own = [weight for one in speaking.tolist() for weight in weights.get(one, ())]
        own += order.of_counts(size, int(found.sightings[speaking].max()))
        priority[row], reasons = order.weigh(own)
        reason[row] = found.reasons.of_json(reasons)

    heard = np.logical_or.reduceat(says[stacks.rows], stacks.starts) | (stacks.sizes >= order.LARGE)
    for stack in np.flatnonzero(heard & is_open[stacks.first]).tolist():
        start, size = int(stacks.starts[stack]), int(stacks.sizes[stack])
        judge(int(stacks.rows[start]), stacks.rows[start : start + size], size)
    says[stacks.first] = False
    for row in np.flatnonzero(says & is_open).tolist():
        judge(row, np.array([row]), 1)
    return priority, reason


def _weights(tx: Connection, case: CaseInfo, found: Pictures, stacks: _Stacks) -> Weights:
    """Return what is to be said of single pictures, by row; of those whose order still matters."""
    weights: Weights = defaultdict(list)
    asked = found.state == pictures.OPEN
    asked[stacks.rows] |= np.repeat(asked[stacks.first], stacks.sizes)
    for row, weighed in _told(tx, case, found):
        if asked[row]:
            weights[row].append(weighed)
    illegal = {code.code for code in schemes.load(tx, case.scheme).codes if code.illegal}
    bad = np.isin(found.code, [n for n, code in enumerate(found.codes.values) if code in illegal])
    cameras = np.setdiff1d(found.camera[bad], [NONE])
    for row in np.flatnonzero(asked & np.isin(found.camera, cameras)).tolist():
        weights[row].append(order.of_camera())
    _near(found, bad, weights)
    return weights


def _told(tx: Connection, case: CaseInfo, found: Pictures) -> Iterator[tuple[int, Weighed]]:
    """Yield what lists and series say of pictures, by row."""
    of_hit, of_series = functools.cache(order.of_hit), functools.cache(order.of_series)
    for first, last in pictures.spans(found):
        hits = tx.execute(
            select(
                MediaHit.media_id,
                MediaHit.list_name,
                MediaHit.strength,
                MediaHit.algorithm,
                MediaHit.distance_bits,
            ).where(
                MediaHit.case_id == case.id,
                MediaHit.media_id.between(first, last),
                MediaHit.role == Role.ALERT.value,
                ~MediaHit.silenced,
            )
        ).all()
        series = tx.execute(
            select(SeriesMedia.media_id, SeriesMedia.series_id)
            .join(CaseMedia, CaseMedia.media_id == SeriesMedia.media_id)
            .where(CaseMedia.case_id == case.id, SeriesMedia.media_id.between(first, last))
        ).all()
        told = [of_hit(*said) for _, *said in hits] + [of_series(number) for _, number in series]
        media = np.array([row.media_id for row in [*hits, *series]], np.int64)
        for row, weighed in zip(found.rows(media).tolist(), told, strict=True):
            if row != NONE:
                yield row, weighed


def _near(found: Pictures, bad: NDArray[np.bool_], weights: Weights) -> None:
    """Say which open pictures look like one that is known or graded as illegal."""
    listed = np.flatnonzero(bad & found.comparable)
    asked = np.flatnonzero((found.state == pictures.OPEN) & found.comparable)
    if not len(listed) or not len(asked):
        return
    nearest = stacking.nearest(found.pdq[listed], found.pdq[asked], PDQ_RADIUS_BITS)
    near = nearest != NONE
    ones, others = asked[near], listed[nearest[near]]
    apart = stacking.turned_distances(found.pdq[ones], found.pdq[others])
    for row, distance_bits in zip(ones.tolist(), apart.tolist(), strict=True):
        weights[row].append(order.of_near(distance_bits))
