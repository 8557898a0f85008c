"""Leads that leave the desk: proposed from a ranking, released by two persons, over after 90 days.

What is released is the explanation as it stood when it was proposed. Nothing is released about an
account that is withheld, on an old ranking, or whose place has changed more than the ranking itself
said it might.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from tutela.access import approvals
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.actors import marking, ranking
from tutela.actors.marking import REASON_CHARACTERS, WITHHOLDING
from tutela.actors.ranking import Desk
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework.belonging import line
from tutela.core.errors import AccessError, ConflictError, UsageError
from tutela.core.ids import ApprovalId, CaseId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store import Database
from tutela.store.tables.leads import Lead

KIND: Final = "lead.release"
RANKING_DAYS: Final = 30
LEAD_DAYS: Final = 90
PROPOSED: Final = "proposed"
RELEASED: Final = "released"
EXPIRED: Final = "expired"
WITHDRAWN: Final = "withdrawn"


class LeadInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A lead; `state` is `proposed`, `released`, `expired` or `withdrawn`."""

    id: int
    case_id: int
    account_id: int
    members: tuple[int, ...]
    ranking_id: int
    state: str
    explanation: dict[str, Any]
    approval_id: int | None
    proposed_by: int | None
    proposed_at: datetime
    released_by: int | None
    released_at: datetime | None
    released_seq: int | None
    expires_at: datetime | None
    withdrawn_by: int | None
    withdrawn_at: datetime | None
    withdrawn_why: str


def propose(tx: Connection, who: Principal, case_id: CaseId, account_id: int, by: Desk) -> int:
    """Propose an account or group as a lead, as the newest ranking has it; return its number.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: code `not_ranked`: the newest ranking has no place for it; code `withheld`.
        ConflictError: there is a lead about it already.
    """
    require(tx, who, Permission.LEADS, case_id)
    cases.working(tx, case_id)
    found = ranking.of_account(tx, who, case_id, account_id)
    if found is None:
        raise UsageError(
            "the newest ranking has no place for this account",
            code="not_ranked",
            hint="rank the accounts of the case; what is withheld has none",
        )
    _refuse_withheld(tx, who, case_id, (*found.members, *found.explanation["mirrored"]), by)
    for one in listed(tx, who, case_id):
        if one.account_id == found.account_id and one.state in {PROPOSED, RELEASED}:
            raise ConflictError(
                f"lead {one.id} is about this account already", hint="withdraw that one first"
            )
    made = tx.execute(
        insert(Lead)
        .values(
            case_id=case_id,
            account_id=found.account_id,
            members=list(found.members),
            ranking_id=found.ranking_id,
            state=PROPOSED,
            explanation=msgspec.to_builtins(found),
            proposed_by=who.account_id,
            proposed_at=now(),
            withdrawn_why="",
        )
        .returning(Lead.id)
    ).scalar_one()
    log.record(
        tx,
        who,
        "lead.proposed",
        f"lead:{made}",
        case=case_id,
        members=list(found.members),
        ranking=found.ranking_id,
        place=found.place,
    )
    return int(made)


def ask(  # noqa: PLR0913, PLR0917 who asks for what, and why
    database: Database, who: Principal, case_id: CaseId, lead_id: int, by: Desk, reason: str
) -> ApprovalId:
    """Ask that a lead be released; another person decides.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: it cannot be released as it is, or no reason is given.
    """
    place = _place(database, who, case_id, lead_id, by)
    with database.write() as tx:
        lead = _fit(tx, who, case_id, lead_id, by, place)
        body = {"lead": lead_id, "explanation_sha256": _digest(lead)}
        made = approvals.ask(tx, who, KIND, f"case:{case_id}", body, reason)
        tx.execute(update(Lead).where(Lead.id == lead_id).values(approval_id=made))
    return made


def release(
    database: Database, who: Principal, case_id: CaseId, lead_id: int, by: Desk
) -> LeadInfo:
    """Release a lead as another person granted it; who asked or who granted does so, once.

    Raises:
        AccessError: code `second_person`: nobody else has granted it, or not this.
        UsageError: it cannot be released (any more); the sentence says why.
    """
    place = _place(database, who, case_id, lead_id, by)
    with database.write() as tx:
        lead = _fit(tx, who, case_id, lead_id, by, place)
        granted_it = approvals.carry_out(
            tx, who, ApprovalId(lead.approval_id or 0), KIND, f"case:{case_id}"
        )
        if granted_it != {"lead": lead_id, "explanation_sha256": _digest(lead)}:
            raise AccessError(
                "another person granted something else", code="second_person", hint="ask again"
            )
        moment = now()
        seq = log.record(
            tx,
            who,
            "lead.released",
            f"lead:{lead_id}",
            case=case_id,
            approval=lead.approval_id,
            explanation_sha256=_digest(lead),
            days=LEAD_DAYS,
        )
        tx.execute(
            update(Lead)
            .where(Lead.id == lead_id)
            .values(
                state=RELEASED,
                released_by=who.account_id,
                released_at=moment,
                released_seq=seq,
                expires_at=moment + timedelta(days=LEAD_DAYS),
            )
        )
        return _locked(tx, case_id, lead_id)


def withdraw(tx: Connection, who: Principal, case_id: CaseId, lead_id: int, reason: str) -> None:
    """Take a lead back, proposed or released; one person may, since nothing leaves by it.

    Raises:
        AccessError: `who` does not work on leads of this case.
        ConflictError: it is withdrawn already.
    """
    require(tx, who, Permission.LEADS, case_id)
    lead = _locked(tx, case_id, lead_id)
    why = line(reason, REASON_CHARACTERS, "a reason")
    if lead.state == WITHDRAWN:
        raise ConflictError("this lead is withdrawn already", hint="look at it again")
    tx.execute(
        update(Lead)
        .where(Lead.id == lead_id)
        .values(
            state=WITHDRAWN,
            approval_id=None,
            withdrawn_by=who.account_id,
            withdrawn_at=now(),
            withdrawn_why=why,
        )
    )
    subject, texts = f"lead:{lead_id}", {"reason": why}
    log.record(tx, who, "lead.withdrawn", subject, texts=texts, case=case_id, was=lead.state)


def restore(tx: Connection, who: Principal, case_id: CaseId, lead_id: int) -> None:
    """Undo a withdrawal: the lead is proposed again, and needs two persons again.

    Raises:
        AccessError: `who` does not work on leads of this case.
        ConflictError: it is not withdrawn, or another lead is about the account by now.
    """
    require(tx, who, Permission.LEADS, case_id)
    cases.working(tx, case_id)
    lead = _locked(tx, case_id, lead_id)
    others = {
        one.account_id
        for one in listed(tx, who, case_id)
        if one.id != lead_id and one.state in {PROPOSED, RELEASED}
    }
    if lead.state != WITHDRAWN or lead.account_id in others:
        raise ConflictError(
            "this lead is not withdrawn, or another is about the account", hint="look at it again"
        )
    again: dict[str, Any] = {
        "state": PROPOSED,
        "approval_id": None,
        "released_by": None,
        "released_at": None,
        "released_seq": None,
        "expires_at": None,
        "withdrawn_by": None,
        "withdrawn_at": None,
        "withdrawn_why": "",
    }
    tx.execute(update(Lead).where(Lead.id == lead_id).values(**again))
    log.record(tx, who, "lead.restored", f"lead:{lead_id}", case=case_id)


def listed(tx: Connection, who: Principal, case_id: CaseId) -> list[LeadInfo]:
    """Return the leads of a case, the newest first.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    rows = tx.execute(_of(case_id).order_by(Lead.id.desc()))
    return [_info(row) for row in rows]


def find(tx: Connection, who: Principal, case_id: CaseId, lead_id: int) -> LeadInfo:
    """Return one lead.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: code `not_found`: it is not of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    row = tx.execute(_of(case_id).where(Lead.id == lead_id)).one_or_none()
    if row is None:
        raise _no_lead()
    return _info(row)


def open_lead(tx: Connection, who: Principal, case_id: CaseId, account_id: int) -> LeadInfo | None:
    """Return the newest lead that an account is in.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    found = listed(tx, who, case_id)
    return next((one for one in found if account_id in one.members), None)


def granted(tx: Connection, who: Principal, lead: LeadInfo) -> bool:
    """Tell whether another person granted the release, and `who` may carry it out."""
    return any(
        one.id == lead.approval_id and one.state == "granted" for one in approvals.pending(tx, who)
    )


def refuse_withheld(
    tx: Connection, who: Principal, case_id: CaseId, lead: LeadInfo, by: Desk
) -> None:
    """Refuse a lead of which any account, or copy of one, must not leave; it is logged.

    Raises:
        UsageError: code `withheld`, in the same words whoever withholds it, and why.
    """
    copies = lead.explanation["explanation"]["mirrored"]
    _refuse_withheld(tx, who, case_id, (*lead.members, *copies), by)


def _place(
    database: Database, who: Principal, case_id: CaseId, lead_id: int, by: Desk
) -> int | None:
    with database.read() as tx:
        lead = find(tx, who, case_id, lead_id)
    return ranking.place_now(database, who, case_id, lead.members, by)


def _fit(  # noqa: PLR0913, PLR0917 as `release`
    tx: Connection, who: Principal, case_id: CaseId, lead_id: int, by: Desk, place: int | None
) -> LeadInfo:
    """Return a lead that may be released as far as is known, and hold it for this transaction."""
    require(tx, who, Permission.LEADS, case_id)
    cases.working(tx, case_id)
    lead = _locked(tx, case_id, lead_id)
    if lead.state != PROPOSED:
        raise ConflictError(f"this lead is {lead.state}", hint="look at it again")
    made_at = ranking.find(tx, who, case_id, lead.ranking_id).made_at
    if now() - made_at > timedelta(days=RANKING_DAYS):
        raise UsageError(
            f"the ranking behind this lead is older than {RANKING_DAYS} days",
            code="old_ranking",
            hint="rank again, and propose the account anew",
        )
    refuse_withheld(tx, who, case_id, lead, by)
    low, high = lead.explanation["best_place"], lead.explanation["worst_place"]
    if place is None or not low <= place <= high:
        raise UsageError(
            "what is known by now has moved this account out of the places it was given",
            code="moved",
            hint="rank again, and propose the account anew",
        )
    return lead


def _refuse_withheld(
    tx: Connection, who: Principal, case_id: CaseId, members: tuple[int, ...], by: Desk
) -> None:
    """Refuse in the same words whoever withholds it, and why."""
    marked = {
        one.account_id
        for one in marking.standing(tx, case_id)
        if one.kind in WITHHOLDING and one.account_id in members
    }
    if marked or ranking.deconflicted(tx, who, case_id, members, by):
        raise UsageError(
            "this account is withheld: it becomes no lead",
            code="withheld",
            hint="safeguarding, or who coordinates operations, knows what to do next",
        )


def _locked(tx: Connection, case_id: CaseId, lead_id: int) -> LeadInfo:
    row = tx.execute(_of(case_id).where(Lead.id == lead_id).with_for_update()).one_or_none()
    if row is None:
        raise _no_lead()
    return _info(row)


def _of(case_id: CaseId) -> Any:
    return select(Lead.__table__).where(Lead.case_id == case_id)


def _no_lead() -> UsageError:
    return UsageError("there is no such lead in this case", code="not_found")


def _digest(lead: LeadInfo) -> str:
    body = msgspec.json.encode([lead.members, lead.explanation], order="deterministic")
    return hashlib.sha256(body).hexdigest()


def _info(row: Row[Any]) -> LeadInfo:
    found = dict(row._mapping)  # noqa: SLF001 SQLAlchemy's public name for it
    found["members"] = tuple(found["members"])
    if found["state"] == RELEASED and found["expires_at"] <= now():
        found["state"] = EXPIRED
    return LeadInfo(**found)
