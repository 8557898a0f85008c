"""Second readings, and what is not for somebody to know while one is alive: the one place for both.

A grade shows in all cases of its organisation under its scheme, and its reading goes with it: it is
of an organisation and a scheme, whichever case asked for it. The organisation is that of the first
grader; of what was graded on arrival, that of the case. In the case that asked it concerns guests
of other organisations as well, who see the grade there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select
from sqlalchemy.orm import aliased

from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.casework.among import among
from tutela.casework.model import MediaState
from tutela.core.ids import AccountId, CaseId, OrganisationId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.access import Account
from tutela.store.tables.casework import Case, CaseMedia
from tutela.store.tables.grading import SecondReading

ALIVE = ("open", "differed")
_INFERRED = MediaState.INFERRED.value

# Looked up for each reading, and not joined: SQLite would begin with the cases.
_asked, _first = aliased(Case), aliased(Account)
_scheme = (
    select(_asked.scheme)
    .where(_asked.id == SecondReading.case_id)
    .correlate(SecondReading)
    .scalar_subquery()
)
_whose = func.coalesce(
    select(_first.organisation_id)
    .where(_first.id == SecondReading.first_account_id)
    .correlate(SecondReading)
    .scalar_subquery(),
    select(_asked.organisation_id)
    .where(_asked.id == SecondReading.case_id)
    .correlate(SecondReading)
    .scalar_subquery(),
)

Readings = Select[*tuple[Any, ...]]


def of_organisation(organisation_id: OrganisationId, scheme: str) -> Readings:
    """Select the readings of an organisation under a scheme, in whatever state."""
    return _readings().where(_whose == organisation_id, _scheme == scheme)


def concerning(who: Principal, case_id: CaseId, *states: str) -> Readings:
    """Select the readings in some states that bind `who` in a case.

    They are those of the organisation of `who` under the case's scheme, and those that the case
    asked for. The media need not be in the case; see `in_case` and `shown_in`.
    """
    scheme = select(Case.scheme).where(Case.id == case_id).scalar_subquery()
    return _readings().where(
        SecondReading.state.in_(states),
        or_(SecondReading.case_id == case_id, _whose == who.organisation_id),
        _scheme == scheme,
    )


def open_to(who: Principal, case_id: CaseId) -> Readings:
    """Select the open readings whose first grade `who` did not give: what they give is the reading.

    Media that show no grade in the case are among them; a list for people says `shown_in`, so that
    it does not tell of other cases.
    """
    return concerning(who, case_id, "open").where(_by_others(who))


def to_settle(who: Principal, case_id: CaseId) -> Readings:
    """Select the readings of media of a case that differed, neither of which `who` gave."""
    return concerning(who, case_id, "differed").where(_by_others(who), in_case(case_id))


def in_case(case_id: CaseId) -> ColumnElement[bool]:
    """Return the condition that the media of a reading is in a case."""
    return exists().where(
        CaseMedia.case_id == case_id, CaseMedia.media_id == SecondReading.media_id
    )


def shown_in(case_id: CaseId) -> ColumnElement[bool]:
    """Return the condition that the media of a reading has a grade in a case."""
    return exists().where(
        CaseMedia.case_id == case_id,
        CaseMedia.media_id == SecondReading.media_id,
        CaseMedia.code.is_not(None),
    )


def withheld(
    tx: Connection, who: Principal, case_id: CaseId, media: Iterable[int]
) -> frozenset[int]:
    """Return those of some media of a case whose grade `who` must not be shown.

    They are those that somebody is yet to read a second time, for adjudicators those on which two
    readers differed, and stack members that were inferred from one of either.
    """
    wanted = set(media)
    unread = _unread(who, case_id)
    found = set(
        tx.execute(
            unread.where(among(tx, SecondReading.media_id, wanted)).with_only_columns(
                SecondReading.media_id
            )
        ).scalars()
    )
    # Not by the case too: it would lead to an index with all of its media.
    rows = tx.execute(
        select(CaseMedia.case_id, CaseMedia.media_id, CaseMedia.stack_id).where(
            CaseMedia.state == _INFERRED, among(tx, CaseMedia.media_id, wanted - found)
        )
    )
    stacks = {row.media_id: row.stack_id for row in rows if row.case_id == case_id and row.stack_id}
    if stacks:
        telling = select(CaseMedia.stack_id).where(
            among(tx, CaseMedia.stack_id, stacks.values()),
            unread.where(SecondReading.media_id == CaseMedia.media_id)
            .correlate(CaseMedia)
            .exists(),
        )
        told = set(tx.execute(telling.distinct()).scalars())
        found |= {media_id for media_id, stack_id in stacks.items() if stack_id in told}
    return frozenset(found)


def hidden(who: Principal, case_id: CaseId) -> Select[int]:
    """Select all that `withheld` would name in a case; others of the organisation are among them.

    It is one set for the whole case, made from the readings: media of a case may be millions.
    """
    return _with_inferred(_unread(who, case_id), case_id)


def waits_for(tx: Connection, who: Principal, case_id: CaseId) -> bool:
    """Tell whether a grade that a case shows waits for `who`, who must not learn it before."""
    return tx.execute(_awaited(who, case_id).where(shown_in(case_id)).limit(1)).first() is not None


def counted(tx: Connection, who: Principal, case_id: CaseId) -> dict[str, int]:
    """Return how many media of a case have each code that waits for `who` to read or settle it."""
    rows = tx.execute(
        select(CaseMedia.code, func.count())
        .where(
            CaseMedia.case_id == case_id,
            CaseMedia.code.is_not(None),
            CaseMedia.media_id.in_(_with_inferred(_awaited(who, case_id), case_id)),
        )
        .group_by(CaseMedia.code)
    )
    return {str(code): count for code, count in rows}


def ask(  # noqa: PLR0913, PLR0917 what is to be read, and for whom
    tx: Connection,
    case_id: CaseId,
    whose: tuple[OrganisationId, str],
    codes: Mapping[int, str],
    first: AccountId | None,
    reason: str,
) -> None:
    """Ask that media be read again, once each in an organisation and scheme (`whose`)."""
    rows = tx.execute(
        of_organisation(*whose)
        .where(SecondReading.state != "withdrawn", among(tx, SecondReading.media_id, codes))
        .with_only_columns(SecondReading.media_id)
    )
    there = set(rows.scalars())
    moment = now()
    insert_rows(
        tx,
        SecondReading,
        [
            {
                "case_id": case_id,
                "media_id": media_id,
                "first_account_id": first,
                "first_code": code,
                "reason": reason,
                "state": "open",
                "second_account_id": None,
                "second_code": None,
                "asked_at": moment,
                "read_at": None,
            }
            for media_id, code in codes.items()
            if media_id not in there
        ],
    )


def asked_for_alone(tx: Connection, case_id: CaseId) -> list[int]:
    """Return the open readings of a case whose grade no other case shows or could be given in."""
    elsewhere, other = aliased(CaseMedia), aliased(Case)
    lives_on = exists().where(
        elsewhere.media_id == SecondReading.media_id,
        other.id == elsewhere.case_id,
        other.id != case_id,
        other.scheme == _scheme,
        other.organisation_id == _whose,
    )
    mine = SecondReading.case_id == case_id, SecondReading.state == "open"
    return [row.id for row in tx.execute(_readings().where(*mine, ~lives_on))]


def _readings() -> Readings:
    return select(
        SecondReading.id,
        SecondReading.case_id,
        SecondReading.media_id,
        SecondReading.reason,
        SecondReading.first_code,
        SecondReading.second_code,
    )


def _by_others(who: Principal) -> ColumnElement[bool]:
    """Return the condition that `who` gave neither of the grades that a reading has so far."""
    readers = SecondReading.first_account_id, SecondReading.second_account_id
    return and_(*(or_(one.is_(None), one != who.account_id) for one in readers))


def _unread(who: Principal, case_id: CaseId) -> Readings:
    """Select the readings whose first grade is not for `who`, who may do no reading at all."""
    states = ALIVE if allows(who, Permission.ADJUDICATE) else ("open",)
    return concerning(who, case_id, *states).where(_by_others(who))


def _awaited(who: Principal, case_id: CaseId) -> Readings:
    """Select those that `who` may read or settle."""
    may = allows(who, Permission.GRADE), allows(who, Permission.ADJUDICATE)
    states = itertools.compress(ALIVE, may)
    return concerning(who, case_id, *states).where(_by_others(who))


def _with_inferred(readings: Readings, case_id: CaseId) -> Select[int]:
    """Select the media of readings, and members of their stacks in a case that were inferred."""
    media = readings.with_only_columns(SecondReading.media_id).cte()
    read, member = aliased(CaseMedia), aliased(CaseMedia)
    stack = (
        select(read.stack_id)
        .where(read.case_id == case_id, read.media_id == media.c.media_id)
        .correlate(media)
        .scalar_subquery()
    )
    # A stack is of one case: its number alone leads to the right index.
    inferred = select(member.media_id).where(
        member.stack_id.in_(select(stack).select_from(media)), member.state == _INFERRED
    )
    both = select(media.c.media_id).union(inferred).subquery()
    return select(both.c.media_id)
