"""What the votes of organisations on a media come to, and how a dispute is settled.

Indicative until enough organisations say the same, then trusted; disputed as soon as two differ.
Nobody who could still vote is told how others voted: `seen` answers only those who have.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, or_, select

from tutela.access.authorise import allows, require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import blind, decision
from tutela.casework import policy as policies
from tutela.casework import scheme as schemes
from tutela.casework.among import among
from tutela.core.errors import ConflictError, UsageError
from tutela.core.ids import CaseId, MediaId, OrganisationId
from tutela.core.principal import Principal, Via
from tutela.core.time import now
from tutela.store.bulk import Columns, upsert_rows
from tutela.store.tables.access import CaseMember
from tutela.store.tables.casework import Case, CaseMedia, Media
from tutela.store.tables.grading import Agreement, Grade, Vote


class AgreementState(enum.StrEnum):
    """How far a code may be relied on; `NONE` where nobody voted."""

    NONE = "none"
    INDICATIVE = "indicative"
    TRUSTED = "trusted"
    DISPUTED = "disputed"


class Agreed(msgspec.Struct, frozen=True, gc=False):
    """What votes come to; `code` is None where there is none or they differ."""

    state: AgreementState
    code: str | None
    votes: int
    adjudicated_by: int | None = None


class Dispute(msgspec.Struct, frozen=True):
    """A media on which votes differ. How they differ is told after one's own reading."""

    media_id: MediaId
    scheme: str
    votes: int
    case_id: CaseId | None


class Settled(msgspec.Struct, frozen=True):
    """A dispute that was settled, and now the votes (organisation, code) it was about."""

    media_id: MediaId
    code: str
    state: AgreementState
    votes: tuple[tuple[OrganisationId, str], ...]


NOTHING = Agreed(AgreementState.NONE, None, 0)
# Between these only a first vote comes or goes.
_QUIET = (AgreementState.INDICATIVE, AgreementState.NONE)


def agree(codes: Sequence[str], votes_to_trust: int) -> Agreed:
    """Return what votes come to, one code for each organisation that voted."""
    if not codes:
        return NOTHING
    if len(set(codes)) > 1:
        return Agreed(AgreementState.DISPUTED, None, len(codes))
    trusted = len(codes) >= votes_to_trust
    state = AgreementState.TRUSTED if trusted else AgreementState.INDICATIVE
    return Agreed(state, codes[0], len(codes))


def of(tx: Connection, media_ids: Iterable[int], scheme: str) -> dict[int, Agreed]:
    """Return what was agreed on media. Asks nobody's permission: never show it to who may vote."""
    rows = tx.execute(
        select(
            Agreement.media_id,
            Agreement.state,
            Agreement.code,
            Agreement.votes,
            Agreement.adjudicated_by,
        ).where(Agreement.scheme == scheme, among(tx, Agreement.media_id, media_ids))
    )
    return {
        media_id: Agreed(AgreementState(state), code, votes, settled)
        for media_id, state, code, votes, settled in rows
    }


def seen(
    tx: Connection, who: Principal, case_id: CaseId, media_ids: Iterable[int]
) -> dict[int, Agreed]:
    """Return what was agreed on media of a case, for those the organisation of `who` voted on.

    What is withheld from `who` is left out (see `blind`).

    Raises:
        AccessError: `who` may not read this case.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    scheme = tx.execute(select(Case.scheme).where(Case.id == case_id)).scalar_one()
    wanted = set(media_ids)
    wanted -= blind.withheld(tx, who, case_id, wanted)
    voted = tx.execute(
        select(Vote.media_id)
        .join(CaseMedia, CaseMedia.media_id == Vote.media_id)
        .where(
            CaseMedia.case_id == case_id,
            Vote.scheme == scheme,
            Vote.organisation_id == who.organisation_id,
            among(tx, Vote.media_id, wanted),
        )
    )
    return of(tx, voted.scalars().all(), scheme)


def change(
    tx: Connection,
    scheme: str,
    votes: Mapping[int, Mapping[int, str]],
    before: Mapping[int, Agreed],
    votes_to_trust: int,
) -> list[log.Event]:
    """Write what the votes of some media come to now; return events for the caller to log.

    `votes` has a code for each organisation; their media are locked by the caller. A change between
    indicative, trusted and disputed is an event; a first vote is not, its grade is one already.
    """
    stands: dict[int, Agreed] = {}
    gone: list[int] = []
    events: list[log.Event] = []
    for media_id, by_organisation in votes.items():
        after = agree(list(by_organisation.values()), votes_to_trust)
        earlier = before.get(media_id, NOTHING)
        if after.state is AgreementState.NONE:
            gone.append(media_id)
        else:
            stands[media_id] = after
        if earlier is not NOTHING or after.state not in _QUIET:
            events += _told(media_id, scheme, earlier, after)
    each: Mapping[str, Sequence[Any]] = {
        "media_id": list(stands),
        "state": [after.state.value for after in stands.values()],
        "code": [after.code for after in stands.values()],
        "votes": [after.votes for after in stands.values()],
    }
    same = {"scheme": scheme, "updated_at": now(), "adjudicated_by": None}
    upsert_rows(tx, Agreement, Columns(each, same))
    if gone:
        tx.execute(
            delete(Agreement).where(Agreement.scheme == scheme, among(tx, Agreement.media_id, gone))
        )
    return events


def refresh(tx: Connection, who: Principal, scheme: str) -> int:
    """Hold all votes under a scheme against the present rule; return how many agreements changed.

    A changed `votes_to_trust` counts from the next vote on; this applies it to what is there.
    What an adjudicator settled stays.
    """
    require(tx, who, Permission.POLICY)
    votes_to_trust = policies.read(tx).votes_to_trust
    votes = _votes(tx, Vote.scheme == scheme)
    before = of(tx, votes, scheme)
    moved = {
        media_id: codes
        for media_id, codes in votes.items()
        if before[media_id].adjudicated_by is None
        and agree(list(codes.values()), votes_to_trust) != before[media_id]
    }
    events = change(tx, scheme, moved, before, votes_to_trust)
    if events:
        log.record_many(tx, who, events)
    return len(moved)


def disputes(tx: Connection, who: Principal, scheme: str, limit: int = 100) -> list[Dispute]:
    """Return disputed media that `who` can look at and has not graded: how many votes, not which.

    Raises:
        AccessError: `who` does not adjudicate.
    """
    require(tx, who, Permission.ADJUDICATE)
    asked = _disputed(who, scheme).order_by(Agreement.updated_at, Agreement.media_id).limit(limit)
    return [
        Dispute(MediaId(row.media_id), scheme, row.votes, CaseId(row.case_id))
        for row in tx.execute(asked)
    ]


def to_settle(
    tx: Connection, who: Principal, case_id: CaseId, media_ids: Iterable[int]
) -> frozenset[int]:
    """Return those of some media of a case whose dispute `who` could settle, and so must be blind.

    Empty for who does not adjudicate.
    """
    if not allows(who, Permission.ADJUDICATE):
        return frozenset()
    scheme = tx.execute(select(Case.scheme).where(Case.id == case_id)).scalar_one()
    asked = _disputed(who, scheme).where(among(tx, Agreement.media_id, media_ids))
    return frozenset(row.media_id for row in tx.execute(asked))


def settle(  # noqa: PLR0913, PLR0917 what a decision is, and none of it may be guessed
    tx: Connection, who: Principal, media_id: MediaId, scheme: str, code: str, reason: str
) -> Settled:
    """Settle a dispute by one's own reading, which is given before the votes are told.

    It stays settled until a vote changes. It is no vote.

    Raises:
        AccessError: `who` does not adjudicate, or has graded this media.
        UsageError: the code is none of the scheme, there is no reason, or `who` is no person.
        ConflictError: it is not disputed any more.
    """
    require(tx, who, Permission.ADJUDICATE)
    schemes.load(tx, scheme).code(code)
    if not reason.strip():
        raise UsageError("say why: a settled dispute has a reason", code="reason")
    by = decision.grader(tx, who)
    tx.execute(select(Media.id).where(Media.id == media_id).with_for_update(key_share=True))
    if tx.execute(_disputed(who, scheme).where(Agreement.media_id == media_id)).first() is None:
        raise ConflictError(
            "this is no dispute that you can settle",
            code="not_disputed",
            hint="it was settled, a vote changed, you graded it, or you have no case with it",
        )
    trusts = policies.read(tx).adjudication_trusts
    state = AgreementState.TRUSTED if trusts else AgreementState.INDICATIVE
    votes = _votes(tx, and_(Vote.media_id == media_id, Vote.scheme == scheme))[media_id]
    moment = now()
    tx.execute(
        insert(Grade).values(
            media_id=media_id,
            case_id=None,
            organisation_id=by.organisation_id,
            account_id=by.account_id,
            scheme=scheme,
            code=code,
            facets={},
            law="",
            basis="adjudicated",
            at=moment,
        )
    )
    row = {"media_id": media_id, "scheme": scheme, "state": state.value, "code": code}
    row |= {"votes": len(votes), "updated_at": moment, "adjudicated_by": who.account_id}
    upsert_rows(tx, Agreement, [row])
    log.record(
        tx,
        who,
        "agreement.settled",
        f"media:{media_id}",
        texts={"reason": reason},
        scheme=scheme,
        code=code,
        state=state.value,
    )
    told = tuple((OrganisationId(number), said) for number, said in sorted(votes.items()))
    return Settled(media_id, code, state, told)


def _disputed(who: Principal, scheme: str) -> Select[Any]:
    """Select disputed media that `who` has not graded, each with a case in which they see it."""
    case = select(func.min(CaseMedia.case_id)).where(CaseMedia.media_id == Agreement.media_id)
    if who.via is not Via.BREAK_GLASS:
        teams = select(CaseMember.case_id).where(CaseMember.account_id == who.account_id)
        case = case.where(CaseMedia.case_id.in_(teams))
    place = case.correlate(Agreement).scalar_subquery()
    graded = select(Grade.id).where(
        Grade.media_id == Agreement.media_id,
        Grade.scheme == scheme,
        Grade.account_id == who.account_id,
        # A difference settled within a case became the vote of an organisation.
        or_(
            Grade.basis.in_(("viewed", "second")),
            (Grade.basis == "adjudicated") & Grade.case_id.is_not(None),
        ),
    )
    return select(Agreement.media_id, Agreement.votes, place.label("case_id")).where(
        Agreement.state == AgreementState.DISPUTED,
        Agreement.scheme == scheme,
        place.is_not(None),
        ~graded.correlate(Agreement).exists(),
    )


def _votes(tx: Connection, condition: ColumnElement[bool]) -> dict[int, dict[int, str]]:
    found: dict[int, dict[int, str]] = {}
    for media_id, organisation_id, code in tx.execute(
        select(Vote.media_id, Vote.organisation_id, Vote.code).where(condition)
    ):
        found.setdefault(media_id, {})[organisation_id] = code
    return found


def _told(media_id: int, scheme: str, earlier: Agreed, after: Agreed) -> list[log.Event]:
    """Return the event of a change, but for what that of the grade itself already says."""
    if (earlier.state, earlier.code) == (after.state, after.code):
        return []
    if earlier.state in _QUIET and after.state in _QUIET:
        return []
    return [_event(media_id, scheme, after)]


def _event(media_id: int, scheme: str, after: Agreed) -> log.Event:
    return log.Event(
        f"agreement.{after.state.value}",
        f"media:{media_id}",
        {"scheme": scheme, "code": after.code, "votes": after.votes},
    )
