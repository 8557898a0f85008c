"""When the media of a case were taken and their files last changed, month by month."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from sqlalchemy import Connection, extract, func, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.store.tables.casework import CaseMedia, Exhibit, Media, Sighting


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """A month (UTC): pictures that EXIF says were taken in it, and files last changed in it."""

    year: int
    month: int
    captured: int
    modified: int


def timeline(tx: Connection, who: Principal, case_id: CaseId) -> list[Month]:
    """Return the months in which something was, in order; months without anything are left out.

    Raises:
        AccessError: `who` may not read this case.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    captured = _counted(
        tx,
        Media.captured_at,
        select(Media.id)
        .join(CaseMedia, CaseMedia.media_id == Media.id)
        .where(CaseMedia.case_id == case_id),
    )
    modified = _counted(
        tx,
        Sighting.modified_at,
        select(Sighting.id)
        .join(Exhibit, Exhibit.id == Sighting.exhibit_id)
        .where(Exhibit.case_id == case_id, Sighting.media_id.is_not(None)),
    )
    return [
        Month(
            year=year, month=month, captured=captured[year, month], modified=modified[year, month]
        )
        for year, month in sorted(captured.keys() | modified.keys())
    ]


def _counted(tx: Connection, moment: Any, asked: Any) -> Counter[tuple[int, int]]:
    year, month = extract("year", moment), extract("month", moment)
    rows = tx.execute(
        asked.where(moment.is_not(None))
        .with_only_columns(year, month, func.count())
        .group_by(year, month)
    )
    return Counter({(int(y), int(m)): count for y, m, count in rows})
