"""Hands URLs out to workers, each to one at a time, as long as the law and the host allow.

One statement asks everything: that no kill switch is raised, that the order is started, valid, not
paused and not revoked, that its case is open and the case's own authority valid, that the scope
still stands, that pages are left of the budgets, and that the host may be asked now. So no URL is
handed out on an answer that was true a moment ago. On PostgreSQL it skips what others have locked;
on SQLite a transaction that writes is alone (BEGIN IMMEDIATE).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, case, select, update

from tutela.audit import log
from tutela.audit.log import Event
from tutela.core.ids import CaseId, CrawlOrderId
from tutela.core.principal import SYSTEM
from tutela.core.time import now
from tutela.crawl import frontier, gates, picking, urls
from tutela.crawl.found import priority, reaches_to
from tutela.crawl.gates import Locked
from tutela.crawl.model import (
    MOST_TRIES,
    Finished,
    Kind,
    Lease,
    Net,
    Outcome,
    Pace,
    State,
)
from tutela.store.bulk import update_rows
from tutela.store.tables.crawl import CrawlOrder, CrawlScope, CrawlUrl

_RECLAIMED_AT_ONCE = 500


def lease(tx: Connection, worker: str, count: int, pace: Pace) -> list[Lease]:
    """Hand out up to `count` URLs, those nearest to where their crawl began first.

    A host of which nothing is lifted gives one at a time. What other workers let expire is put
    back first. An empty list means that nothing may be asked now; `status.why` says why.

    Args:
        tx: A transaction that writes, for this alone: it holds the lock of the orders.
        worker: Who asks; a name that no other worker has, and no person's.
        count: How many at most.
        pace: How fast hosts are asked.
    """
    moment = now()
    events = _reclaim(tx, moment)
    made = _leased(tx, worker, count, pace, moment)
    # The log's lock comes last, behind that of the orders.
    log.record_many(tx, SYSTEM, events)
    return made


def _leased(tx: Connection, worker: str, count: int, pace: Pace, moment: datetime) -> list[Lease]:
    until = moment + pace.lease
    bound = picking.bound(moment, count, pace) | {"by_worker": worker, "until_then": until}
    rows = tx.execute(_taking(tx.dialect.name, pace), bound).all()
    if not rows:
        return []
    # The statement holds the locks of all these.
    locked = gates.read(tx, {row.scope_id for row in rows})
    _take(rows, locked, moment, pace)
    locked.write(tx)
    orders = _spend(tx, rows)
    made = [
        _lease(row, locked, orders[row.order_id], worker, until)
        for row in sorted(rows, key=lambda row: (row.priority, row.id))
    ]
    return _in_scope(tx, made, locked)


@lru_cache(maxsize=64)
def _taking(dialect: str, pace: Pace) -> Executable:
    return (
        update(CrawlUrl)
        .where(
            CrawlUrl.id.in_(picking.chosen(dialect, pace)),
            CrawlUrl.state == State.WAITING.value,
        )
        .values(
            state=State.LEASED.value,
            leased_by=bindparam("by_worker"),
            leased_until=bindparam("until_then"),
            turns=CrawlUrl.turns + 1,
        )
        .returning(
            CrawlUrl.id,
            CrawlUrl.turns,
            CrawlUrl.order_id,
            CrawlUrl.scope_id,
            CrawlUrl.url,
            CrawlUrl.tag,
            CrawlUrl.kind,
            CrawlUrl.depth,
            CrawlUrl.tries,
            CrawlUrl.priority,
        )
    )


def _reclaim(tx: Connection, moment: datetime) -> list[Event]:
    """Put URLs back whose lease has run out, and mend what they counted; return what to log.

    One whose worker was lost `MOST_TRIES` times has failed: it may be what kills workers.
    """
    expired = tx.execute(
        select(CrawlUrl.id, CrawlScope.gate_id)
        .join(CrawlScope, CrawlScope.id == CrawlUrl.scope_id)
        .where(CrawlUrl.leased_until <= moment)
        .order_by(CrawlUrl.leased_until)
        .limit(_RECLAIMED_AT_ONCE)
    ).all()
    if not expired:
        return []
    free = gates.lock_free(tx, {row.gate_id for row in expired})
    # A worker may be about to finish one after all: then it has its lock, and is let.
    ids = tx.execute(
        select(CrawlUrl.id)
        .join(CrawlScope, CrawlScope.id == CrawlUrl.scope_id)
        .where(
            CrawlUrl.id.in_(sorted(row.id for row in expired)),
            CrawlUrl.leased_until <= moment,
            CrawlScope.gate_id.in_(sorted(free)),
        )
        .order_by(CrawlUrl.id)
        .with_for_update(of=CrawlUrl, skip_locked=True)
    ).scalars()
    lost = tx.execute(
        update(CrawlUrl)
        .where(CrawlUrl.id.in_(list(ids)))
        .values(
            state=case(
                (CrawlUrl.tries + 1 >= MOST_TRIES, State.FAILED.value), else_=State.WAITING.value
            ),
            ended_at=case((CrawlUrl.tries + 1 >= MOST_TRIES, moment), else_=None),
            reason="lease_lost",
            tries=CrawlUrl.tries + 1,
            priority=CrawlUrl.priority + priority(Kind.PAGE, 0, 1),
            leased_by=None,
            leased_until=None,
        )
        .returning(CrawlUrl.scope_id, CrawlUrl.order_id, CrawlUrl.state)
    ).all()
    locked = gates.read(tx, {row.scope_id for row in lost})
    for row in lost:
        gate = locked.gate_of(row.scope_id)
        gate.in_flight = max(gate.in_flight - 1, 0)
        locked.wait(row.scope_id, row.state == State.WAITING.value)
    locked.write(tx)
    counts = Counter(row.order_id for row in lost)
    return [
        Event("crawl.reclaimed", f"crawl:{order_id}", {"urls": count})
        for order_id, count in sorted(counts.items())
    ]


def held(tx: Connection, leases: Iterable[Lease]) -> frozenset[int]:
    """Return the `url_id` of those leases that still hold; nobody takes them until the commit."""
    wanted = {one.url_id: one for one in leases}
    rows = tx.execute(
        select(CrawlUrl.id, CrawlUrl.turns, CrawlUrl.leased_by)
        .where(
            CrawlUrl.id.in_(sorted(wanted)),
            CrawlUrl.state == State.LEASED.value,
            # Those of others are not to be locked.
            CrawlUrl.leased_by.in_({one.worker for one in wanted.values()}),
        )
        .order_by(CrawlUrl.id)
        .with_for_update()
    )
    return frozenset(
        row.id
        for row in rows
        if (row.turns, row.leased_by) == (wanted[row.id].turn, wanted[row.id].worker)
    )


def give_back(tx: Connection, leases: Sequence[Lease]) -> int:
    """Put URLs back that were leased and not asked for; return how many still were held.

    They count neither as tried nor against a budget.
    """
    locked = gates.lock(tx, {one.scope_id for one in leases})
    still = held(tx, leases)
    back = [one for one in leases if one.url_id in still]
    update_rows(
        tx,
        CrawlUrl,
        [
            {
                "id": one.url_id,
                "state": State.WAITING.value,
                "leased_by": None,
                "leased_until": None,
            }
            for one in back
        ],
    )
    pages: Counter[int] = Counter()
    media: Counter[int] = Counter()
    for one in back:
        gate, scope = locked.gate_of(one.scope_id), locked.scopes[one.scope_id]
        gate.in_flight = max(gate.in_flight - 1, 0)
        locked.wait(one.scope_id, 1)
        if one.kind is Kind.PAGE:
            scope.pages_taken -= 1
            pages[one.order_id] += 1
        else:
            scope.media_taken -= 1
            media[one.order_id] += 1
    locked.write(tx)
    for order_id in sorted({*pages, *media}):
        tx.execute(
            update(CrawlOrder)
            .where(CrawlOrder.id == order_id)
            .values(
                pages_taken=CrawlOrder.pages_taken - pages[order_id],
                media_taken=CrawlOrder.media_taken - media[order_id],
            )
        )
    return len(back)


def _take(rows: Sequence[Any], locked: Locked, moment: datetime, pace: Pace) -> None:
    for row in rows:
        gate, scope = locked.gate_of(row.scope_id), locked.scopes[row.scope_id]
        gate.in_flight += 1
        locked.wait(row.scope_id, -1)
        scope.leased_at = moment
        if row.kind == Kind.PAGE.value:
            scope.pages_taken += 1
        else:
            scope.media_taken += 1
        if not picking.is_lifted(pace, scope):
            asked = timedelta(milliseconds=gate.delay_ms or 0)
            gate.next_at = max(gate.next_at, moment + max(pace.interval, asked))


def _spend(tx: Connection, rows: Sequence[Any]) -> dict[int, Any]:
    pages = Counter(row.order_id for row in rows if row.kind == Kind.PAGE.value)
    media = Counter(row.order_id for row in rows if row.kind == Kind.MEDIA.value)
    orders: dict[int, Any] = {}
    for order_id in sorted({*pages, *media}):
        orders[order_id] = tx.execute(
            update(CrawlOrder)
            .where(CrawlOrder.id == order_id)
            .values(
                pages_taken=CrawlOrder.pages_taken + pages[order_id],
                media_taken=CrawlOrder.media_taken + media[order_id],
            )
            .returning(CrawlOrder.case_id, CrawlOrder.robots_override)
        ).one()
    return orders


def _lease(row: Any, locked: Locked, order: Any, worker: str, until: datetime) -> Lease:
    scope = locked.scopes[row.scope_id]
    return Lease(
        url_id=row.id,
        turn=row.turns,
        order_id=CrawlOrderId(row.order_id),
        case_id=CaseId(order.case_id),
        scope_id=row.scope_id,
        host_id=scope.host_id,
        url=row.url,
        host=scope.host,
        net=Net(scope.net),
        tag=row.tag.hex(),
        kind=Kind(row.kind),
        depth=row.depth,
        tries=row.tries,
        worker=worker,
        until=until,
        robots_override=order.robots_override,
        backoff=locked.gate_of(row.scope_id).backoff,
    )


def _in_scope(tx: Connection, made: list[Lease], locked: Locked) -> list[Lease]:
    """Refuse what does not lie in its scope, however it came to wait there."""
    good: list[Lease] = []
    bad: list[Lease] = []
    for one in made:
        scope, address = locked.scopes[one.scope_id], urls.canonical(one.url)
        fits = address.host == scope.host and urls.under(address.path, scope.path)
        fits = fits and reaches_to(scope.depth, one.kind, one.depth)
        (good if fits else bad).append(one)
    refused = Outcome(state=State.REFUSED, reason="scope")
    if bad:
        frontier.finish_many(tx, [Finished(one, refused) for one in bad])
    return good
