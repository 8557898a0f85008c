"""Series: media made together, by the judgement of a person who says why."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, or_, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework.among import among
from tutela.casework.belonging import line, of_case
from tutela.casework.model import SeriesInfo
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, SeriesId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.casework import CaseMedia, Series, SeriesMedia

NAME_CHARACTERS = 200
REASON_CHARACTERS = 1000
FOUND_MOST = 50


def create(tx: Connection, who: Principal, case_id: CaseId, name: str) -> SeriesId:
    """Make a series; its name is known to all who work with series, whatever their cases.

    Raises:
        AccessError: `who` does not work with series in this case.
        UsageError: the name is none, or taken.
    """
    require(tx, who, Permission.SERIES, case_id)
    cases.working(tx, case_id)
    called = line(name, NAME_CHARACTERS, "a series name")
    if tx.execute(select(Series.id).where(Series.name == called)).first() is not None:
        raise UsageError(f"there is a series {called} already", code="series_exists")
    made = tx.execute(
        insert(Series)
        .values(name=called, created_at=now(), created_by=who.account_id)
        .returning(Series.id)
    ).scalar_one()
    log.record(tx, who, "series.created", f"series:{made}", texts={"name": called}, case=case_id)
    return SeriesId(made)


def list_(tx: Connection, who: Principal, case_id: CaseId) -> list[SeriesInfo]:
    """Return the series that media of a case are in, and those that `who` has made.

    Raises:
        AccessError: `who` may not read this case.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    here = func.count(CaseMedia.media_id)
    rows = tx.execute(
        select(Series.id, Series.name, here)
        .outerjoin(SeriesMedia, SeriesMedia.series_id == Series.id)
        .outerjoin(
            CaseMedia,
            (CaseMedia.media_id == SeriesMedia.media_id) & (CaseMedia.case_id == case_id),
        )
        .group_by(Series.id, Series.name, Series.created_by)
        .having(or_(here > 0, Series.created_by == who.account_id))
        .order_by(Series.name)
    )
    return [SeriesInfo(id=SeriesId(n), name=name, media=media) for n, name, media in rows]


def find(tx: Connection, who: Principal, case_id: CaseId, text: str) -> list[SeriesInfo]:
    """Return series by a part of their name, to put media of this case into.

    Raises:
        AccessError: `who` does not work with series in this case.
    """
    require(tx, who, Permission.SERIES, case_id)
    rows = tx.execute(
        select(Series.id, Series.name)
        .where(Series.name.icontains(text.strip(), autoescape=True))
        .order_by(Series.name)
        .limit(FOUND_MOST)
    )
    return [SeriesInfo(id=SeriesId(number), name=name, media=0) for number, name in rows]


def add(  # noqa: PLR0913, PLR0917 a link needs its reason
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    series_id: SeriesId,
    media_ids: Sequence[int],
    reason: str,
) -> None:
    """Put media of a case into a series; `reason` says what speaks for it.

    Raises:
        AccessError: `who` does not work with series in this case.
        UsageError: there is no such series, a media is not in the case, or no reason is given.
    """
    require(tx, who, Permission.SERIES, case_id)
    cases.working(tx, case_id)
    _there(tx, series_id)
    why = line(reason, REASON_CHARACTERS, "a reason")
    wanted = of_case(tx, case_id, media_ids)
    rows = [{"series_id": series_id, "media_id": m, "reason": why} for m in wanted]
    insert_rows(tx, SeriesMedia, rows, ignore_existing=True)
    cases.touch(tx, case_id)
    facts = {"case": case_id, "series": series_id}
    log.record_many(
        tx, who, [log.Event("series.joined", f"media:{m}", facts, {"reason": why}) for m in wanted]
    )


def remove(
    tx: Connection, who: Principal, case_id: CaseId, series_id: SeriesId, media_ids: Sequence[int]
) -> None:
    """Take media of a case out of a series.

    Raises:
        AccessError: `who` does not work with series in this case.
        UsageError: there is no such series, or a media is not in the case.
    """
    require(tx, who, Permission.SERIES, case_id)
    cases.working(tx, case_id)
    _there(tx, series_id)
    wanted = of_case(tx, case_id, media_ids)
    tx.execute(
        delete(SeriesMedia).where(
            SeriesMedia.series_id == series_id, among(tx, SeriesMedia.media_id, wanted)
        )
    )
    cases.touch(tx, case_id)
    facts = {"case": case_id, "series": series_id}
    log.record_many(tx, who, [log.Event("series.left", f"media:{m}", facts) for m in wanted])


def _there(tx: Connection, series_id: SeriesId) -> None:
    if tx.execute(select(Series.id).where(Series.id == series_id)).first() is None:
        raise UsageError("there is no such series", code="no_series")
