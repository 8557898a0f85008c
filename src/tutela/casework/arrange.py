"""Brings a case in order after evidence came: known ones graded, look-alikes stacked, all placed.

It may be done again at any time and changes only what has changed. Stacks that are there keep
their lead and their decision; what joins a stack that a person has decided is `inferred`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.audit.log import Event
from tutela.casework import case as cases
from tutela.casework import known, placing, stacking
from tutela.casework import policy as policies
from tutela.casework.model import CaseInfo, MediaState
from tutela.casework.placing import Picture
from tutela.casework.standing import lock_media, lock_stacks
from tutela.core.ids import CaseId, MediaId
from tutela.core.media import PDQ_QUALITY_MINIMUM
from tutela.core.principal import Principal
from tutela.store import Database
from tutela.store.bulk import insert_returning, update_rows
from tutela.store.tables.casework import CaseMedia, Media, Stack

# So many new stacks are in memory as rows at once.
_TOGETHER = 20_000


class Arranged(msgspec.Struct, frozen=True):
    """What came of it: how many media became known, stacks are new, media joined and inferred."""

    known: int
    stacks: int
    joined: int
    inferred: int


def arrange(database: Database, who: Principal, case_id: CaseId) -> Arranged:
    """Grade what is known, stack what looks alike, and give every picture its place in the review.

    Raises:
        AccessError: `who` may not add evidence to this case.
        UsageError: the case is closed, or its authority is not valid now.
    """
    with database.write() as tx:
        require(tx, who, Permission.EVIDENCE_ADD, case_id)
        case = cases.working(tx, case_id)
        _wait_for_graders(tx, case_id)
        _take_up(tx, case_id)
        events = known.on_arrival(tx, who, case, _ungraded(tx, case_id))
        became_known = len(events)
        pictures = placing.pictures(tx, case_id)
        stacked = _stack(tx, case, pictures)
        inferred = _infer(tx, case, pictures, stacked.decided)
        events += known.write_grades(tx, who, case, inferred, "inferred")
        placed = placing.place(tx, case, pictures)
        done = Arranged(became_known, stacked.new, stacked.joined, len(inferred))
        if placed or events or stacked.new:
            cases.touch(tx, case_id)
            events.append(Event("case.arranged", f"case:{case_id}", msgspec.structs.asdict(done)))
            log.record_many(tx, who, events)
        return done


def _wait_for_graders(tx: Connection, case_id: CaseId) -> None:
    """Let nobody grade in this case, nor arrange it, until the end of the transaction."""
    lock_stacks(tx, tx.execute(select(Stack.id).where(Stack.case_id == case_id)).scalars().all())
    everything = select(CaseMedia.media_id).where(CaseMedia.case_id == case_id)
    lock_media(tx, tx.execute(everything).scalars().all())


class _Stacked(msgspec.Struct):
    """How many stacks are new and media joined one; media that joined a decided one, its code."""

    new: int = 0
    joined: int = 0
    decided: dict[int, str] = {}


def _ungraded(tx: Connection, case_id: CaseId) -> list[MediaId]:
    rows = tx.execute(
        select(CaseMedia.media_id)
        .where(
            CaseMedia.case_id == case_id,
            CaseMedia.state.in_((MediaState.OPEN.value, MediaState.SET_ASIDE.value)),
            CaseMedia.code.is_(None),
        )
        .order_by(CaseMedia.media_id)
    )
    return [MediaId(media_id) for media_id in rows.scalars()]


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


def _stack(tx: Connection, case: CaseInfo, pictures: Sequence[Picture]) -> _Stacked:
    """Give every picture that has no stack one; `pictures` are told theirs."""
    fresh = [picture for picture in pictures if picture.stack_id is None]
    if not fresh:
        return _Stacked()
    there = _leads(tx, case, pictures)
    rows = [lead for _, lead in there]
    rows += sorted((picture for picture in fresh if _stackable(picture)), key=_best_first)
    alone = [picture for picture in fresh if not _stackable(picture)]
    radius = min(policies.read(tx).stack_radius_bits, stacking.RADIUS_MAXIMUM_BITS)
    leads = stacking.lead_of(_codes(rows), len(there), radius).tolist()
    sizes = Counter(leads[len(there) :])
    new = [row for row in range(len(there), len(rows)) if leads[row] == row]
    sized = [(rows[row], sizes[row]) for row in new] + [(picture, 1) for picture in alone]
    made: list[int] = []
    for start in range(0, len(sized), _TOGETHER):
        some = sized[start : start + _TOGETHER]
        stacks = [_stack_row(case, lead, size, radius) for lead, size in some]
        made += insert_returning(tx, Stack, stacks)
    for picture, stack_id in zip(alone, made[len(new) :], strict=True):
        picture.stack_id = stack_id
    ids = {row: stack_id for row, (stack_id, _) in enumerate(there)}
    ids |= dict(zip(new, made, strict=False))
    _grow(tx, {ids[row]: count for row, count in sizes.items() if row < len(there)})
    found = _Stacked(new=len(made))
    for row in range(len(there), len(rows)):
        picture, lead = rows[row], rows[leads[row]]
        picture.stack_id = ids[leads[row]]
        if picture is not lead:
            found.joined += 1
            if lead.state is MediaState.GRADED and lead.code:
                found.decided[picture.media_id] = lead.code
    return found


def _leads(
    tx: Connection, case: CaseInfo, pictures: Sequence[Picture]
) -> list[tuple[int, Picture]]:
    """Return the stacks that are there with their leads, where something may join them."""
    there = {picture.media_id: picture for picture in pictures}
    rows = tx.execute(
        select(Stack.id, Stack.lead_media_id).where(Stack.case_id == case.id).order_by(Stack.id)
    )
    return [
        (stack_id, there[lead])
        for stack_id, lead in rows
        if lead in there and _stackable(there[lead])
    ]


def _grow(tx: Connection, counts: dict[int, int]) -> None:
    by_count: dict[int, list[int]] = {}
    for stack_id, count in counts.items():
        by_count.setdefault(count, []).append(stack_id)
    for count, some in sorted(by_count.items()):
        for start in range(0, len(some), known.TOGETHER):
            tx.execute(
                update(Stack)
                .where(Stack.id.in_(some[start : start + known.TOGETHER]))
                .values(size=Stack.size + count)
            )


def _infer(
    tx: Connection, case: CaseInfo, pictures: Iterable[Picture], decided: dict[int, str]
) -> dict[MediaId, str]:
    """Give what joined a decided stack its code, as inferred; it is no vote."""
    for picture in pictures:
        if (code := decided.get(picture.media_id)) is not None:
            picture.state, picture.code = MediaState.INFERRED, code
    update_rows(
        tx,
        CaseMedia,
        [
            {
                "case_id": case.id,
                "media_id": media_id,
                "state": MediaState.INFERRED.value,
                "code": code,
            }
            for media_id, code in decided.items()
        ],
    )
    return {MediaId(media_id): code for media_id, code in sorted(decided.items())}


def _stackable(picture: Picture) -> bool:
    """Tell whether a picture may stand with others: what is known is never shown, nor decided."""
    return (
        picture.state is not MediaState.KNOWN
        and picture.pdq is not None
        and (picture.quality or 0) >= PDQ_QUALITY_MINIMUM
    )


def _best_first(picture: Picture) -> tuple[int, int, int]:
    return -(picture.quality or 0), -picture.pixels, picture.media_id


def _codes(pictures: Sequence[Picture]) -> NDArray[np.uint8]:
    packed = b"".join(picture.pdq or bytes(32) for picture in pictures)
    return np.frombuffer(packed, np.uint8).reshape(-1, 32)


def _stack_row(case: CaseInfo, lead: Picture, size: int, radius: int) -> dict[str, Any]:
    return {
        "case_id": case.id,
        "lead_media_id": lead.media_id,
        "size": size,
        "cutoff_bits": radius,
        "leased_by": None,
        "leased_until": None,
    }
