"""What a case as a whole has: its hits, where its pictures were taken, its stacks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, func, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework import blind
from tutela.casework.among import among
from tutela.casework.model import HitInfo, StackInfo
from tutela.core.errors import UsageError
from tutela.core.ids import AccountId, CaseId, MediaId, StackId
from tutela.core.principal import Principal
from tutela.store.tables.casework import (
    CaseMedia,
    Media,
    MediaHit,
    Stack,
)


class Spot(msgspec.Struct, frozen=True):
    """Where pictures say that they were taken (degrees, WGS 84), and how many say so."""

    latitude: float
    longitude: float
    media: int


class CaseHit(msgspec.Struct, frozen=True):
    """A hit of a case; `number` is the item's in the review, 0 where it has none."""

    media_id: MediaId
    number: int
    hit: HitInfo


def require_media(tx: Connection, who: Principal, case_id: CaseId, media_id: MediaId) -> None:
    """Make sure that a media is of a case that `who` may read.

    Raises:
        AccessError: `who` may not read the case.
        UsageError: code `not_found`: the media is not in it.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    there = select(CaseMedia.media_id).where(
        CaseMedia.case_id == case_id, CaseMedia.media_id == media_id
    )
    if tx.execute(there).first() is None:
        raise UsageError("there is no such item in this case", code="not_found")


def case_hits(tx: Connection, who: Principal, case_id: CaseId, limit: int) -> list[CaseHit]:
    """Return hits of a case, exact ones first, then by distance.

    Those of media whose grade is withheld from `who` are left out: a list may say it.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    rows = tx.execute(
        _hits(case_id)
        .where(MediaHit.media_id.not_in(blind.hidden(who, case_id)))
        .order_by(
            MediaHit.silenced,
            MediaHit.strength != "exact",
            MediaHit.distance_bits,
            MediaHit.media_id,
        )
        .limit(limit)
    )
    return [CaseHit(MediaId(row.media_id), (row.position or -1) + 1, _hit(row)) for row in rows]


def hit_count(tx: Connection, who: Principal, case_id: CaseId) -> int:
    """Return how many media of a case met a list that is not silenced."""
    require(tx, who, Permission.CASE_READ, case_id)
    return tx.execute(
        select(func.count(MediaHit.media_id.distinct())).where(
            MediaHit.case_id == case_id, ~MediaHit.silenced, MediaHit.role == "alert"
        )
    ).scalar_one()


def numbers(
    tx: Connection, who: Principal, case_id: CaseId, media_ids: Iterable[MediaId]
) -> dict[int, int]:
    """Return by which number people know media of a case, counted from 1; others are left out."""
    require(tx, who, Permission.CASE_READ, case_id)
    rows = tx.execute(
        select(CaseMedia.media_id, CaseMedia.position).where(
            CaseMedia.case_id == case_id,
            CaseMedia.position.is_not(None),
            among(tx, CaseMedia.media_id, media_ids),
        )
    )
    return {media_id: position + 1 for media_id, position in rows if position is not None}


def spots(tx: Connection, who: Principal, case_id: CaseId) -> list[Spot]:
    """Return where pictures of a case were taken, rounded to about ten metres, the most first."""
    require(tx, who, Permission.CASE_READ, case_id)
    rows = tx.execute(
        select(Media.latitude, Media.longitude)
        .join(CaseMedia, CaseMedia.media_id == Media.id)
        .where(CaseMedia.case_id == case_id, Media.latitude.is_not(None))
    )
    counted: dict[tuple[float, float], int] = {}
    for latitude, longitude in rows:
        if latitude is not None and longitude is not None:
            spot = round(latitude, 4), round(longitude, 4)
            counted[spot] = counted.get(spot, 0) + 1
    return [
        Spot(latitude, longitude, count)
        for (latitude, longitude), count in sorted(
            counted.items(), key=lambda found: (-found[1], found[0])
        )
    ]


def stack_info(tx: Connection, who: Principal, case_id: CaseId, stack_id: StackId) -> StackInfo:
    """Return a stack of a case.

    Raises:
        UsageError: code `not_found`: it is not of this case.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    row = tx.execute(
        select(Stack.__table__).where(Stack.id == stack_id, Stack.case_id == case_id)
    ).one_or_none()
    if row is None:
        raise UsageError("there is no such stack in this case", code="not_found")
    return StackInfo(
        id=StackId(row.id),
        lead_media_id=MediaId(row.lead_media_id),
        size=row.size,
        cutoff_bits=row.cutoff_bits,
        leased_by=None if row.leased_by is None else AccountId(row.leased_by),
        leased_until=row.leased_until,
    )


def _hits(case_id: CaseId) -> Select[*tuple[Any, ...]]:
    return (
        select(MediaHit.__table__, CaseMedia.position)
        .outerjoin(
            CaseMedia,
            (CaseMedia.case_id == MediaHit.case_id) & (CaseMedia.media_id == MediaHit.media_id),
        )
        .where(MediaHit.case_id == case_id)
    )


def _hit(row: Row[Any]) -> HitInfo:
    return HitInfo(
        list_name=row.list_name,
        role=row.role,
        strength=row.strength,
        algorithm=row.algorithm,
        distance_bits=row.distance_bits,
        variant=row.variant,
        entry_number=row.entry_number,
        classifications=tuple(tuple(pair) for pair in row.classifications),
        silenced=row.silenced,
    )
