"""Asks whether somebody may do something; the answer is an error or nothing."""

from __future__ import annotations

from sqlalchemy import Connection, select

from tutela.access.model import ALLOWED, OF_A_CASE, Permission
from tutela.core.errors import AccessError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal, Via
from tutela.store.tables.access import CaseMember


def allows(who: Principal, permission: Permission) -> bool:
    """Tell whether one of the roles allows this kind of act.

    One's own account is everybody's, also of those who hold no role yet.
    """
    if permission is Permission.OWN:
        return who.account_id is not None
    return any(permission in ALLOWED[role] for role in who.roles)


def require(
    tx: Connection, who: Principal, permission: Permission, case_id: CaseId | None = None
) -> None:
    """Let the act go on, or refuse it.

    The same refusal is given for a case that is not there and for one whose team `who` is not of.

    Raises:
        AccessError: no role allows it, or `who` is not of the case's team.
    """
    if who.via is Via.BREAK_GLASS:
        return
    if not allows(who, permission):
        raise AccessError(
            f"{who.name} may not do this",
            hint=f"it takes a role that allows {permission.value}; an administrator can ask for it",
        )
    if permission not in OF_A_CASE:
        return
    found = tx.execute(
        select(CaseMember.account_id).where(
            CaseMember.case_id == case_id, CaseMember.account_id == who.account_id
        )
    ).one_or_none()
    if found is None:
        raise AccessError(
            f"{who.name} is not of the team of this case",
            code="refused",
            hint="a supervisor or examiner of the team can add you",
        )
