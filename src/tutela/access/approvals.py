"""The two-person rule: asked by one, granted by another person, carried out once.

Who grants is a person in the browser who may approve, is not the one who asked, and does not answer
for the program that asked. It is somebody of the organisation that it concerns: for a case one of
its team or a supervisor, for an account anybody whom it is not about. What is not carried out
within seven days has to be asked again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, Select, insert, select, update
from sqlalchemy.orm import aliased

from tutela.access.authorise import allows, require
from tutela.access.model import ALLOWED, OF_A_CASE, Permission
from tutela.audit import log
from tutela.core.errors import AccessError, ConflictError, UsageError
from tutela.core.ids import AccountId, ApprovalId, CaseId
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.store.tables.access import Account, AccountRole, Approval, CaseMember
from tutela.store.tables.casework import Case

VALID_DAYS: Final = 7

# What can be asked for, and what the asker must be allowed.
KINDS: Final[Mapping[str, Permission]] = {
    "case.export_media": Permission.EXPORT_MEDIA,
    "case.delete": Permission.DELETE_CASE,
    "case.release": Permission.CASE_CHANGE,
    "crawl.authorise": Permission.CRAWL,
    "lead.release": Permission.LEADS,
    "account.roles": Permission.ACCOUNTS,
    "account.close": Permission.ACCOUNTS,
    "account.reset": Permission.ACCOUNTS,
    "audit.erase": Permission.AUDIT_READ,
}


class Asked(msgspec.Struct, frozen=True):
    """Something asked for. `state` is `asked` or `granted`; `may_decide` is about who looks."""

    id: ApprovalId
    kind: str
    subject: str
    body: dict[str, Any]
    reason: str
    state: str
    asked_by: AccountId
    asked_by_name: str
    asked_at: datetime
    expires_at: datetime
    may_decide: bool


def ask(  # noqa: PLR0913, PLR0917 what is asked, about what, and why
    tx: Connection,
    who: Principal,
    kind: str,
    subject: str,
    body: Mapping[str, Any],
    reason: str,
) -> ApprovalId:
    """Ask for something that needs two persons.

    Args:
        tx: A transaction that writes.
        who: Who asks.
        kind: One of `KINDS`.
        subject: What it is about, such as `case:3`.
        body: What exactly shall be done; it is carried out as it stands here.
        reason: Why, for the other person to read.

    Raises:
        AccessError: `who` may not do this, not even with another.
        UsageError: the kind is unknown, there is no reason, or `who` is no account.
    """
    if kind not in KINDS:
        raise UsageError(f"nothing of the kind {kind} can be asked for")
    require(tx, who, KINDS[kind], _case(subject) if KINDS[kind] in OF_A_CASE else None)
    if who.account_id is None:
        raise UsageError("only an account can ask for something", hint="work without break-glass")
    if not reason.strip():
        raise UsageError("say why: the other person has to decide about it")
    moment = now()
    tx.execute(
        update(Approval)
        .where(Approval.state.in_(("asked", "granted")), Approval.expires_at <= moment)
        .values(state="expired")
    )
    made = tx.execute(
        insert(Approval)
        .values(
            kind=kind,
            subject=subject,
            body=dict(body),
            reason=reason.strip(),
            state="asked",
            asked_by=who.account_id,
            asked_at=moment,
            expires_at=moment + timedelta(days=VALID_DAYS),
        )
        .returning(Approval.id)
    ).scalar_one()
    _record(tx, who, "approval.asked", made, kind, subject, body, reason)
    return ApprovalId(made)


def decide(tx: Connection, who: Principal, approval_id: ApprovalId, granted: bool) -> None:  # noqa: FBT001 the contract of the rooms
    """Grant or refuse what another asked for.

    Raises:
        AccessError: code `second_person`: `who` is not the other person that this needs.
        ConflictError: it was decided already, or its time is over.
    """
    require(tx, who, Permission.APPROVE)
    row = tx.execute(_open().where(Approval.id == approval_id)).one_or_none()
    if row is None or row.state != "asked":
        raise ConflictError("this is not waiting for a decision", hint="look at the list again")
    _refuse_unless_second(tx, who, row)
    changed = tx.execute(
        update(Approval)
        .where(Approval.id == approval_id, Approval.state == "asked")
        .values(
            state="granted" if granted else "refused", decided_by=who.account_id, decided_at=now()
        )
    )
    if changed.rowcount != 1:
        raise ConflictError("somebody else was quicker", hint="look at the list again")
    action = "approval.granted" if granted else "approval.refused"
    _record(tx, who, action, approval_id, row.kind, row.subject, row.body)


def carry_out(
    tx: Connection, who: Principal, approval_id: ApprovalId, kind: str, subject: str
) -> dict[str, Any]:
    """Use a grant up, in the transaction of the act itself; return what was granted.

    The one who asked or the one who granted may do so.

    Raises:
        AccessError: code `second_person`: this was not granted by another person, not for this, not
            to `who`, or it was used already.
    """
    row = tx.execute(_open().where(Approval.id == approval_id)).one_or_none()
    if (
        row is None
        or who.account_id is None
        or (row.state, row.kind, row.subject) != ("granted", kind, subject)
        or who.account_id not in {row.asked_by, row.decided_by}
        or row.decided_by == row.asked_by
    ):
        raise _needs_another()
    used = tx.execute(
        update(Approval)
        .where(Approval.id == approval_id, Approval.state == "granted")
        .values(state="done", done_at=now())
    )
    if used.rowcount != 1:
        raise _needs_another()
    _record(tx, who, "approval.used", approval_id, kind, subject, row.body)
    body: dict[str, Any] = row.body
    return body


def pending(tx: Connection, who: Principal) -> list[Asked]:
    """Return what waits for a decision of `who`, and what `who` asked for or granted."""
    require(tx, who, Permission.OWN)
    rows = tx.execute(_open().order_by(Approval.asked_at)).all()
    approves = allows(who, Permission.APPROVE)
    found = []
    for row in rows:
        may = approves and row.state == "asked" and _is_second(tx, who, row)
        if may or who.account_id in {row.asked_by, row.decided_by}:
            found.append(_asked(row, may_decide=may))
    return found


def find(tx: Connection, who: Principal, approval_id: ApprovalId) -> Asked:
    """Return one of those that `pending` gives.

    Raises:
        AccessError: there is none of this number that `who` may see.
    """
    for one in pending(tx, who):
        if one.id == approval_id:
            return one
    raise _needs_another()


def another_could(tx: Connection, who: Principal) -> bool:
    """Tell whether there is, or ever was, a person who could be the second one for `who`.

    Closed accounts count: else an administrator could close the others and be alone again.
    """
    answers = select(Account.responsible_id).where(Account.id == who.account_id)
    besides = who.account_id, tx.execute(answers).scalar_one_or_none()
    return tx.execute(_approvers(besides).limit(1)).first() is not None


def _approvers(besides: Iterable[int | None]) -> Select[int]:
    """Select the people who may approve, or might before their account was closed, besides some."""
    approving = [role for role in Role if Permission.APPROVE in ALLOWED[role]]
    return (
        select(Account.id)
        .join(AccountRole, AccountRole.account_id == Account.id)
        .where(
            Account.kind == "person",
            Account.state != "invited",
            AccountRole.role.in_(approving),
            Account.id.not_in({one for one in besides if one is not None}),
        )
    )


def _open() -> Select[Any]:
    asker = aliased(Account)
    return (
        select(
            Approval.__table__,
            asker.name.label("asker"),
            asker.responsible_id,
            asker.organisation_id.label("asker_organisation_id"),
        )
        .join(asker, asker.id == Approval.asked_by)
        .where(Approval.state.in_(("asked", "granted")), Approval.expires_at > now())
    )


def _refuse_unless_second(tx: Connection, who: Principal, row: Row[Any]) -> None:
    if not _is_second(tx, who, row):
        raise _needs_another()


def _is_second(tx: Connection, who: Principal, row: Row[Any]) -> bool:
    if who.via is not Via.WEB or who.account_id in {None, row.asked_by, row.responsible_id}:
        return False
    kind = select(Account.kind).where(Account.id == who.account_id, Account.state == "active")
    if tx.execute(kind).scalar_one_or_none() != "person":
        return False
    if KINDS[row.kind] in OF_A_CASE:
        return _is_near(tx, who, _case(row.subject))
    if KINDS[row.kind] is Permission.ACCOUNTS:
        return _is_beside(tx, who, row)
    # The log is the installation's: who asked has a colleague answer for it.
    return bool(who.organisation_id == row.asker_organisation_id)


def _is_near(tx: Connection, who: Principal, case_id: CaseId | None) -> bool:
    """Tell whether somebody is of a case's organisation, and of its team or a supervisor."""
    organisation = tx.execute(
        select(Case.organisation_id).where(Case.id == case_id)
    ).scalar_one_or_none()
    if organisation is None or organisation != who.organisation_id:
        return False
    member = select(CaseMember.case_id).where(
        CaseMember.case_id == case_id, CaseMember.account_id == who.account_id
    )
    return Role.SUPERVISOR in who.roles or tx.execute(member).first() is not None


def _is_beside(tx: Connection, who: Principal, row: Row[Any]) -> bool:
    """Tell whether a change of an account is not about somebody, and concerns their organisation.

    An organisation that never had anybody who could grant it has not come to work here yet: then it
    is for who asked's organisation, and if that had nobody else either, for any.
    """
    about = tx.execute(
        select(Account.id, Account.organisation_id, Account.responsible_id).where(
            Account.id == _number(row.subject, "account")
        )
    ).one_or_none()
    if about is None or who.account_id in {about.id, about.responsible_id}:
        return False
    others = _approvers((row.asked_by, row.responsible_id, about.id, about.responsible_id))
    for organisation in (about.organisation_id, row.asker_organisation_id):
        theirs = others.where(Account.organisation_id == organisation).limit(1)
        if tx.execute(theirs).first() is not None:
            return bool(who.organisation_id == organisation)
    return True


def _case(subject: str) -> CaseId | None:
    number = _number(subject, "case")
    return None if number is None else CaseId(number)


def _number(subject: str, wanted: str) -> int | None:
    kind, _, number = subject.partition(":")
    return int(number) if kind == wanted and number.isdecimal() else None


def _needs_another() -> AccessError:
    return AccessError(
        "this needs two persons: one who asks and another who grants",
        code="second_person",
        hint="a supervisor or administrator of the organisation concerned grants it in the "
        "browser: neither who asked nor whom it is about",
    )


def _asked(row: Row[Any], *, may_decide: bool) -> Asked:
    return Asked(
        ApprovalId(row.id),
        row.kind,
        row.subject,
        row.body,
        row.reason,
        row.state,
        AccountId(row.asked_by),
        row.asker,
        row.asked_at,
        row.expires_at,
        may_decide,
    )


def _record(  # noqa: PLR0913, PLR0917 the facts of one event
    tx: Connection,
    who: Principal,
    action: str,
    approval_id: int,
    kind: str,
    subject: str,
    body: Mapping[str, Any],
    reason: str = "",
) -> None:
    exact = hashlib.sha256(msgspec.json.encode(body, order="deterministic")).hexdigest()
    log.record(
        tx,
        who,
        action,
        f"approval:{approval_id}",
        texts={"reason": reason} if reason else {},
        kind=kind,
        about=subject,
        body_sha256=exact,
    )
