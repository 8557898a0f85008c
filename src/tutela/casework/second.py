"""Second readings: some media are graded again by somebody who does not see the first grade.

Which ones is drawn by the media's number, so anyone can check that nobody chose. A media whose
first grade is withheld from a grader cannot be changed by them: what they give is the reading.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import Connection, Select, or_, select, update

from tutela.access.authorise import allows, require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework import decision
from tutela.casework import scheme as schemes
from tutela.casework.among import among
from tutela.casework.decision import Grader, Written
from tutela.casework.model import CaseInfo
from tutela.casework.standing import lock_media
from tutela.core.errors import ConflictError
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.grading import SecondReading

ALIVE = ("open", "differed")


class Reading(msgspec.Struct, frozen=True):
    """A media to be read a second time. What was said first, and by whom, is not in here."""

    id: int
    media_id: MediaId
    reason: str


class Outcome(msgspec.Struct, frozen=True):
    """How a second reading ended, told once it was given."""

    media_id: MediaId
    agreed: bool


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
    rows = tx.execute(_open_to(who, case_id).order_by(SecondReading.id).limit(limit))
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
    asked = _open_to(who, case_id).where(SecondReading.id == reading_id)
    row = tx.execute(asked).one_or_none()
    if row is not None:
        lock_media(tx, [row.media_id])
        row = tx.execute(asked).one_or_none()  # somebody may have been quicker
    if row is None:
        raise ConflictError(
            "this second reading is not open to you",
            code="second_reading",
            hint="somebody was quicker, or you gave the first grade",
        )
    events = answer(
        tx, by, case, {row.media_id: Written(row.media_id, code, "second", facets or {})}
    )
    state = tx.execute(
        select(SecondReading.state).where(SecondReading.id == reading_id)
    ).scalar_one()
    log.record_many(tx, who, events)
    return Outcome(MediaId(row.media_id), state == "agreed")


def waits_for(tx: Connection, who: Principal, case_id: CaseId) -> bool:
    """Tell whether a reading of a case waits for `who`, who must not learn the first grade."""
    if who.account_id is None:
        return False
    graders = allows(who, Permission.GRADE), allows(who, Permission.ADJUDICATE)
    waiting = {state for state, may in zip(("open", "differed"), graders, strict=True) if may}
    found = tx.execute(
        select(SecondReading.id)
        .where(
            SecondReading.case_id == case_id,
            SecondReading.state.in_(waiting),
            or_(
                SecondReading.first_account_id.is_(None),
                SecondReading.first_account_id != who.account_id,
            ),
        )
        .limit(1)
    )
    return found.first() is not None


def withheld(
    tx: Connection, who: Principal, case_id: CaseId, media: Iterable[int]
) -> frozenset[int]:
    """Return those of some media whose first grade `who` must not know yet."""
    rows = tx.execute(_open_to(who, case_id).where(among(tx, SecondReading.media_id, media)))
    return frozenset(row.media_id for row in rows)


def leave_to_supervisor(tx: Connection, case_id: CaseId, media: Iterable[int]) -> None:
    """Let nobody grade or clear what two readers saw differently, until it is settled.

    Raises:
        ConflictError: code `differed`: one of the media is such.
    """
    waiting = select(SecondReading.id).where(
        SecondReading.case_id == case_id,
        SecondReading.state == "differed",
        among(tx, SecondReading.media_id, media),
    )
    if tx.execute(waiting.limit(1)).first() is not None:
        raise ConflictError(
            "two readers differ about a media, and a supervisor settles it",
            code="differed",
            hint="it is under Disputes; leave it out for now",
        )


def answer(
    tx: Connection, by: Grader, case: CaseInfo, written: Mapping[int, Written]
) -> list[log.Event]:
    """Close the open readings of some media with what was read; return events for the log."""
    if not written:
        return []
    decision.write(tx, by, case, written.values())
    rows = tx.execute(
        select(SecondReading.id, SecondReading.media_id, SecondReading.first_code).where(
            SecondReading.case_id == case.id,
            SecondReading.state == "open",
            among(tx, SecondReading.media_id, written),
        )
    ).all()
    events = [decision.event(case, "grade.read_again", one) for one in written.values()]
    for row in rows:
        code = written[row.media_id].code
        state = "agreed" if code == row.first_code else "differed"
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
        events.append(log.Event(f"reading.{state}", f"media:{row.media_id}", {"case": case.id}))
    return events


def ask(
    tx: Connection, by: Grader, case: CaseInfo, codes: Mapping[int, str], permille: int
) -> None:
    """Ask for a second reading of those grades that the sample draws, once for each media."""
    drawn = [media_id for media_id in codes if sampled(media_id, permille)]
    if not drawn:
        return
    rows = tx.execute(
        select(SecondReading.media_id).where(
            SecondReading.case_id == case.id,
            SecondReading.state != "withdrawn",
            among(tx, SecondReading.media_id, drawn),
        )
    )
    asked = set(rows.scalars())
    moment = now()
    insert_rows(
        tx,
        SecondReading,
        [
            {
                "case_id": case.id,
                "media_id": media_id,
                "first_account_id": by.account_id,
                "first_code": codes[media_id],
                "reason": "sample",
                "state": "open",
                "second_account_id": None,
                "second_code": None,
                "asked_at": moment,
                "read_at": None,
            }
            for media_id in drawn
            if media_id not in asked
        ],
    )


def follow(tx: Connection, by: Grader, case: CaseInfo, codes: Mapping[int, str]) -> None:
    """Let the first reader who changes their own grade change what the reading is compared with."""
    for media_id, first in tx.execute(
        select(SecondReading.media_id, SecondReading.first_code).where(
            SecondReading.case_id == case.id,
            SecondReading.state == "open",
            SecondReading.first_account_id == by.account_id,
            among(tx, SecondReading.media_id, codes),
        )
    ).all():
        if codes[media_id] != first:
            tx.execute(
                update(SecondReading)
                .where(
                    SecondReading.case_id == case.id,
                    SecondReading.media_id == media_id,
                    SecondReading.state == "open",
                )
                .values(first_code=codes[media_id])
            )


def withdraw(tx: Connection, case: CaseInfo, media: Iterable[int]) -> None:
    """Ask no more for a second reading of grades that were taken back."""
    tx.execute(
        update(SecondReading)
        .where(
            SecondReading.case_id == case.id,
            SecondReading.state.in_(ALIVE),
            among(tx, SecondReading.media_id, media),
        )
        .values(state="withdrawn")
    )


def _open_to(who: Principal, case_id: CaseId) -> Select[int, int, str]:
    return select(SecondReading.id, SecondReading.media_id, SecondReading.reason).where(
        SecondReading.case_id == case_id,
        SecondReading.state == "open",
        or_(
            SecondReading.first_account_id.is_(None),
            SecondReading.first_account_id != who.account_id,
        ),
    )
