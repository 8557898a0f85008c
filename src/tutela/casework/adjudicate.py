"""Second readings that differed: a supervisor of the case reads a third time and settles.

The supervisor reads blind like the others: what the first two said is told after.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import blind, decision, second
from tutela.casework import case as cases
from tutela.casework import policy as policies
from tutela.casework import scheme as schemes
from tutela.casework.decision import Written
from tutela.casework.model import MediaState
from tutela.casework.second import Reading
from tutela.casework.standing import Ballot, Standing
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal
from tutela.store.tables.grading import SecondReading


class Resolved(msgspec.Struct, frozen=True):
    """What stands now, and what the first two readers had said."""

    media_id: MediaId
    code: str
    first_code: str | None
    second_code: str | None


def differed(tx: Connection, who: Principal, case_id: CaseId, limit: int = 200) -> list[Reading]:
    """Return the readings of a case that differed and wait for `who`, without their codes.

    Raises:
        AccessError: `who` does not adjudicate, or is not of the case's team.
    """
    _require(tx, who, case_id)
    rows = tx.execute(blind.to_settle(who, case_id).order_by(SecondReading.id).limit(limit))
    return [Reading(row.id, MediaId(row.media_id), row.reason) for row in rows]


def settle(  # noqa: PLR0913, PLR0917 what a decision is, and none of it may be guessed
    tx: Connection, who: Principal, case_id: CaseId, reading_id: int, code: str, reason: str
) -> Resolved:
    """Settle a difference by one's own reading; it becomes the vote of the organisation.

    Raises:
        AccessError: `who` does not adjudicate, or is not of the case's team.
        UsageError: the code is none of the scheme, there is no reason, or the case cannot be
            worked on now.
        ConflictError: it is settled already, or `who` was one of the two readers.
    """
    _require(tx, who, case_id)
    by = decision.grader(tx, who)
    case = cases.working(tx, case_id)
    schemes.load(tx, case.scheme).code(code)
    if not reason.strip():
        raise UsageError("say why: a settled difference has a reason", code="reason")
    row = second.only(tx, blind.to_settle(who, case_id), reading_id)
    standing = Standing(tx, case, by.organisation_id, [row.media_id])
    written = Written(row.media_id, code, "adjudicated")
    (grade_id,) = decision.write(tx, by, case, [written])
    standing.vote(row.media_id, Ballot(code, grade_id))
    standing.show(row.media_id, MediaState.GRADED.value, code)
    tx.execute(update(SecondReading).where(SecondReading.id == reading_id).values(state="settled"))
    event = decision.event(case, "reading.settled", written)._replace(texts={"reason": reason})
    events = [event, *standing.write(policies.read(tx).votes_to_trust)]
    log.record_many(tx, who, events)
    return Resolved(MediaId(row.media_id), code, row.first_code, row.second_code)


def _require(tx: Connection, who: Principal, case_id: CaseId) -> None:
    require(tx, who, Permission.ADJUDICATE)
    require(tx, who, Permission.CASE_READ, case_id)
