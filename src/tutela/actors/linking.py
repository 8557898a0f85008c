"""Links between accounts: suggested by evidence, confirmed or undone by a person.

    A   are ranked as one account unless a person undoes it: texts that one key signed and that
        name their account on both, or the site's own word
    B   is said and never merged: rare contacts whose checksum holds, two of them independent
    C   hints: a look-alike handle, style, hours, shared media; it cannot be confirmed by itself

What is undone stays undone when the same evidence is found again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, delete, or_, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.actors.marking import REASON_CHARACTERS
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework.belonging import line
from tutela.core.errors import ConflictError, UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import upsert_rows
from tutela.store.tables.leads import AccountLink

SUGGESTED: Final = "suggested"
CONFIRMED: Final = "confirmed"
UNDONE: Final = "undone"
HINTS: Final = "C"


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """What was found to speak for two accounts being one's; `evidence` as plain values."""

    one_id: int
    other_id: int
    tier: str
    weight: float
    evidence: tuple[dict[str, Any], ...]


class LinkInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A link as it stands; see `store.tables.leads.AccountLink`."""

    id: int
    one_id: int
    other_id: int
    tier: str
    weight: float
    evidence: tuple[dict[str, Any], ...]
    state: str
    reason: str
    decided_by: int | None
    decided_at: datetime | None

    def beside(self, account_id: int) -> int:
        """Return the other account."""
        return self.other_id if account_id == self.one_id else self.one_id


def keep(tx: Connection, case_id: CaseId, found: Iterable[Suggestion]) -> int:
    """Keep what was found, and return how many links there are; what people decided stays.

    Suggestions that are not found any more go.
    """
    moment = now()
    known = {(row.one_id, row.other_id): row for row in tx.execute(_of(case_id))}
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    for one in found:
        pair = min(one.one_id, one.other_id), max(one.one_id, one.other_id)
        there = known.get(pair)
        rows[pair] = {
            "case_id": case_id,
            "one_id": pair[0],
            "other_id": pair[1],
            "tier": one.tier,
            "weight": float(one.weight),
            "evidence": list(one.evidence),
            "state": there.state if there else SUGGESTED,
            "found_at": there.found_at if there else moment,
            "decided_by": there.decided_by if there else None,
            "decided_at": there.decided_at if there else None,
            "reason": there.reason if there else "",
        }
    gone = [row.id for pair, row in known.items() if pair not in rows and row.state == SUGGESTED]
    for link_id in gone:
        tx.execute(delete(AccountLink).where(AccountLink.id == link_id))
    upsert_rows(tx, AccountLink, list(rows.values()), key=("case_id", "one_id", "other_id"))
    return len(rows)


def listed(
    tx: Connection, who: Principal, case_id: CaseId, account_ids: Sequence[int] = ()
) -> list[LinkInfo]:
    """Return links of a case, or those of some accounts; the best tier and weight first.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    asked = _of(case_id)
    if account_ids:
        asked = asked.where(
            or_(AccountLink.one_id.in_(account_ids), AccountLink.other_id.in_(account_ids))
        )
    order = (AccountLink.tier, AccountLink.weight.desc(), AccountLink.id)
    return [_info(row) for row in tx.execute(asked.order_by(*order))]


def confirm(tx: Connection, who: Principal, case_id: CaseId, link_id: int, reason: str) -> LinkInfo:
    """Say that two accounts are one's, by what speaks for it; only tier A is ranked as one.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: it only hints; there is no such link; or no reason is given.
        ConflictError: it is confirmed already.
    """
    found = _found(tx, who, case_id, link_id)
    if found.tier == HINTS:
        raise UsageError(
            "a link of tier C only hints: it cannot be confirmed by itself",
            hint="look for a signature, or for two rare contacts that both give",
        )
    if found.state == CONFIRMED:
        raise ConflictError("this link is confirmed already", hint="look at it again")
    return _decide(tx, who, case_id, found, CONFIRMED, reason)


def undo(tx: Connection, who: Principal, case_id: CaseId, link_id: int, reason: str) -> LinkInfo:
    """Say that two accounts are not one's, or not any more; the next ranking parts them.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: there is no such link, or no reason is given.
        ConflictError: it is undone already.
    """
    found = _found(tx, who, case_id, link_id)
    if found.state == UNDONE:
        raise ConflictError("this link is undone already", hint="look at it again")
    return _decide(tx, who, case_id, found, UNDONE, reason)


def between(tx: Connection, who: Principal, case_id: CaseId, one: int, other: int) -> LinkInfo:
    """Return the link of two accounts.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: code `not_found`: nothing was found that links them.
    """
    require(tx, who, Permission.LEADS, case_id)
    pair = min(one, other), max(one, other)
    row = tx.execute(
        _of(case_id).where(AccountLink.one_id == pair[0], AccountLink.other_id == pair[1])
    ).one_or_none()
    if row is None:
        raise UsageError("nothing was found that links these two accounts", code="not_found")
    return _info(row)


def undone(tx: Connection, case_id: CaseId) -> frozenset[tuple[int, int]]:
    """Return the pairs that people took apart, for what ranks. Asks nobody's permission."""
    rows = tx.execute(_of(case_id).where(AccountLink.state == UNDONE))
    return frozenset((row.one_id, row.other_id) for row in rows)


def _decide(  # noqa: PLR0913, PLR0917 who decides what, and why
    tx: Connection, who: Principal, case_id: CaseId, link: LinkInfo, state: str, reason: str
) -> LinkInfo:
    why = line(reason, REASON_CHARACTERS, "a reason")
    tx.execute(
        update(AccountLink)
        .where(AccountLink.id == link.id)
        .values(state=state, decided_by=who.account_id, decided_at=now(), reason=why)
    )
    action = "link.confirmed" if state == CONFIRMED else "link.undone"
    log.record(
        tx,
        who,
        action,
        f"account-link:{link.id}",
        texts={"reason": why},
        case=case_id,
        one=link.one_id,
        other=link.other_id,
        tier=link.tier,
    )
    return _info(tx.execute(_of(case_id).where(AccountLink.id == link.id)).one())


def _found(tx: Connection, who: Principal, case_id: CaseId, link_id: int) -> LinkInfo:
    require(tx, who, Permission.LEADS, case_id)
    cases.working(tx, case_id)
    row = tx.execute(_of(case_id).where(AccountLink.id == link_id).with_for_update()).one_or_none()
    if row is None:
        raise UsageError("there is no such link in this case", code="not_found")
    return _info(row)


def _of(case_id: CaseId) -> Any:
    return select(AccountLink.__table__).where(AccountLink.case_id == case_id)


def _info(row: Row[Any]) -> LinkInfo:
    return LinkInfo(
        id=row.id,
        one_id=row.one_id,
        other_id=row.other_id,
        tier=row.tier,
        weight=row.weight,
        evidence=tuple(row.evidence),
        state=row.state,
        reason=row.reason,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
    )
