"""Taking grades back: clearing them, and undoing the last decision. History keeps both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from tutela.audit import log
from tutela.casework import acts, decision, second
from tutela.casework import case as cases
from tutela.casework import policy as policies
from tutela.casework.acts import Act, Before
from tutela.casework.decision import Given, Grader, Written
from tutela.casework.model import CaseInfo, MediaState
from tutela.casework.standing import Ballot, Standing, members
from tutela.core.errors import ConflictError
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal

_OPEN = MediaState.OPEN.value


def clear(
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    media_ids: Sequence[MediaId],
    *,
    request: str = "",
) -> list[Given]:
    """Take back the organisation's grades of some media; they are open again.

    Members that were inferred from nothing but these are open again too. What has no grade stays
    as it is. A media known on arrival is opened for grading.

    Raises:
        AccessError: `who` may not grade in this case.
        UsageError: the case cannot be worked on now, or a media is not in it.
        ConflictError: a media waits for a second reading by somebody like `who`.
    """
    act, by, earlier = decision.opened(tx, who, case_id, "clear", (request, media_ids))
    if earlier is not None:
        return earlier
    case = cases.working(tx, case_id)
    together = members(tx, case_id, media_ids)
    everything = {one for group in together.values() for one in group}
    standing = Standing(tx, case, by.organisation_id, everything)
    second.leave_to_supervisor(tx, who, case_id, media_ids)
    if second.withheld(tx, who, case_id, media_ids):
        raise ConflictError(
            "a media waits for a second reading", code="second_reading", hint="read it first"
        )
    chosen = [one for one in dict.fromkeys(media_ids) if _clearable(standing, one)]
    before = [_open_again(standing, one) for one in chosen]
    for group in together.values():
        before += [_open_here(standing, one) for one in orphans(standing, group)]
    written = [Written(one.media_id, None, "cleared") for one in before]
    second.withdraw(tx, by, case, [one.media_id for one in before if one.voted])
    return _finish(tx, who, (act, by, case), standing, written, [before])


def undo(tx: Connection, who: Principal, case_id: CaseId, *, request: str = "") -> list[Given]:
    """Take back the last decision of `who` in a case; return what stands again.

    What somebody changed since then stays as they left it. With nothing left to take back the
    answer is empty.

    Raises:
        AccessError: `who` may not grade in this case.
        UsageError: the case cannot be worked on now.
    """
    act, by, earlier = decision.opened(tx, who, case_id, "undo", (request, None))
    if earlier is not None:
        return earlier
    case = cases.working(tx, case_id)
    last = acts.last(tx, by.account_id, case_id)
    if last is None:
        return []
    standing = Standing(tx, case, by.organisation_id, [one.media_id for one in last.before])
    votes = [one.media_id for one in last.before if one.voted]
    second.leave_to_supervisor(tx, who, case_id, votes)
    taken = [one for one in reversed(last.before) if _untouched(standing, one)]
    written = [_restore(standing, one) for one in taken]
    acts.took_back(tx, last)
    second.withdraw(tx, by, case, [one.media_id for one in taken if one.voted])
    return _finish(tx, who, (act, by, case), standing, written, [])


def orphans(standing: Standing, group: Iterable[int]) -> list[int]:
    """Return the inferred members of a stack in which nothing was looked at (any more)."""
    places = {media_id: standing.here(media_id) for media_id in group}
    if any(place.state == MediaState.GRADED for place in places.values()):
        return []
    return [m for m, place in places.items() if place.state == MediaState.INFERRED]


def _finish(  # noqa: PLR0913, PLR0917 the end of two calls that differ in what they write
    tx: Connection,
    who: Principal,
    call: tuple[Act, Grader, CaseInfo],
    standing: Standing,
    written: list[Written],
    before: list[list[Before]],
) -> list[Given]:
    act, by, case = call
    decision.write(tx, by, case, written)
    events = [decision.event(case, f"grade.{one.basis}", one) for one in written]
    events += standing.write(policies.read(tx).votes_to_trust)
    given = [Given(MediaId(one.media_id), one.code, one.basis) for one in written]
    acts.keep(tx, act, given, [one for one in before if one])
    if events:
        log.record_many(tx, who, events)
    return given


def _clearable(standing: Standing, media_id: int) -> bool:
    if standing.own(media_id) is not None:
        return True
    return standing.here(media_id).state in (MediaState.INFERRED, MediaState.KNOWN)


def _open_again(standing: Standing, media_id: int) -> Before:
    """Open a media wherever it shows the organisation's vote; return what stood before."""
    own = standing.own(media_id)
    if own is None:
        return _open_here(standing, media_id)
    after = (_OPEN, None)
    ballot = (own.code, own.grade_id)
    was = [(case_id, one.state, one.code) for case_id, one in standing.places[media_id].items()]
    standing.vote(media_id, None)
    standing.show(media_id, *after)
    return Before(media_id, True, None, ballot, was, after)  # noqa: FBT003 likewise


def _open_here(standing: Standing, media_id: int) -> Before:
    """Open a media in this case alone: a vote that was given in another one stays."""
    here, after = standing.here(media_id), (_OPEN, None)
    standing.move(media_id, standing.case.id, *after)
    was = [(int(standing.case.id), here.state, here.code)]
    return Before(media_id, False, None, None, was, after)  # noqa: FBT003 a tuple's field


def _untouched(standing: Standing, one: Before) -> bool:
    """Tell whether a media is still as the decision left it."""
    if one.voted:
        own = standing.own(one.media_id)
        if (own.grade_id if own else None) != one.grade_id:
            return False
    here = standing.here(one.media_id)
    return (here.state, here.code) == tuple(one.after)


def _restore(standing: Standing, one: Before) -> Written:
    if one.voted:
        standing.vote(one.media_id, Ballot(*one.ballot) if one.ballot else None)
    present = standing.places[one.media_id]
    for case_id, state, code in one.places:
        place = present.get(case_id)
        if place is not None and (place.state, place.code) == tuple(one.after):
            standing.move(one.media_id, case_id, state, code)
    return Written(one.media_id, standing.here(one.media_id).code, "undone")
