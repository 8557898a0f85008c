"""Where media stand before they are graded: read under a lock, changed in memory, written at once.

Graders of the same media wait for each other here, also those of different organisations: an
agreement must be made of all votes. Locks are taken in one order everywhere (account, stacks,
media, cases, log; each by number), so that waiting never becomes a deadlock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, and_, delete, func, or_, select, update

from tutela.audit.log import Event
from tutela.casework import agreement
from tutela.casework.among import among
from tutela.casework.model import CaseInfo, CaseState
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, OrganisationId
from tutela.store.bulk import Columns, update_rows, upsert_rows
from tutela.store.tables.casework import Case, CaseMedia, Media, Stack
from tutela.store.tables.grading import Vote


class Place(msgspec.Struct, frozen=True, gc=False):
    """How a media stands in one case; `stack_id` is None where it was never stacked."""

    state: str
    code: str | None
    stack_id: int | None


class Ballot(msgspec.Struct, frozen=True, gc=False):
    """The vote of an organisation, and the grade that it is."""

    code: str
    grade_id: int


class Standing:
    """Media of a case as they stand, for one organisation.

    `places` maps a media to the cases in which this organisation sees its grade: this case, and
    its other open cases under the same scheme. `votes` are of all organisations and stay in here.
    """

    def __init__(
        self, tx: Connection, case: CaseInfo, organisation_id: OrganisationId, media: Iterable[int]
    ) -> None:
        self._tx = tx
        self.case = case
        self.organisation_id = organisation_id
        wanted = sorted(set(media))
        lock_media(tx, wanted)
        self.places = self._places(wanted)
        self.votes = self._votes(wanted)
        self._agreed = agreement.of(tx, wanted, case.scheme)
        self._moved: set[tuple[int, int]] = set()
        self._voted: dict[int, Ballot | None] = {}
        self._said: dict[int, str | None] = {}

    def here(self, media_id: int) -> Place:
        """Return how a media stands in this case."""
        return self.places[media_id][self.case.id]

    def own(self, media_id: int) -> Ballot | None:
        """Return this organisation's vote."""
        return self.votes.get(media_id, {}).get(self.organisation_id)

    def vote(self, media_id: int, ballot: Ballot | None) -> None:
        """Set this organisation's vote, or take it away."""
        votes = self.votes.setdefault(media_id, {})
        if media_id not in self._said:
            own = votes.get(self.organisation_id)
            self._said[media_id] = own.code if own else None
        if ballot is None:
            votes.pop(self.organisation_id, None)
        else:
            votes[self.organisation_id] = ballot
        self._voted.setdefault(media_id, None)
        self._voted[media_id] = ballot

    def move(self, media_id: int, case_id: int, state: str, code: str | None) -> None:
        """Set how a media stands in one case."""
        places = self.places[media_id]
        places[case_id] = Place(state, code, places[case_id].stack_id)
        self._moved.add((media_id, case_id))

    def show(self, media_id: int, state: str, code: str | None) -> None:
        """Set how a media stands in each case that shows this organisation's grade."""
        for case_id in self.places[media_id]:
            self.move(media_id, case_id, state, code)

    def write(self, votes_to_trust: int) -> list[Event]:
        """Write what has changed; return events of agreements for the caller to log.

        A vote that says what it said before changes no agreement: what was settled stays.
        """
        _count_up(self._tx, {case_id for _, case_id in self._moved})
        self._write_places()
        self._write_votes()
        changed = {
            media_id: {number: one.code for number, one in self.votes[media_id].items()}
            for media_id, ballot in self._voted.items()
            if (ballot.code if ballot else None) != self._said[media_id]
        }
        return agreement.change(self._tx, self.case.scheme, changed, self._agreed, votes_to_trust)

    def _write_places(self) -> None:
        moved = sorted(self._moved)
        places = [self.places[media_id][case_id] for media_id, case_id in moved]
        each: Mapping[str, Sequence[Any]] = {
            "case_id": [case_id for _, case_id in moved],
            "media_id": [media_id for media_id, _ in moved],
            "state": [place.state for place in places],
            "code": [place.code for place in places],
        }
        update_rows(self._tx, CaseMedia, Columns(each), key=("media_id", "case_id"))

    def _write_votes(self) -> None:
        given = {media_id: one for media_id, one in self._voted.items() if one is not None}
        each: Mapping[str, Sequence[Any]] = {
            "media_id": list(given),
            "grade_id": [one.grade_id for one in given.values()],
            "code": [one.code for one in given.values()],
        }
        same = {"scheme": self.case.scheme, "organisation_id": self.organisation_id}
        upsert_rows(self._tx, Vote, Columns(each, same))
        if gone := [media_id for media_id, one in self._voted.items() if one is None]:
            self._tx.execute(
                delete(Vote).where(
                    Vote.scheme == self.case.scheme,
                    Vote.organisation_id == self.organisation_id,
                    among(self._tx, Vote.media_id, gone),
                )
            )

    def _places(self, media: Sequence[int]) -> dict[int, dict[int, Place]]:
        shown = and_(
            Case.organisation_id == self.organisation_id,
            Case.scheme == self.case.scheme,
            Case.state == CaseState.OPEN,
        )
        rows = self._tx.execute(
            select(
                CaseMedia.media_id,
                CaseMedia.case_id,
                CaseMedia.state,
                CaseMedia.code,
                CaseMedia.stack_id,
            )
            .join(Case, Case.id == CaseMedia.case_id)
            .where(among(self._tx, CaseMedia.media_id, media), or_(Case.id == self.case.id, shown))
        )
        found: dict[int, dict[int, Place]] = {}
        for media_id, case_id, state, code, stack_id in rows:
            found.setdefault(media_id, {})[case_id] = Place(state, code, stack_id)
        if missing := [m for m in media if self.case.id not in found.get(m, {})]:
            raise UsageError(
                f"media {missing[0]} is not in the case",
                code="media",
                hint="nothing was graded; reload the page",
            )
        return found

    def _votes(self, media: Sequence[int]) -> dict[int, dict[int, Ballot]]:
        rows = self._tx.execute(
            select(Vote.media_id, Vote.organisation_id, Vote.code, Vote.grade_id).where(
                Vote.scheme == self.case.scheme, among(self._tx, Vote.media_id, media)
            )
        ).all()
        found: dict[int, dict[int, Ballot]] = {}
        for media_id, organisation_id, code, grade_id in rows:
            found.setdefault(media_id, {})[organisation_id] = Ballot(code, grade_id)
        return found


def members(tx: Connection, case_id: CaseId, media: Iterable[int]) -> dict[int, list[int]]:
    """Return, for each media of a case, all media of its stack; its stack is locked."""
    wanted = sorted(set(media))
    rows = tx.execute(
        select(CaseMedia.media_id, CaseMedia.stack_id).where(
            CaseMedia.case_id == case_id, among(tx, CaseMedia.media_id, wanted)
        )
    )
    stacks = {media_id: number for media_id, number in rows if number is not None}
    lock_stacks(tx, stacks.values())
    together: dict[int, list[int]] = {}
    found = tx.execute(
        select(CaseMedia.stack_id, CaseMedia.media_id)
        # A stack is of one case: its number alone is what leads to the right index.
        .where(among(tx, CaseMedia.stack_id, stacks.values()))
        .order_by(CaseMedia.media_id)
    )
    for stack_id, media_id in found:
        if stack_id is not None:
            together.setdefault(stack_id, []).append(media_id)
    return {media_id: together.get(stacks.get(media_id, -1), [media_id]) for media_id in wanted}


def lock_stacks(tx: Connection, stack_ids: Iterable[int]) -> None:
    """Keep stacks as they are until the end of the transaction."""
    if tx.dialect.name == "postgresql":
        wanted = among(tx, Stack.id, stack_ids)
        _lock(tx, select(Stack.id).where(wanted).order_by(Stack.id))


def lock_media(tx: Connection, media: Iterable[int]) -> None:
    """Let nobody else grade media until the end of the transaction.

    SQLite has one writer. PostgreSQL locks the rows, which still lets others refer to them.
    """
    if tx.dialect.name == "postgresql":
        wanted = among(tx, Media.id, media)
        _lock(tx, select(Media.id).where(wanted).order_by(Media.id))


def _lock(tx: Connection, rows: Select[int]) -> None:
    """Lock rows in their order; only their number comes back."""
    locked = rows.with_for_update(key_share=True).subquery()
    tx.execute(select(func.count()).select_from(locked)).scalar_one()


def _count_up(tx: Connection, case_ids: Iterable[int]) -> None:
    for case_id in sorted(case_ids):
        tx.execute(update(Case).where(Case.id == case_id).values(generation=Case.generation + 1))
