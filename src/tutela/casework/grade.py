"""Giving grades: history, votes, agreements, where media stand, and the log, in one transaction.

A grade that a person gave to what they saw is the vote of their organisation. A stack member that
was not displayed gets its grade as inferred: no vote. See docs/explanation/grading.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
from sqlalchemy import Connection, func, insert, literal, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import acts, decision, second
from tutela.casework import case as cases
from tutela.casework import policy as policies
from tutela.casework import scheme as schemes
from tutela.casework.acts import Before
from tutela.casework.decision import LAW_CHARACTERS, Decision, Given, Written
from tutela.casework.model import MediaState
from tutela.casework.scheme import Scheme
from tutela.casework.standing import Ballot, Standing, members
from tutela.casework.takeback import clear, orphans, undo
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, MediaId, StackId
from tutela.core.principal import Principal
from tutela.store.tables.casework import CaseMedia, Stack

__all__ = ["Decision", "Given", "clear", "give", "stack_out", "undo"]

_INFERABLE = (MediaState.OPEN, MediaState.INFERRED)
# Plain text: it is compared and stored thousands of times in one call.
_INFERRED = MediaState.INFERRED.value
_GRADED = MediaState.GRADED.value


def give(
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    decisions: Sequence[Decision],
    *,
    request: str = "",
) -> list[Given]:
    """Grade media of a case: all decisions or none; return what each media got.

    The grade shows in the organisation's open cases under the same scheme. A decision on a media
    whose first grade is withheld from `who` is taken as its blind second reading.

    Raises:
        AccessError: `who` may not grade in this case.
        UsageError: the case cannot be worked on now, a media is not in it, or a code or facet is
            none of the scheme's.
        ConflictError: the request key was used for something else.
    """
    act, by, earlier = decision.opened(tx, who, case_id, "give", (request, decisions))
    if earlier is not None:
        return earlier
    case = cases.working(tx, case_id)
    _check(schemes.load(tx, case.scheme), decisions)
    wishes = _spread(tx, case_id, decisions)
    standing = Standing(tx, case, by.organisation_id, [wish.media_id for wish in wishes])
    looked_at = [wish.media_id for wish in wishes if wish.viewed]
    second.leave_to_supervisor(tx, who, case_id, looked_at)
    withheld = second.withheld(tx, who, case_id, standing.places)
    accepted = _accepted(standing, wishes, withheld)
    readings = {
        wish.media_id: Written(wish.media_id, one.code, "second", one.facets, one.law)
        for wish in wishes
        if wish.viewed and wish.media_id in withheld
        for one in (decisions[wish.decision],)
    }
    written = [_written(wish, decisions[wish.decision]) for wish in accepted]
    grade_ids = decision.write(tx, by, case, written)
    before: list[list[Before]] = [[] for _ in decisions]
    for wish, one, grade_id in zip(accepted, written, grade_ids, strict=True):
        before[wish.decision].append(_apply(standing, one, grade_id))
    rules = policies.read(tx)
    events = decision.events(case, "grade.given", written)
    answered = second.answer(tx, who, by, case, readings)
    _show_agreed(standing, readings, answered.agreed)
    events += standing.write(rules.votes_to_trust)
    events += answered.events
    votes = {one.media_id: one.code for one in written if one.basis == "viewed" and one.code}
    second.follow(tx, by, case, votes)
    second.ask(tx, by, case, votes, rules.second_reading_permille)
    given = [
        Given(MediaId(one.media_id), one.code, one.basis) for one in (*written, *readings.values())
    ]
    acts.keep(tx, act, given, [one for one in before if one])
    if events:
        log.record_many(tx, who, events)
    return given


def stack_out(tx: Connection, who: Principal, case_id: CaseId, media_id: MediaId) -> StackId:
    """Take a media out of its stack into one of its own; return that.

    Where it was only inferred it is open again; so are the members that were inferred from it.

    Raises:
        AccessError: `who` may not grade in this case.
        UsageError: it is in no stack with others, or the case cannot be worked on now.
    """
    require(tx, who, Permission.GRADE, case_id)
    by = decision.grader(tx, who)
    case = cases.working(tx, case_id)
    together = members(tx, case_id, [media_id])[media_id]
    standing = Standing(tx, case, by.organisation_id, together)
    old = standing.here(media_id).stack_id
    rest = [one for one in together if one != media_id]
    if old is None or not rest:
        raise UsageError("this media is in no stack with others", code="stack")
    made = tx.execute(
        insert(Stack)
        .from_select(
            ["case_id", "lead_media_id", "size", "cutoff_bits"],
            select(Stack.case_id, literal(media_id), literal(1), Stack.cutoff_bits).where(
                Stack.id == old
            ),
        )
        .returning(Stack.id)
    ).scalar_one()
    cases.touch(tx, case_id)
    tx.execute(
        update(CaseMedia)
        .where(CaseMedia.case_id == case_id, CaseMedia.media_id == media_id)
        .values(stack_id=made)
    )
    _shrink(tx, case_id, old, media_id, len(rest))
    gone: list[int] = [media_id] if standing.here(media_id).state == MediaState.INFERRED else []
    gone += orphans(standing, rest)
    written = [Written(one, None, "cleared") for one in gone]
    decision.write(tx, by, case, written)
    for one in gone:
        standing.move(one, case_id, MediaState.OPEN.value, None)
    standing.write(1)
    events = [log.Event("stack.split", f"media:{media_id}", {"case": case_id, "stack": made})]
    events += [decision.event(case, "grade.cleared", one) for one in written]
    log.record_many(tx, who, events)
    return StackId(made)


class _Wish(msgspec.Struct, frozen=True, gc=False):
    """One media of one decision (its place in the list)."""

    decision: int
    media_id: int
    viewed: bool


def _check(scheme: Scheme, decisions: Iterable[Decision]) -> None:
    known: set[str] = set()
    for one in decisions:
        if one.code not in known:
            scheme.code(one.code)
            known.add(one.code)
        schemes.check_facets(one.facets)
        if len(one.law) > LAW_CHARACTERS:
            raise UsageError(f"the law is named in at most {LAW_CHARACTERS} characters")


def _spread(tx: Connection, case_id: CaseId, decisions: Sequence[Decision]) -> list[_Wish]:
    """Return the media of each decision, those of whole stacks included."""
    stacked = [one.media_id for one in decisions if one.stack]
    together = members(tx, case_id, stacked) if stacked else {}
    wishes: list[_Wish] = []
    for place, one in enumerate(decisions):
        wishes.append(_Wish(place, one.media_id, viewed=True))
        if one.stack:
            wishes += [
                _Wish(place, member, viewed=member in one.displayed)
                for member in together[one.media_id]
                if member != one.media_id
            ]
    return wishes


def _accepted(standing: Standing, wishes: Iterable[_Wish], withheld: frozenset[int]) -> list[_Wish]:
    """Leave out members that have a better grade than an inferred one, and second readings."""
    graded: set[int] = set()
    accepted: list[_Wish] = []
    for wish in wishes:
        if wish.viewed:
            if wish.media_id not in withheld:
                graded.add(wish.media_id)
                accepted.append(wish)
        elif wish.media_id not in graded and standing.here(wish.media_id).state in _INFERABLE:
            accepted.append(wish)
    return accepted


def _written(wish: _Wish, one: Decision) -> Written:
    basis = "viewed" if wish.viewed else "inferred"
    return Written(wish.media_id, one.code, basis, one.facets, one.law)


def _apply(standing: Standing, one: Written, grade_id: int) -> Before:
    """Let a grade stand, and return what stood before it."""
    media_id, code = one.media_id, one.code
    places = standing.places[media_id]
    if one.basis == "inferred":
        here = standing.here(media_id)
        was = [(int(standing.case.id), here.state, here.code)]
        standing.move(media_id, standing.case.id, _INFERRED, code)
        return Before(media_id, False, None, None, was, (_INFERRED, code))  # noqa: FBT003 a tuple's field
    own = standing.own(media_id)
    ballot = (own.code, own.grade_id) if own else None
    was = [(case_id, place.state, place.code) for case_id, place in places.items()]
    standing.vote(media_id, Ballot(code or "", grade_id))
    standing.show(media_id, _GRADED, code)
    return Before(media_id, True, grade_id, ballot, was, (_GRADED, code))  # noqa: FBT003 likewise


def _show_agreed(
    standing: Standing, readings: Mapping[int, Written], agreed: frozenset[int]
) -> None:
    """Let a media that waits here have the code that two readers gave, one of them elsewhere."""
    for media_id in agreed:
        if standing.here(media_id).state in _INFERABLE:
            standing.move(media_id, standing.case.id, _GRADED, readings[media_id].code)


def _shrink(tx: Connection, case_id: CaseId, stack_id: int, left: MediaId, size: int) -> None:
    """Make a stack one smaller; where its lead left, the first in the order of review leads."""
    lead = tx.execute(select(Stack.lead_media_id).where(Stack.id == stack_id)).scalar_one()
    if lead == left:
        lead = tx.execute(
            select(CaseMedia.media_id)
            .where(CaseMedia.case_id == case_id, CaseMedia.stack_id == stack_id)
            .order_by(func.coalesce(CaseMedia.position, CaseMedia.media_id), CaseMedia.media_id)
            .limit(1)
        ).scalar_one()
    tx.execute(update(Stack).where(Stack.id == stack_id).values(size=size, lead_media_id=lead))
