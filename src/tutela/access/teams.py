"""Case teams: who needs to know. Nobody else sees a case, whatever the role."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select

from tutela.access import accounts
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import AccountId, CaseId, OrganisationId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.access import Account, CaseMember


class Member(NamedTuple):
    """Somebody on a case's team."""

    account_id: AccountId
    organisation_id: OrganisationId
    name: str
    display_name: str
    kind: str


def add(tx: Connection, who: Principal, case_id: CaseId, account_id: AccountId) -> None:
    """Put an active account on the team of a case; nothing happens where it is there already.

    Raises:
        AccessError: `who` may not change this case.
        UsageError: the account is not there or not active.
    """
    require(tx, who, Permission.CASE_CHANGE, case_id)
    try:
        accounts.principal(tx, account_id, who.via)
    except AccessError:
        raise UsageError(
            f"account {account_id} is not active",
            hint="only somebody who has accepted the invitation can join a team",
        ) from None
    if _is_member(tx, case_id, account_id):
        return
    row = {"case_id": case_id, "account_id": account_id}
    insert_rows(
        tx,
        CaseMember,
        [row | {"added_at": now(), "added_by": who.account_id}],
        ignore_existing=True,
    )
    log.record(tx, who, "team.joined", f"case:{case_id}", account=account_id)


def remove(tx: Connection, who: Principal, case_id: CaseId, account_id: AccountId) -> None:
    """Take an account off the team of a case.

    Raises:
        AccessError: `who` may not change this case.
        UsageError: it is not on the team, or it is the last one there.
    """
    require(tx, who, Permission.CASE_CHANGE, case_id)
    if not _is_member(tx, case_id, account_id):
        raise UsageError(f"account {account_id} is not on this team")
    others = tx.execute(
        select(func.count())
        .select_from(CaseMember)
        .join(Account, Account.id == CaseMember.account_id)
        .where(
            CaseMember.case_id == case_id,
            CaseMember.account_id != account_id,
            Account.state == "active",
        )
    ).scalar_one()
    if not others:
        raise UsageError(
            "a team keeps one active member", hint="add another one first: nobody else sees a case"
        )
    tx.execute(
        delete(CaseMember).where(CaseMember.case_id == case_id, CaseMember.account_id == account_id)
    )
    log.record(tx, who, "team.left", f"case:{case_id}", account=account_id)


def members(tx: Connection, who: Principal, case_id: CaseId) -> list[Member]:
    """Return the team of a case, by name.

    Raises:
        AccessError: `who` may not read this case.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    rows = tx.execute(
        select(
            Account.id, Account.organisation_id, Account.name, Account.display_name, Account.kind
        )
        .join(CaseMember, CaseMember.account_id == Account.id)
        .where(CaseMember.case_id == case_id)
        .order_by(Account.name)
    )
    return [
        Member(AccountId(id_), OrganisationId(organisation), name, display, kind)
        for id_, organisation, name, display, kind in rows
    ]


def _is_member(tx: Connection, case_id: CaseId, account_id: AccountId) -> bool:
    found = tx.execute(
        select(CaseMember.account_id).where(
            CaseMember.case_id == case_id, CaseMember.account_id == account_id
        )
    )
    return found.first() is not None
