"""What goes when a case is deleted: rankings, links, marks and leads, and all that they rest on."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, select

from tutela.core.ids import CaseId
from tutela.observation import retention
from tutela.store.tables.leads import AccountLink, AccountMark, Lead, RankedAccount, Ranking


def forget_case(tx: Connection, case_id: CaseId, moment: datetime) -> list[str]:
    """Remove all of a case; return ids of keys, for `Vault.shred` after the commit.

    What the log says of leads stays: numbers, and words that can be erased.
    """
    rankings = select(Ranking.id).where(Ranking.case_id == case_id)
    tx.execute(delete(RankedAccount).where(RankedAccount.ranking_id.in_(rankings)))
    for table in (Lead, Ranking, AccountLink, AccountMark):
        tx.execute(delete(table).where(table.case_id == case_id))
    return retention.forget_case(tx, case_id, moment)
