"""The query of a filter and an order: which media of a case, and what stands for their stacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.casework import blind
from tutela.casework.model import MediaState
from tutela.casework.view import Filter, Sort, SortKey
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.store.tables.casework import (
    Case,
    CaseMedia,
    Exhibit,
    Media,
    MediaHit,
    SeriesMedia,
    Sighting,
    Stack,
    Tag,
    VictimMedia,
)
from tutela.store.tables.grading import Agreement, SecondReading

_SORTED: dict[SortKey, InstrumentedAttribute[Any] | None] = {
    SortKey.REVIEW: None,
    SortKey.CAPTURED: Media.captured_at,
    SortKey.SIZE: Media.size_bytes,
    SortKey.SIGHTINGS: CaseMedia.sightings,
    SortKey.STACK: Stack.size,
    SortKey.CAMERA: Media.camera_serial,
}


def selected(
    who: Principal, case_id: CaseId, wanted: Filter, sort: Sort
) -> Select[*tuple[Any, ...]]:
    """Return a query for (media id, stack number), in order; of no stack is one of its own."""
    states = wanted.effective_states
    # Compared one by one: a list is looked up once for each row, which costs both databases more.
    asked = select(
        CaseMedia.media_id, func.coalesce(CaseMedia.stack_id, -CaseMedia.media_id)
    ).where(CaseMedia.case_id == case_id, or_(*[CaseMedia.state == state for state in states]))
    if MediaState.SET_ASIDE not in states:
        asked = asked.where(CaseMedia.position.is_not(None))
    if wanted.codes:
        hidden = blind.hidden(who, case_id)
        asked = asked.where(CaseMedia.code.in_(wanted.codes), CaseMedia.media_id.not_in(hidden))
        if allows(who, Permission.ADJUDICATE):
            asked = asked.where(~_has(_disputed(case_id)))
    if wanted.second is not None:
        second = CaseMedia.media_id.in_(_read_again(who, case_id))
        asked = asked.where(second if wanted.second else ~second)
    for condition in _conditions(case_id, wanted):
        asked = asked.where(condition)
    return _sorted(asked, sort, aside=MediaState.SET_ASIDE in states)


def _conditions(case_id: CaseId, wanted: Filter) -> Iterable[ColumnElement[bool]]:
    """Yield what a media must meet beyond its state; each is one of the fields of `Filter`."""
    media = CaseMedia.media_id
    if wanted.exhibit is not None:
        yield media.in_(select(Sighting.media_id).where(Sighting.exhibit_id == wanted.exhibit))
    if wanted.path is not None:
        yield media.in_(
            select(Sighting.media_id)
            .join(Exhibit, Exhibit.id == Sighting.exhibit_id)
            .where(
                Exhibit.case_id == case_id, Sighting.path.icontains(wanted.path, autoescape=True)
            )
        )
    if wanted.tag is not None:
        yield media.in_(select(Tag.media_id).where(Tag.case_id == case_id, Tag.name == wanted.tag))
    if wanted.series is not None:
        yield media.in_(select(SeriesMedia.media_id).where(SeriesMedia.series_id == wanted.series))
    if wanted.victim is not None:
        yield media.in_(select(VictimMedia.media_id).where(VictimMedia.victim_id == wanted.victim))
    if wanted.hits is not None:
        hit = media.in_(
            select(MediaHit.media_id).where(MediaHit.case_id == case_id, ~MediaHit.silenced)
        )
        yield hit if wanted.hits else ~hit
    if wanted.stacks is not None:
        large = CaseMedia.stack_id.in_(
            select(Stack.id).where(Stack.case_id == case_id, Stack.size > 1)
        )
        yield large if wanted.stacks else ~func.coalesce(large, false())
    if (facts := _facts(wanted)) is not None:
        yield _has(select(Media.id).where(Media.id == media, facts))


def _facts(wanted: Filter) -> ColumnElement[bool] | None:
    """Return what is asked of the media itself."""
    first, end = wanted.captured_range
    asked: list[ColumnElement[bool]] = []
    if wanted.camera is not None:
        asked.append(Media.camera_serial == wanted.camera)
    if wanted.located is not None:
        known = Media.latitude.is_not(None)
        asked.append(known if wanted.located else ~known)
    if first is not None:
        asked.append(Media.captured_at >= first)
    if end is not None:
        asked.append(Media.captured_at < end)
    return and_(*asked) if asked else None


def _sorted(
    asked: Select[*tuple[Any, ...]], sort: Sort, *, aside: bool
) -> Select[*tuple[Any, ...]]:
    column = _SORTED[sort.key]
    order: list[ColumnElement[Any]] = []
    if column is not None:
        if sort.key is SortKey.STACK:
            asked = asked.outerjoin(Stack, Stack.id == CaseMedia.stack_id)
        elif sort.key is not SortKey.SIGHTINGS:
            asked = asked.join(Media, Media.id == CaseMedia.media_id)
        order = [column.is_(None), column.desc() if sort.descending else column.asc()]
    position = CaseMedia.position
    backwards = sort.descending and column is None
    order.append(position.desc() if backwards else position.asc())
    # Positions differ, so that the index alone gives the order; what is set aside has none.
    return asked.order_by(*order, *([CaseMedia.media_id] if aside else []))


def _read_again(who: Principal, case_id: CaseId) -> Select[*tuple[Any, ...]]:
    """Select what waits for a second reading, and that a case shows to have a grade."""
    again = blind.concerning(who, case_id, "open").where(blind.shown_in(case_id))
    return again.with_only_columns(SecondReading.media_id)


def _disputed(case_id: CaseId) -> Select[*tuple[Any, ...]]:
    """Select the dispute about the media at hand under the case's scheme: who settles is blind."""
    return (
        select(Agreement.media_id)
        .join(Case, Case.scheme == Agreement.scheme)
        .where(
            Case.id == case_id,
            Agreement.media_id == CaseMedia.media_id,
            Agreement.state == "disputed",
        )
    )


def _has(asked: Select[*tuple[Any, ...]]) -> ColumnElement[bool]:
    return asked.correlate(CaseMedia).exists()
