"""Words on media within a case."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework.among import among
from tutela.casework.belonging import line, of_case
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.store.bulk import insert_rows
from tutela.store.tables.casework import Tag

CHARACTERS = 60


def add(
    tx: Connection, who: Principal, case_id: CaseId, media_ids: Sequence[int], name: str
) -> None:
    """Put a word on media of a case; those that have it keep it.

    Raises:
        AccessError: `who` does not grade in this case.
        UsageError: a media is not in the case, or the word is none.
    """
    require(tx, who, Permission.GRADE, case_id)
    cases.working(tx, case_id)
    word, wanted = line(name, CHARACTERS, "a tag"), of_case(tx, case_id, media_ids)
    rows = [{"case_id": case_id, "media_id": media_id, "name": word} for media_id in wanted]
    insert_rows(tx, Tag, rows, ignore_existing=True)
    cases.stay_open(tx, case_id)
    _log(tx, who, "tag.added", case_id, (wanted, word))


def remove(
    tx: Connection, who: Principal, case_id: CaseId, media_ids: Sequence[int], name: str
) -> None:
    """Take a word off media of a case.

    Raises:
        AccessError: `who` does not grade in this case.
        UsageError: a media is not in the case.
    """
    require(tx, who, Permission.GRADE, case_id)
    cases.working(tx, case_id)
    wanted = of_case(tx, case_id, media_ids)
    tx.execute(
        delete(Tag).where(
            Tag.case_id == case_id, among(tx, Tag.media_id, wanted), Tag.name == name.strip()
        )
    )
    _log(tx, who, "tag.removed", case_id, (wanted, name.strip()))


def names(tx: Connection, who: Principal, case_id: CaseId) -> dict[str, int]:
    """Return the tags of a case and on how many media each is, in alphabetical order.

    Raises:
        AccessError: `who` may not read this case.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    rows = tx.execute(
        select(Tag.name, func.count())
        .where(Tag.case_id == case_id)
        .group_by(Tag.name)
        .order_by(Tag.name)
    )
    return {name: count for name, count in rows}  # noqa: C416 a typed row is no pair for dict()


def _log(
    tx: Connection,
    who: Principal,
    action: str,
    case_id: CaseId,
    what: tuple[Sequence[int], str],
) -> None:
    """Write one leaf a media."""
    media_ids, word = what
    log.record_many(
        tx,
        who,
        [log.Event(action, f"media:{m}", {"case": case_id}, {"tag": word}) for m in media_ids],
    )
