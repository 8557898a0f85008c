"""Where an order stands: totals that add up, what waits and why, and what was left alone."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from tutela.core.ids import CrawlOrderId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.crawl import order as orders
from tutela.crawl import switch, tags, urls
from tutela.crawl.found import priority
from tutela.crawl.model import Kind, Order, Pace, State
from tutela.store.tables.crawl import (
    CrawlHost,
    CrawlLeft,
    CrawlOrder,
    CrawlOutside,
    CrawlRobots,
    CrawlScope,
    CrawlUrl,
)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """An order and its totals.

    Attributes:
        order: The order.
        held_by: The code of what holds all of it back (`switch.held_by`), empty for nothing.
        found: URLs, which is the sum of `states`.
        states: How many URLs are in each state; all states are there.
        waits: Why URLs wait: a code and how many. `ready` ones are leased to whoever asks;
            `politeness`, `in_flight` and `backoff` are about their host, `retry` about themselves,
            `order_budget` and `host_budget` mean that no page is left, `dropped` that their host is
            not crawled any more; otherwise the code of `held_by`.
        next_at: When something is due at the soonest, None where nothing waits for a time.
        left: Links that became no URL, by code.
        outside_hosts: Hosts outside the scope that pages link to.
    """

    order: Order
    held_by: str
    found: int
    states: dict[str, int]
    waits: dict[str, int]
    next_at: datetime | None
    left: dict[str, int]
    outside_hosts: int


class HostRow(msgspec.Struct, frozen=True, kw_only=True):
    """One scope of an order, with what came of it.

    `robots` is what its host said to robots.txt last: the status, None where it was never asked.
    """

    host: str
    net: str
    path: str
    depth: int
    dropped: bool
    states: dict[str, int]
    pages_taken: int
    media_taken: int
    size_bytes: int
    robots: int | None
    trouble: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an order: by host, and by outcome (state, reason and how many)."""

    standing: Standing
    hosts: tuple[HostRow, ...]
    outcomes: tuple[tuple[str, str, int], ...]


def of(
    tx: Connection, who: Principal, order_id: CrawlOrderId, pace: Pace | None = None
) -> Standing:
    """Return where an order stands.

    Args:
        tx: A transaction.
        who: Who asks.
        order_id: The order.
        pace: At which workers crawl; the polite one if left out.

    Raises:
        AccessError: `who` may not crawl for its case.
    """
    order = orders.find(tx, who, order_id)
    held_by = switch.held_by(tx, order_id)
    states = dict.fromkeys((state.value for state in State), 0)
    counted = (
        select(CrawlUrl.state, func.count())
        .join(CrawlScope, CrawlScope.id == CrawlUrl.scope_id)
        .where(CrawlScope.order_id == order_id)
        .group_by(CrawlUrl.state)
    )
    states |= {state: count for state, count in tx.execute(counted)}  # noqa: C416 a Row is no pair for mypy
    waiting = states[State.WAITING.value]
    if held_by:
        waits, next_at = ({held_by: waiting} if waiting else {}), None
    else:
        waits, next_at = _waits(tx, order, pace or Pace())
    strangers = (
        select(func.count()).select_from(CrawlOutside).where(CrawlOutside.order_id == order_id)
    )
    left = select(CrawlLeft.reason, CrawlLeft.links).where(CrawlLeft.order_id == order_id)
    return Standing(
        order=order,
        held_by=held_by,
        found=sum(states.values()),
        states=states,
        waits=waits,
        next_at=next_at,
        left={row.reason: row.links for row in tx.execute(left.order_by(CrawlLeft.reason))},
        outside_hosts=tx.execute(strangers).scalar_one(),
    )


def report(tx: Connection, who: Principal, order_id: CrawlOrderId) -> Report:
    """Return what came of an order.

    Raises:
        AccessError: `who` may not crawl for its case.
    """
    standing = of(tx, who, order_id)
    counted = tx.execute(
        select(
            CrawlUrl.scope_id,
            CrawlUrl.state,
            CrawlUrl.reason,
            func.count().label("urls"),
            func.sum(CrawlUrl.size_bytes).label("size_bytes"),
        )
        .where(CrawlUrl.order_id == order_id)
        .group_by(CrawlUrl.scope_id, CrawlUrl.state, CrawlUrl.reason)
    ).all()
    outcomes: Counter[tuple[str, str]] = Counter()
    states: dict[int, Counter[str]] = {}
    sizes: Counter[int] = Counter()
    for row in counted:
        outcomes[row.state, row.reason] += row.urls
        states.setdefault(row.scope_id, Counter())[row.state] += row.urls
        sizes[row.scope_id] += int(row.size_bytes)
    hosts = [
        HostRow(
            host=row.host,
            net=row.net,
            path=row.path,
            depth=row.depth,
            dropped=row.dropped_at is not None,
            states={one.value: states.get(row.id, Counter())[one.value] for one in State},
            pages_taken=row.pages_taken,
            media_taken=row.media_taken,
            size_bytes=sizes[row.id],
            robots=row.robots,
            trouble=row.trouble,
        )
        for row in tx.execute(_hosts(order_id))
    ]
    return Report(
        standing=standing,
        hosts=tuple(hosts),
        outcomes=tuple((*key, count) for key, count in sorted(outcomes.items())),
    )


def outside(tx: Connection, who: Principal, order_id: CrawlOrderId, host: str) -> int:
    """Return how many links led to a host outside the scope: only who knows its name can ask.

    Raises:
        AccessError: `who` may not crawl for the order's case.
        InputError: it is no host that can be crawled.
    """
    orders.find(tx, who, order_id)
    named = urls.canonical(f"http://{host}/").host
    key = tx.execute(select(CrawlOrder.tag_key).where(CrawlOrder.id == order_id)).scalar_one()
    asked = select(CrawlOutside.links).where(
        CrawlOutside.order_id == order_id, CrawlOutside.tag == tags.of_host(key, named)
    )
    return tx.execute(asked).scalar_one_or_none() or 0


def _hosts(order_id: CrawlOrderId) -> Any:
    robots = (
        select(func.max(CrawlRobots.status))
        .where(CrawlRobots.host_id == CrawlScope.host_id)
        .scalar_subquery()
    )
    return (
        select(
            CrawlScope.__table__,
            CrawlHost.host,
            CrawlHost.net,
            CrawlHost.trouble,
            robots.label("robots"),
        )
        .join(CrawlHost, CrawlHost.id == CrawlScope.host_id)
        .where(CrawlScope.order_id == order_id)
        .order_by(CrawlHost.host, CrawlScope.path)
    )


def _waits(tx: Connection, order: Order, pace: Pace) -> tuple[dict[str, int], datetime | None]:
    """Return why URLs wait, where the order itself is not what they wait for."""
    moment = now()
    waiting = (
        select(CrawlUrl.scope_id, CrawlUrl.kind, func.count().label("urls"))
        .join(CrawlScope, CrawlScope.id == CrawlUrl.scope_id)
        .where(CrawlScope.order_id == order.id, CrawlUrl.state == State.WAITING.value)
        .group_by(CrawlUrl.scope_id, CrawlUrl.kind)
    )
    # Only what was tried before waits for a time of its own; its priority tells it apart.
    tried = CrawlUrl.priority >= priority(Kind.PAGE, 0, 1)
    later = waiting.where(tried, CrawlUrl.next_at > moment).add_columns(
        func.min(CrawlUrl.next_at).label("next_at")
    )
    retries = {(row.scope_id, row.kind): row for row in tx.execute(later)}
    gate = CrawlHost
    rows = tx.execute(
        select(CrawlScope.__table__, gate.next_at, gate.in_flight, gate.backoff)
        .join(gate, gate.id == CrawlScope.gate_id)
        .where(CrawlScope.order_id == order.id)
    )
    scopes: dict[int, Any] = {row.id: row for row in rows}
    counts: Counter[str] = Counter()
    times: list[datetime] = []
    for row in tx.execute(waiting):
        scope, retry = scopes[row.scope_id], retries.get((row.scope_id, row.kind))
        code = _why(order, scope, Kind(row.kind), moment, pace)
        if code in {"politeness", "backoff"}:
            times.append(scope.next_at)
        now_due = row.urls
        if retry is not None and code in {"ready", "politeness"}:
            counts["retry"] += retry.urls
            times.append(retry.next_at)
            now_due -= retry.urls
        counts[code] += now_due
    return dict(+counts), min(times, default=None)


def _why(order: Order, scope: Any, kind: Kind, moment: datetime, pace: Pace) -> str:
    reasons = (
        ("dropped", scope.dropped_at is not None),
        ("order_budget", kind is Kind.PAGE and order.pages_taken >= order.page_budget),
        ("host_budget", kind is Kind.PAGE and scope.pages_taken >= scope.page_budget),
        ("backoff", scope.backoff > 0 and scope.next_at > moment),
        ("in_flight", scope.in_flight >= pace.in_flight),
        ("politeness", scope.next_at > moment),
    )
    return next((code for code, holds in reasons if holds), "ready")
