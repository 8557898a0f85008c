"""Media that no list has and that stand on several sites: worth a person's look by other ways.

They are rows of fingerprints and places. Nothing is ever fetched again to be displayed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
from sqlalchemy import Connection, Row, func, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework import stacking
from tutela.core.ids import CaseId
from tutela.core.media import PDQ_QUALITY_MINIMUM
from tutela.core.principal import Principal
from tutela.observation.model import MediaRole
from tutela.store.tables.observation import MediaPlace, SeenMedia, Site

RADIUS_BITS = 16  # what lies nearer is a copy (`casework.stacking`)


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Contents that look alike, and where they stand; `sha256` and `pdq` are those of the first."""

    sha256: bytes
    pdq: bytes | None
    contents: int
    sites: tuple[str, ...]
    places: int
    first_seen_at: datetime


def on_several(tx: Connection, who: Principal, case_id: CaseId, sites: int = 2) -> list[Group]:
    """Return groups that stand on so many sites at least, those on most first.

    A site and its mirrors, as far as a person said so, count once. Avatars do not count.

    Raises:
        AccessError: `who` may not see what was read for the case.
    """
    require(tx, who, Permission.CRAWL, case_id)
    media = tx.execute(
        select(SeenMedia.id, SeenMedia.sha256, SeenMedia.pdq, SeenMedia.pdq_quality)
        .add_columns(SeenMedia.first_seen_at)
        .where(SeenMedia.case_id == case_id, SeenMedia.listed.is_(False))
        .order_by(SeenMedia.id)
    ).all()
    leads = _leads(media)
    stands = _stands(tx, case_id)
    groups: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in media:
        groups[leads[row.id]].append(row)
    found = [_group(rows, stands) for rows in groups.values()]
    wanted = [group for group, count in found if count >= sites]
    return sorted(wanted, key=lambda one: (-len(one.sites), -one.places, one.sha256))


def _leads(media: Sequence[Row[Any]]) -> dict[int, int]:
    """Return for each media the one that it looks like; those without a good PDQ stand alone."""
    leads = {row.id: row.id for row in media}
    good = [row for row in media if row.pdq and row.pdq_quality >= PDQ_QUALITY_MINIMUM]
    if good:
        codes = np.frombuffer(b"".join(row.pdq for row in good), np.uint8).reshape(-1, 32)
        for row, lead in zip(good, stacking.lead_of(codes, 0, RADIUS_BITS), strict=True):
            leads[row.id] = good[lead].id
    return leads


def _stands(tx: Connection, case_id: CaseId) -> dict[int, dict[tuple[int, str], int]]:
    """Return of each media how many places it has on which site, a mirror as its original."""
    original = func.coalesce(Site.mirror_of, Site.id).label("original")
    judged = select(Site.id, Site.host, Site.judged_by, original).where(Site.case_id == case_id)
    sites = {row.id: row for row in tx.execute(judged)}
    rows = tx.execute(
        select(MediaPlace.media_id, MediaPlace.site_id, func.count().label("places"))
        .where(
            MediaPlace.case_id == case_id,
            MediaPlace.media_id.is_not(None),
            MediaPlace.role != MediaRole.AVATAR.value,
        )
        .group_by(MediaPlace.media_id, MediaPlace.site_id)
    )
    found: dict[int, dict[tuple[int, str], int]] = defaultdict(dict)
    for row in rows:
        site = sites[row.site_id]
        number = site.original if site.judged_by is not None else site.id
        found[row.media_id][number, site.host] = row.places
    return found


def _group(
    rows: Sequence[Row[Any]], stands: dict[int, dict[tuple[int, str], int]]
) -> tuple[Group, int]:
    """Return a group, and on how many sites it stands."""
    at = [place for row in rows for place in stands.get(row.id, {}).items()]
    group = Group(
        sha256=rows[0].sha256,
        pdq=rows[0].pdq,
        contents=len(rows),
        sites=tuple(sorted({host for (_, host), _ in at})),
        places=sum(places for _, places in at),
        first_seen_at=min(row.first_seen_at for row in rows),
    )
    return group, len({number for (number, _), _ in at})
