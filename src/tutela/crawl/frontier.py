"""What waits to be fetched: seeds go in, leases come back with what they found.

`leases.lease` hands URLs out; here each comes to its end, in the transaction that keeps what its
page said. All URLs found are in one state of `model.State`: the counts add up, always.

Locks are taken in one order: gates, URLs, the log. A transaction calls `finish_many` once, for all
that it finishes, and writes no event of its own before (`events` takes them).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from tutela.audit import log
from tutela.audit.log import Event
from tutela.core.errors import ConflictError, UsageError
from tutela.core.ids import CrawlOrderId
from tutela.core.principal import SYSTEM, Principal
from tutela.core.time import now
from tutela.crawl import found, gates, politeness, traps
from tutela.crawl.found import From, Shapes, priority
from tutela.crawl.gates import Gate, Locked
from tutela.crawl.model import MOST_TRIES, Finished, Kind, Lease, Link, Outcome, State
from tutela.store.bulk import update_rows
from tutela.store.tables.crawl import CrawlOrder, CrawlUrl


class _Overload(NamedTuple):
    """What leases of one host met: why, what it asked for, and its back-off when they began."""

    trouble: str
    asked_s: float
    backoff: int


# How a lease may end.
_ENDS = frozenset(State) - {State.LEASED}


def finish(tx: Connection, lease: Lease, outcome: Outcome, links: Iterable[Link] = ()) -> int:
    """Bring one lease to its end; see `finish_many`."""
    return finish_many(tx, [Finished(lease, outcome, tuple(links))])


def finish_many(
    tx: Connection,
    finished: Sequence[Finished],
    *,
    events: Iterable[Event] = (),
    limits: traps.Limits | None = None,
) -> int:
    """Bring leases to their end, and put what their pages link to where it belongs.

    A link in scope becomes a URL that waits, once; one outside is counted, its host as a MAC.

    Args:
        tx: A transaction that writes; the caller's, with what the pages said.
        finished: Each lease with its outcome and links; of any orders.
        events: What else there is to log; kept after those of the leases.
        limits: Of traps.

    Returns:
        How many URLs are new.

    Raises:
        ConflictError: code `lease_lost`: one of them was leased to another meanwhile. Nothing may
            be kept of its page; `leases.held` tells beforehand.
        UsageError: a lease cannot end as `leased`.
    """
    moment = now()
    if any(one.outcome.state not in _ENDS for one in finished):
        raise UsageError("a lease cannot end as leased")
    pages = [
        From(one.lease.order_id, one.lease.depth, one.links, one.lease.kind) for one in finished
    ]
    sorted_ = found.sort(tx, pages, _keys(tx, {one.lease.order_id for one in finished}))
    own = {one.lease.scope_id for one in finished}
    locked = gates.lock(tx, own | sorted_.scope_ids())
    places = _refuse_lost(tx, finished)
    seen = {
        (one.lease.scope_id, places[one.lease.url_id])
        for one in finished
        if one.outcome.simhash is not None
    }
    shapes = Shapes(tx, found.shapes_of(sorted_) | seen, limits or traps.Limits())
    _end(tx, finished, locked, moment)
    new = found.insert(tx, sorted_, locked, shapes, moment)
    _heed_likeness(tx, finished, places, locked, shapes, moment)
    shapes.write()
    locked.write(tx)
    found.leave(tx, sorted_, moment)
    log.record_many(tx, SYSTEM, [*map(_event, finished), *events])
    return new


def add_seeds(tx: Connection, who: Principal, order_id: CrawlOrderId, seeds: Iterable[str]) -> int:
    """Put URLs of an order at depth 0 where they wait; return how many are new.

    The caller has asked whether `who` may. What is outside the scope of the order is refused.

    Raises:
        InputError: one of them is no URL that can be crawled (`urls.canonical`).
        UsageError: code `scope`: one of them lies outside the scope; nothing is added.
    """
    moment = now()
    links = tuple(Link(seed) for seed in seeds)
    sorted_ = found.sort(tx, [From(order_id, -1, links)], _keys(tx, {order_id}))
    if sorted_.left:
        codes = ", ".join(sorted({code for _, code in sorted_.left}))
        raise UsageError(
            f"{sorted_.left.total()} of these URLs cannot be crawled under this order ({codes})",
            code="scope",
            hint="a seed lies in the scope that was granted; tutela crawl report shows it",
        )
    locked = gates.lock(tx, sorted_.scope_ids())
    shapes = Shapes(tx, found.shapes_of(sorted_), traps.Limits())
    new = found.insert(tx, sorted_, locked, shapes, moment)
    shapes.write()
    locked.write(tx)
    if new:
        log.record(tx, who, "crawl.seeded", f"crawl:{order_id}", urls=new)
    return new


def _keys(tx: Connection, order_ids: set[CrawlOrderId]) -> dict[int, bytes]:
    rows = tx.execute(
        select(CrawlOrder.id, CrawlOrder.tag_key).where(CrawlOrder.id.in_(sorted(order_ids)))
    )
    return {row.id: row.tag_key for row in rows}


def _refuse_lost(tx: Connection, finished: Sequence[Finished]) -> dict[int, int]:
    """Lock the URLs of leases that all still hold, and return the shape of each."""
    wanted = {(one.lease.url_id, one.lease.turn, one.lease.worker) for one in finished}
    rows = tx.execute(
        select(CrawlUrl.id, CrawlUrl.turns, CrawlUrl.leased_by, CrawlUrl.shape)
        .where(
            CrawlUrl.id.in_(sorted(one.lease.url_id for one in finished)),
            CrawlUrl.state == State.LEASED.value,
            # Those of others are not to be locked: they may wait for a gate that we hold.
            CrawlUrl.leased_by.in_(sorted({one.lease.worker for one in finished})),
        )
        .order_by(CrawlUrl.id)
        .with_for_update()
    ).all()
    lost = wanted - {(row.id, row.turns, row.leased_by) for row in rows}
    if lost or len(wanted) != len(finished):
        raise ConflictError(
            "a URL was leased to another meanwhile: what was read of it is not kept",
            code="lease_lost",
        )
    return {row.id: row.shape for row in rows}


def _end(tx: Connection, finished: Sequence[Finished], locked: Locked, moment: datetime) -> None:
    rows = []
    overloaded: dict[int, _Overload] = {}
    answered: set[int] = set()
    for lease, outcome, _ in map(_parts, finished):
        gate = locked.gate_of(lease.scope_id)
        gate.in_flight = max(gate.in_flight - 1, 0)
        if outcome.overloaded:
            before = overloaded.get(gate.id, _Overload("", 0.0, 0))
            overloaded[gate.id] = _Overload(
                outcome.reason,
                max(outcome.wait_s, before.asked_s),
                max(lease.backoff, before.backoff),
            )
        elif outcome.status:
            answered.add(gate.id)
        state, tries = ended(lease, outcome)
        if state is State.WAITING:
            locked.wait(lease.scope_id, 1)
        rows.append(_values(lease, outcome, state, tries, moment))
    update_rows(tx, CrawlUrl, rows)
    for gate_id in answered - set(overloaded):
        gate = locked.gates[gate_id]
        gate.backoff, gate.trouble = 0, ""
    for gate_id, seen in overloaded.items():
        _leave_alone(locked.gates[gate_id], seen, moment)


def _leave_alone(gate: Gate, seen: _Overload, moment: datetime) -> None:
    """Back off from a host; what was leased before it last began is of the same incident."""
    gate.trouble = seen.trouble
    wait = politeness.bounded(seen.asked_s)
    if gate.backoff <= seen.backoff:
        gate.backoff += 1
        wait = politeness.backed_off(gate.backoff, seen.asked_s)
    gate.next_at = max(gate.next_at, moment + wait)


def ended(lease: Lease, outcome: Outcome) -> tuple[State, int]:
    """Return the state that a lease ends in, and how often its URL failed then."""
    tries = lease.tries + (outcome.state in {State.WAITING, State.FAILED})
    if outcome.state is State.WAITING and tries >= MOST_TRIES:
        return State.FAILED, tries
    return outcome.state, tries


def _parts(one: Finished) -> tuple[Lease, Outcome, tuple[Link, ...]]:
    return one.lease, one.outcome, one.links


def _values(
    lease: Lease, outcome: Outcome, state: State, tries: int, moment: datetime
) -> dict[str, Any]:
    waits = state is State.WAITING
    pause = max(politeness.retried(tries).total_seconds(), outcome.wait_s) if waits else 0.0
    return {
        "id": lease.url_id,
        "state": state.value,
        "reason": outcome.reason,
        "status": outcome.status,
        "size_bytes": outcome.size_bytes,
        "same_as": bytes.fromhex(outcome.same_as) or None,
        "tries": tries,
        "priority": priority(lease.kind, lease.depth, tries if waits else 0),
        "next_at": moment + politeness.bounded(pause),
        "leased_by": None,
        "leased_until": None,
        "ended_at": None if waits else moment,
    }


def _heed_likeness(  # noqa: PLR0913, PLR0917 the steps of one transaction share all of this
    tx: Connection,
    finished: Sequence[Finished],
    places: Mapping[int, int],
    locked: Locked,
    shapes: Shapes,
    moment: datetime,
) -> None:
    """Let a shape end whose pages say the same again and again: what waits of it is skipped."""
    for lease, outcome, _ in map(_parts, finished):
        if outcome.simhash is None or outcome.state is not State.DONE:
            continue
        shape = places[lease.url_id]
        if lease.kind is not Kind.PAGE or not shapes.saw(lease.scope_id, shape, outcome.simhash):
            continue
        skipped = tx.execute(
            update(CrawlUrl)
            .where(
                CrawlUrl.scope_id == lease.scope_id,
                CrawlUrl.state == State.WAITING.value,
                CrawlUrl.kind == Kind.PAGE.value,
                CrawlUrl.shape == shape,
            )
            .values(state=State.SKIPPED.value, reason="trap_same_text", ended_at=moment)
        ).rowcount
        locked.wait(lease.scope_id, -skipped)


def _event(one: Finished) -> Event:
    lease, outcome, links = _parts(one)
    state, _ = ended(lease, outcome)
    return Event(
        "crawl.asked",
        f"crawl:{lease.order_id}",
        {
            "url": lease.tag,
            "kind": lease.kind.value,
            "state": state.value,
            "reason": outcome.reason,
            "status": outcome.status,
            "size_bytes": outcome.size_bytes,
            "links": len(links),
        },
    )
