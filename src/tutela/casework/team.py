"""Who could be put on the team of a case: people and programs whose role works on cases."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from tutela.access.authorise import require
from tutela.access.model import ALLOWED, Permission
from tutela.core.errors import UsageError
from tutela.core.ids import AccountId, CaseId
from tutela.core.principal import Principal, Role
from tutela.store.tables.access import Account, AccountRole, CaseMember, Organisation


class Candidate(NamedTuple):
    """An active account that is not on the team; `organisation` by its name."""

    account_id: AccountId
    name: str
    display_name: str
    organisation: str


def candidates(tx: Connection, who: Principal, case_id: CaseId) -> list[Candidate]:
    """Return who could join, those of one organisation together, by name.

    Raises:
        AccessError: `who` may not change this case.
    """
    require(tx, who, Permission.CASE_CHANGE, case_id)
    working = [role.value for role in Role if Permission.CASE_READ in ALLOWED[role]]
    members = select(CaseMember.account_id).where(CaseMember.case_id == case_id)
    rows = tx.execute(
        select(Account.id, Account.name, Account.display_name, Organisation.name)
        .join(Organisation, Organisation.id == Account.organisation_id)
        .where(
            Account.state == "active",
            Account.id.not_in(members),
            Account.id.in_(select(AccountRole.account_id).where(AccountRole.role.in_(working))),
        )
        .order_by(Organisation.name, Account.name)
    )
    return [Candidate(AccountId(number), *words) for number, *words in rows]


def by_name(tx: Connection, who: Principal, case_id: CaseId, name: str) -> AccountId:
    """Return the account of this name that could join.

    Raises:
        AccessError: `who` may not change this case.
        UsageError: nobody of this name could.
    """
    for one in candidates(tx, who, case_id):
        if one.name == name.strip().lower():
            return one.account_id
    raise UsageError(
        f"no active account {name} could join this team",
        hint="it needs a role that works on cases, and must not be on the team already",
    )
