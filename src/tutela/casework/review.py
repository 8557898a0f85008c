"""What the review page asks: which media in which order, and what to show of each.

Blind by construction: nothing here shows votes or agreements; a grade that somebody shall read a
second time, or settle, is withheld until they have.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, func, or_, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework import agreement, blind, selection
from tutela.casework import case as cases
from tutela.casework import policy as policies
from tutela.casework.model import Item, MediaState, Reason
from tutela.casework.packed import packed
from tutela.casework.view import Filter, Sort, SortKey, View, parse, query
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, MediaId, StackId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.tables.casework import CaseMedia, Media, Stack, Tag
from tutela.store.tables.grading import Grade, SecondReading
from tutela.store.tables.vault import VaultObject

__all__ = ["Filter", "Sort", "SortKey", "View", "ids", "items", "lease", "parse", "query", "stack"]

ITEMS_MAXIMUM = 1000
# Reasons that would tell a second reader how the first grade came about.
_TELLING = frozenset({"known_list", "known_agreement"})


def ids(
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    wanted: Filter | None = None,
    sort: Sort | None = None,
) -> NDArray[np.int64]:
    """Return the media of a case in order, int64[n]: one for each stack, unless `members` is set.

    The one that stands for a stack is its lead, or the first member that passes the filter. What
    is set aside has no place in the review and is not there unless its state is asked for.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    wanted, sort = wanted or Filter(), sort or Sort()
    media, stacks = packed(tx, selection.selected(who, case_id, wanted, sort))
    if wanted.members:
        return media
    _, first = np.unique(stacks, return_index=True)
    return media[np.sort(first)]


def items(tx: Connection, who: Principal, case_id: CaseId, media_ids: Sequence[int]) -> list[Item]:
    """Return what to show of some media of a case, in the order asked; others are left out.

    Raises:
        UsageError: more than `ITEMS_MAXIMUM` are asked for.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    wanted = [int(media_id) for media_id in media_ids]
    if len(wanted) > ITEMS_MAXIMUM:
        raise UsageError(f"at most {ITEMS_MAXIMUM:,} items are read at once")
    moment = now()
    rows = {row.media_id: row for row in tx.execute(_rows(case_id, wanted))}
    tags = _grouped(
        tx, select(Tag.media_id, Tag.name).where(Tag.case_id == case_id), Tag.media_id, wanted
    )
    kept = _grouped(
        tx,
        select(VaultObject.media_id, VaultObject.kind).where(VaultObject.shredded_at.is_(None)),
        VaultObject.media_id,
        wanted,
    )
    bases = _bases(tx, case_id, wanted)
    again = _read_again(tx, who, case_id, wanted)
    blinded = blind.withheld(tx, who, case_id, wanted)
    blinded |= agreement.to_settle(tx, who, case_id, wanted)
    found: list[Item] = []
    for media_id in wanted:
        if (row := rows.get(media_id)) is None:
            continue
        withheld = media_id in blinded
        found.append(
            Item(
                media_id=MediaId(media_id),
                number=0 if row.position is None else row.position + 1,
                state=MediaState(row.state),
                code=None if withheld else row.code,
                basis=bases.get(media_id, ""),
                stack_id=None if row.stack_id is None else StackId(row.stack_id),
                stack_size=row.stack_size or 1,
                is_lead=row.lead_media_id in (None, media_id),
                is_picture=row.is_picture,
                kind=row.kind,
                width=row.width,
                height=row.height,
                size_bytes=row.size_bytes,
                captured_at=row.captured_at,
                sightings=row.sightings,
                priority=row.priority,
                reasons=tuple(
                    Reason(key, values)
                    for key, values in row.reasons
                    if not (withheld and key in _TELLING)
                ),
                tags=tuple(sorted(tags.get(media_id, ()))),
                leased_by_other=(
                    row.leased_until is not None
                    and row.leased_until > moment
                    and row.leased_by != who.account_id
                ),
                has_thumbnail="thumbnail" in kept.get(media_id, ()),
                has_original="original" in kept.get(media_id, ()),
                # What shows no grade here does not tell that another case has one.
                second_reading=media_id in again and row.code is not None,
            )
        )
    return found


def stack(
    tx: Connection, who: Principal, case_id: CaseId, stack_id: StackId, limit: int = 500
) -> list[Item]:
    """Return the members of a stack, the lead first, at most `limit` of them."""
    members = tx.execute(
        select(CaseMedia.media_id)
        .join(Stack, Stack.id == CaseMedia.stack_id)
        .where(CaseMedia.case_id == case_id, CaseMedia.stack_id == stack_id)
        .order_by(CaseMedia.media_id != Stack.lead_media_id, CaseMedia.position)
        .limit(min(limit, ITEMS_MAXIMUM))
    ).scalars()
    return items(tx, who, case_id, list(members))


def lease(
    tx: Connection, who: Principal, case_id: CaseId, stack_ids: Iterable[int]
) -> frozenset[StackId]:
    """Keep stacks for `who` for a while, so that no two people look at one; return those kept.

    A lease is a courtesy, no lock: it runs out by itself, and a grade given without one counts. It
    changes nothing of the case and is not in the log.
    """
    require(tx, who, Permission.GRADE, case_id)
    cases.working(tx, case_id)
    moment = now()
    until = moment + timedelta(minutes=policies.read(tx).lease_minutes)
    kept = tx.execute(
        update(Stack)
        .where(
            Stack.case_id == case_id,
            Stack.id.in_([int(number) for number in stack_ids]),
            or_(
                Stack.leased_by.is_(None),
                Stack.leased_by == who.account_id,
                Stack.leased_until <= moment,
            ),
        )
        .values(leased_by=who.account_id, leased_until=until)
        .returning(Stack.id)
    )
    return frozenset(StackId(number) for number in kept.scalars())


def release(tx: Connection, who: Principal, case_id: CaseId) -> None:
    """Give back all that `who` has leased in a case, as at the end of a session."""
    require(tx, who, Permission.CASE_READ, case_id)
    tx.execute(
        update(Stack)
        .where(Stack.case_id == case_id, Stack.leased_by == who.account_id)
        .values(leased_by=None, leased_until=None)
    )


# -- what is shown of each -------------------------------------------------------------------


def _rows(case_id: CaseId, media_ids: Sequence[int]) -> Select[*tuple[Any, ...]]:
    return (
        select(
            CaseMedia.media_id,
            CaseMedia.position,
            CaseMedia.state,
            CaseMedia.code,
            CaseMedia.stack_id,
            CaseMedia.sightings,
            CaseMedia.priority,
            CaseMedia.reasons,
            Stack.size.label("stack_size"),
            Stack.lead_media_id,
            Stack.leased_by,
            Stack.leased_until,
            Media.is_picture,
            Media.kind,
            Media.width,
            Media.height,
            Media.size_bytes,
            Media.captured_at,
        )
        .join(Media, Media.id == CaseMedia.media_id)
        .outerjoin(Stack, Stack.id == CaseMedia.stack_id)
        .where(CaseMedia.case_id == case_id, CaseMedia.media_id.in_(media_ids))
    )


def _grouped(
    tx: Connection, asked: Select[*tuple[Any, ...]], column: Any, media_ids: Sequence[int]
) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for media_id, word in tx.execute(asked.where(column.in_(media_ids))):
        found.setdefault(media_id, set()).add(word)
    return found


def _bases(tx: Connection, case_id: CaseId, media_ids: Sequence[int]) -> dict[int, str]:
    """Return how the last grade of each media in this case came about."""
    last = (
        select(func.max(Grade.id))
        .where(Grade.media_id.in_(media_ids), Grade.case_id == case_id)
        .group_by(Grade.media_id)
    )
    rows = tx.execute(select(Grade.media_id, Grade.basis).where(Grade.id.in_(last)))
    return {media_id: basis for media_id, basis in rows if basis not in ("cleared", "undone")}


def _read_again(
    tx: Connection, who: Principal, case_id: CaseId, media_ids: Sequence[int]
) -> frozenset[int]:
    """Return which media wait for a second reading, by whomever."""
    rows = tx.execute(
        blind.concerning(who, case_id, "open").where(SecondReading.media_id.in_(media_ids))
    )
    return frozenset(row.media_id for row in rows)
