"""Mirrors: hosts that are one machine by all that is known, and so share one pace."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from tutela.audit import log
from tutela.core.errors import UsageError
from tutela.core.ids import CrawlOrderId
from tutela.core.principal import Principal
from tutela.crawl import gates, urls
from tutela.crawl import order as orders
from tutela.store.tables.crawl import CrawlHost, CrawlScope


def group(tx: Connection, who: Principal, order_id: CrawlOrderId, hosts: Sequence[str]) -> int:
    """Let hosts of an order share one pace from now on, under every order; return how many do.

    Those that share a pace with one of them already come along.

    Raises:
        AccessError: `who` may not crawl for the order's case.
        UsageError: fewer than two hosts, or one that the order is not about (code `scope`).
    """
    order = orders.find(tx, who, order_id)
    named = sorted({urls.canonical(f"http://{host}/").host for host in hosts})
    scopes = tx.execute(
        select(CrawlScope.id, CrawlHost.host)
        .join(CrawlHost, CrawlHost.id == CrawlScope.host_id)
        .where(CrawlScope.order_id == order_id, CrawlHost.host.in_(named))
    ).all()
    if len(named) < 2 or {row.host for row in scopes} != set(named):
        raise UsageError(
            "mirrors are two or more hosts of the scope of this order",
            code="scope",
            hint="tutela crawl report shows its hosts",
        )
    locked = gates.lock(tx, (row.id for row in scopes))
    first = locked.gates[min(locked.gates)]
    others = [gate for gate in locked.gates.values() if gate is not first]
    for gate in others:
        first.waiting, gate.waiting = first.waiting + gate.waiting, 0
        first.in_flight, gate.in_flight = first.in_flight + gate.in_flight, 0
        first.next_at = max(first.next_at, gate.next_at)
        first.backoff = max(first.backoff, gate.backoff)
    locked.write(tx)
    slowest = max((gate.delay_ms or 0 for gate in locked.gates.values()), default=0)
    tx.execute(update(CrawlHost).where(CrawlHost.id == first.id).values(delay_ms=slowest or None))
    gone = [gate.id for gate in others]
    tx.execute(update(CrawlScope).where(CrawlScope.gate_id.in_(gone)).values(gate_id=first.id))
    tx.execute(update(CrawlHost).where(CrawlHost.gate_id.in_(gone)).values(gate_id=first.id))
    texts = {"hosts": "\n".join(named)}
    log.record(tx, who, "crawl.grouped", order.subject, texts=texts, hosts=len(named))
    return len(named)
