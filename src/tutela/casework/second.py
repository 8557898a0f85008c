"""Second readings: some media are graded again by somebody who does not see the first grade.

Which ones is drawn by the media's number, so anyone can check that nobody chose. A media whose
first grade is withheld from a grader cannot be changed by them: what they give is the reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import blind, decision
from tutela.casework import case as cases
from tutela.casework import scheme as schemes
from tutela.casework.among import among
from tutela.casework.decision import Grader, Written
from tutela.casework.model import CaseInfo
from tutela.casework.standing import lock_media
from tutela.core.errors import ConflictError
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.tables.grading import SecondReading


class Reading(msgspec.Struct, frozen=True):
    """A media to be read a second time. What was said first, and by whom, is not in here."""

    id: int
    media_id: MediaId
    reason: str


class Outcome(msgspec.Struct, frozen=True):
    """How a second reading ended, told once it was given."""

    media_id: MediaId
    agreed: bool


class Answered(NamedTuple):
    """What came of readings: events for the caller to log, and the media on which both agree."""

    events: list[log.Event]
    agreed: frozenset[int]


def sampled(media_id: int, permille: int) -> bool:
    """Tell whether a graded media is read again for quality; the same answer everywhere."""
    if permille <= 0:
        return False
    drawn = hashlib.sha256(b"second reading %d" % media_id).digest()
    return int.from_bytes(drawn[:8]) % 1000 < permille


def queue(tx: Connection, who: Principal, case_id: CaseId, limit: int = 200) -> list[Reading]:
    """Return what waits for a second reading by `who`: nothing that `who` has graded.

    Raises:
        AccessError: `who` may not grade in this case.
    """
    require(tx, who, Permission.GRADE, case_id)
    rows = tx.execute(_listed(who, case_id).order_by(SecondReading.id).limit(limit))
    return [Reading(row.id, MediaId(row.media_id), row.reason) for row in rows]


def read(  # noqa: PLR0913 the case, the reading and the answer
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    reading_id: int,
    code: str,
    *,
    facets: Mapping[str, str] | None = None,
) -> Outcome:
    """Give a second reading, blind. It is no vote; where it differs a supervisor settles.

    Raises:
        AccessError: `who` may not grade in this case.
        UsageError: the code is none of the scheme, or the case cannot be worked on now.
        ConflictError: it was read meanwhile, or `who` gave the first grade.
    """
    require(tx, who, Permission.GRADE, case_id)
    by = decision.grader(tx, who)
    case = cases.working(tx, case_id)
    schemes.load(tx, case.scheme).code(code)
    schemes.check_facets(facets or {})
    row = only(tx, _listed(who, case_id), reading_id)
    one = Written(row.media_id, code, "second", facets or {})
    answered = answer(tx, who, by, case, {row.media_id: one})
    log.record_many(tx, who, answered.events)
    return Outcome(MediaId(row.media_id), row.media_id in answered.agreed)


def withheld(
    tx: Connection, who: Principal, case_id: CaseId, media: Iterable[int]
) -> frozenset[int]:
    """Return those of some media whose first grade `who` must not know yet, and can read again."""
    rows = tx.execute(blind.open_to(who, case_id).where(among(tx, SecondReading.media_id, media)))
    return frozenset(row.media_id for row in rows)


def _listed(who: Principal, case_id: CaseId) -> blind.Readings:
    """Select what a case shows and `who` can read again."""
    return blind.open_to(who, case_id).where(blind.shown_in(case_id))


def leave_to_supervisor(
    tx: Connection, who: Principal, case_id: CaseId, media: Iterable[int]
) -> None:
    """Let nobody grade or clear what two readers saw differently, until it is settled.

    Raises:
        ConflictError: code `differed`: one of the media is such.
    """
    waiting = blind.concerning(who, case_id, "differed").where(
        among(tx, SecondReading.media_id, media)
    )
    if tx.execute(waiting.limit(1)).first() is not None:
        raise ConflictError(
            "two readers differ about a media, and a supervisor settles it",
            code="differed",
            hint="it is under Disputes; leave it out for now",
        )


def only(tx: Connection, asked: blind.Readings, reading_id: int) -> Row[Any]:
    """Return one of the readings that are open to somebody, and let nobody else have its media.

    Raises:
        ConflictError: it is none of them, or somebody was quicker.
    """
    one = asked.where(SecondReading.id == reading_id)
    row = tx.execute(one).one_or_none()
    if row is not None:
        lock_media(tx, [row.media_id])
        row = tx.execute(one).one_or_none()  # somebody may have been quicker
    if row is None:
        raise ConflictError(
            "this reading is not open to you",
            code="second_reading",
            hint="somebody was quicker, or you have read it before",
        )
    return row


def answer(
    tx: Connection, who: Principal, by: Grader, case: CaseInfo, written: Mapping[int, Written]
) -> Answered:
    """Close the open readings of some media with what was read, whichever case asked for them."""
    if not written:
        return Answered([], frozenset())
    decision.write(tx, by, case, written.values())
    rows = tx.execute(
        blind.open_to(who, case.id).where(among(tx, SecondReading.media_id, written))
    ).all()
    events = [decision.event(case, "grade.read_again", one) for one in written.values()]
    agreed = set(written)
    for row in rows:
        code = written[row.media_id].code
        state = "agreed" if code == row.first_code else "differed"
        if state == "differed":
            agreed.discard(row.media_id)
        tx.execute(
            update(SecondReading)
            .where(SecondReading.id == row.id)
            .values(
                state=state,
                second_account_id=by.account_id,
                second_code=code,
                read_at=now(),
            )
        )
        where = {"case": case.id, "asked_in": row.case_id}
        events.append(log.Event(f"reading.{state}", f"media:{row.media_id}", where))
    return Answered(events, frozenset(agreed))


def ask(
    tx: Connection, by: Grader, case: CaseInfo, codes: Mapping[int, str], permille: int
) -> None:
    """Ask for a second reading of those grades that the sample draws, once for each media."""
    drawn = {media_id: code for media_id, code in codes.items() if sampled(media_id, permille)}
    if drawn:
        whose = by.organisation_id, case.scheme
        blind.ask(tx, case.id, whose, drawn, by.account_id, "sample")


def follow(tx: Connection, by: Grader, case: CaseInfo, codes: Mapping[int, str]) -> None:
    """Let the first reader who changes their own grade change what the reading is compared with."""
    own = blind.of_organisation(by.organisation_id, case.scheme).where(
        SecondReading.state == "open",
        SecondReading.first_account_id == by.account_id,
        among(tx, SecondReading.media_id, codes),
    )
    for row in tx.execute(own).all():
        if codes[row.media_id] != row.first_code:
            tx.execute(
                update(SecondReading)
                .where(SecondReading.id == row.id)
                .values(first_code=codes[row.media_id])
            )


def withdraw(tx: Connection, by: Grader, case: CaseInfo, media: Iterable[int]) -> None:
    """Ask no more for a second reading of votes that were taken back."""
    alive = blind.of_organisation(by.organisation_id, case.scheme).where(
        SecondReading.state.in_(blind.ALIVE), among(tx, SecondReading.media_id, media)
    )
    if ids := [row.id for row in tx.execute(alive)]:
        tx.execute(
            update(SecondReading).where(among(tx, SecondReading.id, ids)).values(state="withdrawn")
        )
