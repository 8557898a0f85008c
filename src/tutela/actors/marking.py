"""What people say of accounts: who must not be ranked, who keeps a site, what an analyst confirmed.

A mark has a reason and can be undone. Some withhold: the account is never ranked, and no lead about
it is released, as long as the mark stands.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework.belonging import line
from tutela.core.errors import ConflictError, UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.tables.leads import AccountMark
from tutela.store.tables.observation import SiteAccount

REASON_CHARACTERS: Final = 1000


class Mark(enum.StrEnum):
    """What can be said of an account."""

    SAFEGUARDING = "safeguarding"  # looks like a child's: goes to safeguarding
    SELF_GENERATED = "self_generated"  # shows who posts it: goes to safeguarding
    OFFICER = "officer"  # somebody on duty, or otherwise to be left alone
    HIJACKED = "hijacked"  # used by somebody else than whose it is
    ADMINISTRATOR = "administrator"  # confirmed: keeps the site running
    CONTACT_ABUSE = "contact_abuse"  # an analyst confirmed signs of abuse in person


WITHHOLDING: Final = frozenset(
    {Mark.SAFEGUARDING, Mark.SELF_GENERATED, Mark.OFFICER, Mark.HIJACKED}
)


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """A mark that stands."""

    id: int
    account_id: int
    kind: Mark
    reason: str
    set_by: int | None
    set_at: datetime


def put(  # noqa: PLR0913, PLR0917 what is said of whom, and why
    tx: Connection, who: Principal, case_id: CaseId, account_id: int, kind: Mark, reason: str
) -> int:
    """Mark an account and return the number of the mark; one that stands already stays.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: the account is not of the case, or no reason is given.
    """
    require(tx, who, Permission.LEADS, case_id)
    cases.working(tx, case_id)
    of_case(tx, case_id, account_id)
    why = line(reason, REASON_CHARACTERS, "a reason")
    for one in standing(tx, case_id, account_id):
        if one.kind is kind:
            return one.id
    made = tx.execute(
        insert(AccountMark)
        .values(
            case_id=case_id,
            account_id=account_id,
            kind=kind.value,
            reason=why,
            set_by=who.account_id,
            set_at=now(),
        )
        .returning(AccountMark.id)
    ).scalar_one()
    subject = f"site-account:{account_id}"
    texts = {"reason": why}
    log.record(tx, who, "mark.set", subject, texts=texts, case=case_id, kind=kind.value)
    return int(made)


def undo(tx: Connection, who: Principal, case_id: CaseId, mark_id: int, reason: str) -> None:
    """Let a mark not count any more; that it stood stays on record.

    Raises:
        AccessError: `who` does not work on leads of this case.
        ConflictError: it does not stand.
    """
    require(tx, who, Permission.LEADS, case_id)
    cases.working(tx, case_id)
    why = line(reason, REASON_CHARACTERS, "a reason")
    row = tx.execute(
        update(AccountMark)
        .where(
            AccountMark.id == mark_id,
            AccountMark.case_id == case_id,
            AccountMark.undone_at.is_(None),
        )
        .values(undone_by=who.account_id, undone_at=now())
        .returning(AccountMark.account_id, AccountMark.kind)
    ).one_or_none()
    if row is None:
        raise ConflictError("this mark does not stand", hint="look at the account again")
    subject = f"site-account:{row.account_id}"
    texts = {"reason": why}
    log.record(tx, who, "mark.undone", subject, texts=texts, case=case_id, kind=row.kind)


def listed(
    tx: Connection, who: Principal, case_id: CaseId, account_id: int | None = None
) -> list[Marked]:
    """Return the marks that stand, of one account or of all.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    return standing(tx, case_id, account_id)


def standing(tx: Connection, case_id: CaseId, account_id: int | None = None) -> list[Marked]:
    """Return the marks that stand, for what ranks and releases. Asks nobody's permission."""
    asked = select(AccountMark.__table__).where(
        AccountMark.case_id == case_id, AccountMark.undone_at.is_(None)
    )
    if account_id is not None:
        asked = asked.where(AccountMark.account_id == account_id)
    return [_marked(row) for row in tx.execute(asked.order_by(AccountMark.id))]


def of_case(tx: Connection, case_id: CaseId, account_id: int) -> None:
    """Make sure that an account is of a case.

    Raises:
        UsageError: code `not_found`: it is not.
    """
    there = select(SiteAccount.id).where(
        SiteAccount.case_id == case_id, SiteAccount.id == account_id
    )
    if tx.execute(there).first() is None:
        raise UsageError("there is no such account in this case", code="not_found")


def _marked(row: Row[Any]) -> Marked:
    return Marked(
        id=row.id,
        account_id=row.account_id,
        kind=Mark(row.kind),
        reason=row.reason,
        set_by=row.set_by,
        set_at=row.set_at,
    )
