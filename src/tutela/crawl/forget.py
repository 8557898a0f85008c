"""Removes what is kept of the crawls of a case, when the case is deleted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, exists, func, select, update

from tutela.core.ids import CaseId
from tutela.crawl.model import State
from tutela.store.tables.crawl import (
    CrawlHost,
    CrawlLeft,
    CrawlOrder,
    CrawlOutside,
    CrawlRobots,
    CrawlScope,
    CrawlShape,
    CrawlUrl,
)


def forget_case(tx: Connection, case_id: CaseId, moment: datetime) -> None:
    """Void the orders of a case, and remove their URLs, scopes and words.

    Hosts that other orders are about stay, and count what is left. What the log says of orders
    stays as well: there hosts and URLs are MACs, whose key goes here.
    """
    orders = select(CrawlOrder.id).where(CrawlOrder.case_id == case_id)
    scopes = select(CrawlScope.id).where(CrawlScope.order_id.in_(orders))
    tx.execute(delete(CrawlShape).where(CrawlShape.scope_id.in_(scopes)))
    for table in (CrawlUrl, CrawlLeft, CrawlOutside, CrawlScope):
        tx.execute(delete(table).where(table.order_id.in_(orders)))
    tx.execute(
        update(CrawlOrder)
        .where(CrawlOrder.case_id == case_id)
        .values(
            revoked_at=func.coalesce(CrawlOrder.revoked_at, moment),
            legal_basis="",
            reference="",
            issuing_authority="",
            robots_reason="",
            tag_key=b"",
        )
    )
    _count_again(tx)


def _count_again(tx: Connection) -> None:
    """Remove hosts that no order is about, and let the others count what they have."""
    mine = CrawlScope.gate_id == CrawlHost.id
    waiting = select(func.coalesce(func.sum(CrawlScope.waiting), 0)).where(mine)
    leased = (
        select(func.count())
        .select_from(CrawlUrl)
        .join(CrawlScope, CrawlScope.id == CrawlUrl.scope_id)
        .where(mine, CrawlUrl.state == State.LEASED.value)
    )
    tx.execute(
        update(CrawlHost).values(
            waiting=waiting.scalar_subquery(), in_flight=leased.scalar_subquery()
        )
    )
    used = exists().where((CrawlScope.host_id == CrawlHost.id) | mine)
    unused = select(CrawlHost.id).where(~used)
    tx.execute(delete(CrawlRobots).where(CrawlRobots.host_id.in_(unused)))
    tx.execute(delete(CrawlHost).where(~used))
