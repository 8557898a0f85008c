"""Makes sure that what is named belongs to a case, before anything is said about it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from tutela.casework.among import among
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, MediaId
from tutela.store.tables.casework import CaseMedia


def of_case(tx: Connection, case_id: CaseId, media_ids: Sequence[int]) -> list[MediaId]:
    """Return the media, each once and in order of their ids.

    Raises:
        UsageError: one of them is not in the case; the words are the same where there is none.
    """
    wanted = sorted({int(media_id) for media_id in media_ids})
    found = tx.execute(
        select(func.count())
        .select_from(CaseMedia)
        .where(CaseMedia.case_id == case_id, among(tx, CaseMedia.media_id, wanted))
    ).scalar_one()
    if found != len(wanted):
        raise UsageError("a media named is not in this case", code="not_in_case")
    return [MediaId(media_id) for media_id in wanted]


def line(text: str, most: int, what: str) -> str:
    """Return a name without outer blanks.

    Raises:
        UsageError: it is empty, longer than `most` characters, or not one printable line.
    """
    name = text.strip()
    if not name or len(name) > most or not name.isprintable():
        raise UsageError(f"{what} is one line of 1 to {most} characters")
    return name
