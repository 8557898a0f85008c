"""What goes of crawls when their case is deleted: URLs, and all counts of what was found.

Orders and their scopes stay, as revoked: they say under which law whom was asked for what. Hosts
stay too, with what their robots.txt says: they are of no case.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from tutela.core.ids import CaseId
from tutela.crawl import gates
from tutela.crawl.model import State
from tutela.store.tables.crawl import (
    CrawlLeft,
    CrawlOrder,
    CrawlOutside,
    CrawlScope,
    CrawlShape,
    CrawlUrl,
)
from tutela.store.tables.observation import Site


def forget_case(tx: Connection, case_id: CaseId, moment: datetime) -> None:
    """Remove what the crawls of a case found; do so before what was read for it is removed.

    What a worker still has under way is worth nothing then, and is not kept.
    """
    # As who keeps pages does: sites first, then gates.
    tx.execute(select(Site.id).where(Site.case_id == case_id).order_by(Site.id).with_for_update())
    orders = select(CrawlOrder.id).where(CrawlOrder.case_id == case_id)
    scopes = select(CrawlScope.id).where(CrawlScope.order_id.in_(orders))
    locked = gates.lock(tx, tx.execute(scopes).scalars())
    counted = tx.execute(
        select(CrawlUrl.scope_id, CrawlUrl.state, func.count())
        .where(
            CrawlUrl.scope_id.in_(scopes),
            CrawlUrl.state.in_([State.WAITING.value, State.LEASED.value]),
        )
        .group_by(CrawlUrl.scope_id, CrawlUrl.state)
    )
    for scope_id, state, count in counted:
        if state == State.WAITING.value:
            locked.wait(scope_id, -count)
        else:
            gate = locked.gate_of(scope_id)
            gate.in_flight = max(gate.in_flight - count, 0)
    locked.write(tx)
    tx.execute(delete(CrawlUrl).where(CrawlUrl.scope_id.in_(scopes)))
    tx.execute(delete(CrawlShape).where(CrawlShape.scope_id.in_(scopes)))
    for table in (CrawlLeft, CrawlOutside):
        tx.execute(delete(table).where(table.order_id.in_(orders)))
    tx.execute(
        update(CrawlOrder)
        .where(CrawlOrder.case_id == case_id, CrawlOrder.revoked_at.is_(None))
        .values(revoked_at=moment)
    )
