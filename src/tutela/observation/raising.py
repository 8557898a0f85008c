"""Raises places where known media stand: said once for each place, and drafted as a notice.

Whoever settled media or kept pages asks in the same transaction, so that nothing known stays
unsaid after a crash, and writes the events with its own, since the log comes last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, select

from tutela.audit.log import Event
from tutela.casework.among import among
from tutela.casework.contents import among_digests
from tutela.core.entry import Role
from tutela.core.hit import Strength
from tutela.core.ids import CaseId
from tutela.observation import notices
from tutela.observation.notices import Policy
from tutela.observation.places import led_to, place_of
from tutela.store.bulk import update_rows
from tutela.store.tables.observation import MediaPlace, SeenHit, SeenMedia


class Raised(msgspec.Struct, frozen=True, kw_only=True):
    """A place where a known media stands, and by which list and how it is known best."""

    place_id: int
    site_id: int
    page_id: int
    media_id: int
    list: str
    strength: Strength
    distance_bits: int


def at(
    tx: Connection,
    case_id: CaseId,
    urls: Iterable[str],
    policy: Policy,
    moment: datetime,
) -> tuple[list[Raised], list[Event]]:
    """Raise places of some media that lists have and that were not raised; return events to log.

    Where one of them redirects, the media there are meant as well.
    """
    digests = led_to(tx, case_id, {place_of(url) for url in urls})
    if not digests:
        return [], []
    known = (
        select(SeenMedia.id)
        .where(SeenMedia.id == MediaPlace.media_id, SeenMedia.listed.is_(True))
        .exists()
    )
    rows = _unraised(tx, case_id, among_digests(tx, MediaPlace.place, digests), known)
    return _raised(tx, case_id, rows, policy, moment)


def of_media(
    tx: Connection,
    case_id: CaseId,
    media_ids: Collection[int],
    policy: Policy,
    moment: datetime,
) -> tuple[list[Raised], list[Event]]:
    """Raise all places of some media, which a list has by now; return events to log."""
    rows = _unraised(tx, case_id, among(tx, MediaPlace.media_id, media_ids))
    return _raised(tx, case_id, rows, policy, moment)


def _unraised(tx: Connection, case_id: CaseId, *conditions: ColumnElement[bool]) -> Sequence[Any]:
    columns = (MediaPlace.id, MediaPlace.site_id, MediaPlace.page_id, MediaPlace.media_id)
    unraised = MediaPlace.case_id == case_id, MediaPlace.raised_at.is_(None)
    return tx.execute(select(*columns).where(*unraised, *conditions).order_by(MediaPlace.id)).all()


def _raised(
    tx: Connection,
    case_id: CaseId,
    rows: Sequence[Any],
    policy: Policy,
    moment: datetime,
) -> tuple[list[Raised], list[Event]]:
    if not rows:
        return [], []
    best = _best(tx, {row.media_id for row in rows})
    found = [
        Raised(
            place_id=row.id,
            site_id=row.site_id,
            page_id=row.page_id,
            media_id=row.media_id,
            list=best[row.media_id].list_name,
            strength=Strength(best[row.media_id].strength),
            distance_bits=best[row.media_id].distance_bits,
        )
        for row in rows
    ]
    update_rows(tx, MediaPlace, [{"id": one.place_id, "raised_at": moment} for one in found])
    drafted = notices.draft(tx, case_id, _by_page(found), policy, moment)
    return found, [*map(_event, found), *drafted]


def _best(tx: Connection, media_ids: set[int]) -> dict[int, Any]:
    """Return of each media the hit that says most: exact before indicative, then the nearest."""
    rows = tx.execute(
        select(SeenHit.media_id, SeenHit.list_name, SeenHit.strength, SeenHit.distance_bits).where(
            among(tx, SeenHit.media_id, media_ids), SeenHit.role == Role.ALERT.value
        )
    )
    ordered = sorted(
        rows, key=lambda row: (row.strength != Strength.EXACT, row.distance_bits, row.list_name)
    )
    return {row.media_id: row for row in reversed(ordered)}


def _by_page(found: Iterable[Raised]) -> dict[tuple[int, int], list[Strength]]:
    pages: dict[tuple[int, int], list[Strength]] = defaultdict(list)
    for one in found:
        pages[one.site_id, one.page_id].append(one.strength)
    return pages


def _event(one: Raised) -> Event:
    return Event(
        "media.raised",
        f"site:{one.site_id}",
        {
            "place": one.place_id,
            "page": one.page_id,
            "seen_media": one.media_id,
            "strength": one.strength.value,
            "distance_bits": one.distance_bits,
        },
        {"list": one.list},
    )
