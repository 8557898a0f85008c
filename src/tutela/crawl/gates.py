"""The rows that everything about a host goes through, one transaction at a time; SQL only.

Whoever changes the URLs of a host holds the lock of its gate (`CrawlHost.gate_id`): so counters
stay exact, no URL is found twice, and two transactions that lock gates in the order of their ids
never wait for each other in a circle. Who leases takes only gates that nobody else holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from tutela.core.errors import ConflictError
from tutela.store.bulk import update_rows
from tutela.store.tables.crawl import CrawlHost, CrawlScope

_TRIES = 3


@dataclass
class Gate:
    """A host that others may share the pace of; what is set here is written by `write`."""

    id: int
    next_at: datetime
    in_flight: int
    waiting: int
    delay_ms: int | None
    backoff: int
    trouble: str


@dataclass
class Counted:
    """A scope and its counters; what is set here is written by `write`."""

    id: int
    order_id: int
    host_id: int
    gate_id: int
    host: str
    net: str
    loopback: bool
    path: str
    depth: int
    dropped: bool
    pages_taken: int
    media_taken: int
    waiting: int
    leased_at: datetime


class Locked:
    """Gates and scopes that this transaction may change."""

    def __init__(self, gates: Mapping[int, Gate], scopes: Mapping[int, Counted]) -> None:
        self.gates = gates
        self.scopes = scopes

    def gate_of(self, scope_id: int) -> Gate:
        """Return the gate of a scope."""
        return self.gates[self.scopes[scope_id].gate_id]

    def wait(self, scope_id: int, count: int) -> None:
        """Count so many more (or fewer) URLs of a scope that wait."""
        self.scopes[scope_id].waiting += count
        self.gate_of(scope_id).waiting += count

    def write(self, tx: Connection) -> None:
        """Write the counters."""
        update_rows(
            tx,
            CrawlHost,
            [
                {
                    "id": gate.id,
                    "next_at": gate.next_at,
                    "in_flight": gate.in_flight,
                    "waiting": gate.waiting,
                    "backoff": gate.backoff,
                    "trouble": gate.trouble,
                }
                for gate in self.gates.values()
            ],
        )
        update_rows(
            tx,
            CrawlScope,
            [
                {
                    "id": one.id,
                    "pages_taken": one.pages_taken,
                    "media_taken": one.media_taken,
                    "waiting": one.waiting,
                    "leased_at": one.leased_at,
                }
                for one in self.scopes.values()
            ],
        )


def lock(tx: Connection, scope_ids: Iterable[int]) -> Locked:
    """Lock the gates of scopes, and return them with their counters.

    Raises:
        ConflictError: the groups of mirrors change all the time.
    """
    wanted = sorted(set(scope_ids))
    scopes = _scopes(tx, wanted)
    for _ in range(_TRIES):
        gate_ids = {one.gate_id for one in scopes.values()}
        gates = _gates(tx, gate_ids, skip_locked=False)
        # A statement of its own: what it sees was not changed since the lock was had.
        scopes = _scopes(tx, wanted)
        if {one.gate_id for one in scopes.values()} == gate_ids:
            return Locked(gates, scopes)
    raise ConflictError("the groups of mirrors changed meanwhile")


def lock_free(tx: Connection, gate_ids: Iterable[int]) -> dict[int, Gate]:
    """Lock those of some gates that nobody else holds, and return them."""
    return _gates(tx, gate_ids, skip_locked=True)


def read(tx: Connection, scope_ids: Iterable[int]) -> Locked:
    """Return what a transaction has locked already."""
    scopes = _scopes(tx, sorted(set(scope_ids)))
    asked = _asked(sorted({one.gate_id for one in scopes.values()}))
    return Locked({row.id: _gate(row) for row in tx.execute(asked)}, scopes)


def _gates(tx: Connection, gate_ids: Iterable[int], *, skip_locked: bool) -> dict[int, Gate]:
    asked = _asked(sorted(set(gate_ids))).with_for_update(skip_locked=skip_locked)
    return {row.id: _gate(row) for row in tx.execute(asked)}


def _asked(gate_ids: list[int]) -> Any:
    return (
        select(
            CrawlHost.id,
            CrawlHost.next_at,
            CrawlHost.in_flight,
            CrawlHost.waiting,
            CrawlHost.delay_ms,
            CrawlHost.backoff,
            CrawlHost.trouble,
        )
        .where(CrawlHost.id.in_(gate_ids))
        .order_by(CrawlHost.id)
    )


def _gate(row: Any) -> Gate:
    return Gate(*row)


def _scopes(tx: Connection, scope_ids: list[int]) -> dict[int, Counted]:
    rows: Any = tx.execute(
        select(
            CrawlScope.id,
            CrawlScope.order_id,
            CrawlScope.host_id,
            CrawlScope.gate_id,
            CrawlHost.host,
            CrawlHost.net,
            CrawlHost.loopback,
            CrawlScope.path,
            CrawlScope.depth,
            CrawlScope.dropped_at.is_not(None),
            CrawlScope.pages_taken,
            CrawlScope.media_taken,
            CrawlScope.waiting,
            CrawlScope.leased_at,
        )
        .join(CrawlHost, CrawlHost.id == CrawlScope.host_id)
        .where(CrawlScope.id.in_(scope_ids))
    )
    return {row.id: Counted(*row) for row in rows}
