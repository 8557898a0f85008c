"""Legal hold: a held case cannot be deleted. One person puts it on, two lift it."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from tutela.access import approvals
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import UsageError
from tutela.core.ids import ApprovalId, CaseId
from tutela.core.principal import Principal
from tutela.store.tables.casework import Case

KIND = "case.release"


def put(tx: Connection, who: Principal, case_id: CaseId) -> None:
    """Put a case under legal hold; one that is held already stays so.

    Raises:
        AccessError: `who` may not change this case.
    """
    require(tx, who, Permission.CASE_CHANGE, case_id)
    tx.execute(update(Case).where(Case.id == case_id).values(legal_hold=True))
    log.record(tx, who, "case.held", f"case:{case_id}")


def ask(tx: Connection, who: Principal, case_id: CaseId, reason: str) -> ApprovalId:
    """Ask that the legal hold of a case be lifted; another person has to grant it.

    Raises:
        AccessError: `who` may not change this case, not even with another.
        UsageError: the case is not held, or no reason is given.
    """
    require(tx, who, Permission.CASE_CHANGE, case_id)
    _held(tx, case_id)
    return approvals.ask(tx, who, KIND, f"case:{case_id}", {}, reason)


def lift(tx: Connection, who: Principal, case_id: CaseId, approval_id: ApprovalId) -> None:
    """Lift the legal hold, as granted; who asked or who granted may do so.

    Raises:
        AccessError: code `second_person`: nobody else has granted it, or not to `who`.
        UsageError: the case is not held.
    """
    _held(tx, case_id)
    approvals.carry_out(tx, who, approval_id, KIND, f"case:{case_id}")
    tx.execute(update(Case).where(Case.id == case_id).values(legal_hold=False))
    log.record(tx, who, "case.released", f"case:{case_id}", approval=approval_id)


def _held(tx: Connection, case_id: CaseId) -> None:
    held = select(Case.legal_hold).where(Case.id == case_id).with_for_update()
    if not tx.execute(held).scalar_one_or_none():
        raise UsageError("the case is under no legal hold", code="case_state")
