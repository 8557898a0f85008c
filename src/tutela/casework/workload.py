"""The workload figure: how much a case asks of people, against looking at every file.

files             contents seen in all exhibits, however they ended
unique            different contents among them
pictures          different pictures
picture_files     places where a picture lay: what is looked at where nothing is put together
known             pictures graded on arrival, which nobody needs to see
set_aside         pictures that an ignorable or allow list names
stacks            groups of look-alikes among the rest: one decision each
decisions_needed  decisions that the case takes: one a stack
views_needed      pictures to be seen at the least: one a stack, and the sample of the known
decided           decisions made so far
one_by_one        decisions without Tutela: one for each picture file
saved_permille    how much less that is, in thousandths of one by one
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, case, func, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework.model import MediaState
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.store.tables.casework import CaseMedia, Exhibit, Media
from tutela.store.tables.grading import SecondReading


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a case; each is explained in this module's text."""

    files: int
    unique: int
    pictures: int
    picture_files: int
    known: int
    set_aside: int
    stacks: int
    decisions_needed: int
    views_needed: int
    decided: int
    one_by_one: int
    saved_permille: int

    def per_thousand_files(self, decisions: int) -> float:
        """Return how many decisions that is for each 1,000 files seen."""
        return 1000 * decisions / self.files if self.files else 0.0


def workload(tx: Connection, who: Principal, case_id: CaseId) -> Workload:
    """Return the workload of a case.

    Raises:
        AccessError: `who` may not read this case.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    files = tx.execute(
        select(func.coalesce(func.sum(Exhibit.seen), 0)).where(Exhibit.case_id == case_id)
    ).scalar_one()
    unique = tx.execute(
        select(func.count()).select_from(CaseMedia).where(CaseMedia.case_id == case_id)
    ).scalar_one()
    states: dict[str, tuple[int, int]] = {
        state: (count, int(places))
        for state, count, places in tx.execute(
            select(CaseMedia.state, func.count(), func.sum(CaseMedia.sightings))
            .join(Media, Media.id == CaseMedia.media_id)
            .where(CaseMedia.case_id == case_id, Media.is_picture)
            .group_by(CaseMedia.state)
        )
    }
    stacks, decided = _stacks(tx, case_id)
    sampled = tx.execute(
        select(func.count()).where(
            SecondReading.case_id == case_id, SecondReading.reason == "known_sample"
        )
    ).scalar_one()
    one_by_one = sum(places for _, places in states.values())
    return Workload(
        files=int(files or 0),
        unique=unique,
        pictures=sum(count for count, _ in states.values()),
        picture_files=one_by_one,
        known=states.get(MediaState.KNOWN, (0, 0))[0],
        set_aside=states.get(MediaState.SET_ASIDE, (0, 0))[0],
        stacks=stacks,
        decisions_needed=stacks,
        views_needed=stacks + sampled,
        decided=decided,
        one_by_one=one_by_one,
        saved_permille=1000 - 1000 * stacks // one_by_one if one_by_one else 0,
    )


def _stacks(tx: Connection, case_id: CaseId) -> tuple[int, int]:
    """Return how many stacks are for people, and how many of them have nothing open any more."""
    to_do = func.sum(case((CaseMedia.state == MediaState.OPEN.value, 1), else_=0))
    each = (
        select(CaseMedia.stack_id, to_do.label("to_do"))
        .where(
            CaseMedia.case_id == case_id,
            CaseMedia.stack_id.is_not(None),
            CaseMedia.position.is_not(None),
            CaseMedia.state != MediaState.KNOWN.value,
        )
        .group_by(CaseMedia.stack_id)
        .subquery()
    )
    row = tx.execute(
        select(
            func.count(), func.coalesce(func.sum(case((each.c.to_do == 0, 1), else_=0)), 0)
        ).select_from(each)
    ).one()
    return row[0], int(row[1])
