"""Gives every picture of a case its priority, reasons and position in the review."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from tutela.casework import order, stacking
from tutela.casework import scheme as schemes
from tutela.casework.known import Stored
from tutela.casework.model import CaseInfo, MediaState
from tutela.casework.order import Weighed
from tutela.core.entry import Role
from tutela.core.ids import CaseId
from tutela.core.media import PDQ_QUALITY_MINIMUM, PDQ_RADIUS_BITS
from tutela.store.bulk import update_rows
from tutela.store.tables.casework import CaseMedia, Media, MediaHit, SeriesMedia, Stack

# What is still to be looked at comes first, then what has been, then what never needs to be.
# A case may hold a million pictures, most of which have nothing to be said of them.
_NO_REASONS: list[Any] = []
# So many changed rows are in memory at once.
_TOGETHER = 20_000
_GROUPS = {MediaState.OPEN: 0, MediaState.GRADED: 1, MediaState.INFERRED: 1, MediaState.KNOWN: 2}


class Picture(msgspec.Struct, gc=False):
    """A picture of a case while it is being arranged; `position` and the rest as they are kept."""

    media_id: int
    state: MediaState
    code: str | None
    stack_id: int | None
    position: int | None
    priority: int
    reasons: list[Any]
    sightings: int
    pdq: bytes | None
    quality: int | None
    pixels: int
    camera: tuple[str | None, str] | None
    was_in: int | None


def pictures(tx: Connection, case_id: CaseId) -> list[Picture]:
    """Return the pictures of a case that have a place in the review, as they came."""
    rows = tx.execute(
        select(
            CaseMedia.media_id,
            CaseMedia.state,
            CaseMedia.code,
            CaseMedia.stack_id,
            CaseMedia.position,
            CaseMedia.priority,
            CaseMedia.reasons,
            CaseMedia.sightings,
            Media.pdq,
            Media.pdq_quality,
            Media.width,
            Media.height,
            Media.camera_make,
            Media.camera_serial,
        )
        .join(Media, Media.id == CaseMedia.media_id)
        .where(
            CaseMedia.case_id == case_id,
            CaseMedia.state != MediaState.SET_ASIDE.value,
            Media.is_picture,
        )
        .order_by(CaseMedia.media_id)
    )
    return [
        Picture(
            media_id=row.media_id,
            state=MediaState(row.state),
            code=row.code,
            stack_id=row.stack_id,
            position=row.position,
            priority=row.priority,
            reasons=row.reasons or _NO_REASONS,
            sightings=row.sightings,
            pdq=row.pdq,
            quality=row.pdq_quality,
            pixels=(row.width or 0) * (row.height or 0),
            camera=(row.camera_make, row.camera_serial) if row.camera_serial else None,
            was_in=row.stack_id,
        )
        for row in rows
    ]


def place(tx: Connection, case: CaseInfo, found: Sequence[Picture]) -> int:
    """Write priority, reasons, stack and position where they changed; return for how many."""
    illegal = {code.code for code in schemes.load(tx, case.scheme).codes if code.illegal}
    leads = dict(
        tx.execute(select(Stack.id, Stack.lead_media_id).where(Stack.case_id == case.id)).all()
    )
    stacks: dict[int, list[Picture]] = defaultdict(list)
    for picture in found:
        if picture.stack_id is not None:
            stacks[picture.stack_id].append(picture)
    for stack_id, members in stacks.items():
        members.sort(key=lambda p: (p.media_id != leads.get(stack_id), p.media_id))
    weights = _weights(tx, case, found, illegal)
    judged = _judged(found, stacks, weights)
    rank = {stack_id: _rank(members, judged) for stack_id, members in stacks.items()}
    numbered = order.positions({s: [p.media_id for p in m] for s, m in stacks.items()}, rank)
    written = 0
    for start in range(0, len(found), _TOGETHER):
        changed = [
            row
            for picture in found[start : start + _TOGETHER]
            if (
                row := _changed(case, picture, numbered[picture.media_id], judged[picture.media_id])
            )
        ]
        update_rows(tx, CaseMedia, changed)
        written += len(changed)
    return written


def _rank(
    members: Sequence[Picture], judged: dict[int, tuple[int, list[Stored]]]
) -> tuple[int, ...]:
    group = min(_GROUPS[p.state] for p in members)
    best = max(judged[p.media_id][0] for p in members)
    return group, -best, min(p.media_id for p in members)


def _judged(
    found: Sequence[Picture],
    stacks: dict[int, list[Picture]],
    weights: dict[int, list[Weighed]],
) -> dict[int, tuple[int, list[Stored]]]:
    """Return priority and reasons of each picture; a lead speaks for its whole stack.

    What is known or decided keeps the reasons that it has: its order matters no more.
    """
    judged: dict[int, tuple[int, list[Stored]]] = {}
    for members in stacks.values():
        for place_, picture in enumerate(members):
            if picture.state is not MediaState.OPEN:
                judged[picture.media_id] = picture.priority, picture.reasons
                continue
            speaking = members if place_ == 0 else [picture]
            own = [w for p in speaking for w in weights.get(p.media_id, ())]
            own += order.of_counts(
                len(members) if place_ == 0 else 1, max(p.sightings for p in speaking)
            )
            judged[picture.media_id] = order.weigh(own)
    for picture in found:
        judged.setdefault(picture.media_id, (picture.priority, picture.reasons))
    return judged


def _weights(
    tx: Connection, case: CaseInfo, found: Sequence[Picture], illegal: set[str]
) -> dict[int, list[Weighed]]:
    """Return what is to be said of single pictures."""
    weights: dict[int, list[Weighed]] = defaultdict(list)
    hits = tx.execute(
        select(
            MediaHit.media_id,
            MediaHit.list_name,
            MediaHit.strength,
            MediaHit.algorithm,
            MediaHit.distance_bits,
        ).where(MediaHit.case_id == case.id, MediaHit.role == Role.ALERT.value, ~MediaHit.silenced)
    )
    for media_id, name, strength, algorithm, distance_bits in hits:
        weights[media_id].append(order.of_hit(name, strength, algorithm, distance_bits))
    series = tx.execute(
        select(SeriesMedia.media_id, SeriesMedia.series_id)
        .join(CaseMedia, CaseMedia.media_id == SeriesMedia.media_id)
        .where(CaseMedia.case_id == case.id)
    )
    for media_id, number in series:
        weights[media_id].append(order.of_series(number))
    bad = [picture for picture in found if picture.code in illegal]
    cameras = {picture.camera for picture in bad if picture.camera}
    for picture in found:
        if picture.camera in cameras:
            weights[picture.media_id].append(order.of_camera())
    _near(found, bad, weights)
    return weights


def _near(
    found: Sequence[Picture], bad: Sequence[Picture], weights: dict[int, list[Weighed]]
) -> None:
    """Say which open pictures look like one that is known or graded as illegal."""
    listed = [p for p in bad if _comparable(p)]
    asked = [p for p in found if p.state is MediaState.OPEN and _comparable(p)]
    if not listed or not asked:
        return
    codes, questions = _codes(listed), _codes(asked)
    rows = stacking.nearest(codes, questions, PDQ_RADIUS_BITS)
    near = np.flatnonzero(rows >= 0)
    apart = stacking.turned_distances(questions[near], codes[rows[near]])
    for place_, distance_bits in zip(near.tolist(), apart.tolist(), strict=True):
        weights[asked[place_].media_id].append(order.of_near(distance_bits))


def _codes(some: Sequence[Picture]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(p.pdq or b"" for p in some), np.uint8).reshape(-1, 32)


def _comparable(picture: Picture) -> bool:
    return picture.pdq is not None and (picture.quality or 0) >= PDQ_QUALITY_MINIMUM


def _changed(
    case: CaseInfo, picture: Picture, position: int, judged: tuple[int, list[Stored]]
) -> dict[str, Any] | None:
    priority, reasons = judged
    stored = [list(reason) for reason in reasons]
    before = (
        picture.was_in,
        picture.position,
        picture.priority,
        [list(r) for r in picture.reasons],
    )
    if before == (picture.stack_id, position, priority, stored):
        return None
    return {
        "case_id": case.id,
        "media_id": picture.media_id,
        "stack_id": picture.stack_id,
        "position": position,
        "priority": priority,
        "reasons": stored,
    }
