"""Orders, leases and totals for tests of the crawl: sites are names, nothing is fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from casework_office import MadeCase, Office
from sqlalchemy import func, select, update

from tutela.access import approvals
from tutela.core.ids import CrawlOrderId
from tutela.core.principal import Principal, Role
from tutela.core.time import now
from tutela.crawl import frontier, leases, onion
from tutela.crawl import order as orders
from tutela.crawl.model import Finished, Lease, Link, NewOrder, Outcome, Pace, Scope, State
from tutela.store import Database
from tutela.store.tables.audit import AuditEvent, AuditText
from tutela.store.tables.crawl import CrawlHost, CrawlLeft, CrawlScope, CrawlUrl

HASTY = Pace(interval=timedelta(0), lift_loopback=True, lift_onion=True)
POLITE = Pace()
DONE = Outcome(state=State.DONE, reason="ok", status=200, size_bytes=1000)


def onion_host(name: str) -> str:
    """Return an address of a key made here: nobody has its other half."""
    return onion.address(hashlib.sha256(name.encode()).digest())


@dataclass
class Crawl:
    """A case, the supervisor who asks and the one who grants."""

    office: Office
    case: MadeCase = field(init=False)
    asker: Principal = field(init=False)
    second: Principal = field(init=False)

    def __post_init__(self) -> None:
        with self.database.write() as tx:
            self.second = self.office.hire(tx, "second", Role.SUPERVISOR)
        self.asker = self.office.person("supervisor")
        self.case = self.office.make_case(0)

    @property
    def database(self) -> Database:
        return self.office.database

    def wanted(self, scopes: Sequence[Scope], **changed: object) -> NewOrder:
        given = {
            "legal_basis": "Test Act, section 7",
            "reference": "CR-1",
            "issuing_authority": "Test Court",
            "valid_from": now() - timedelta(days=1),
            "valid_until": now() + timedelta(days=30),
            "page_budget": 1_000_000,
        }
        return NewOrder(scopes=tuple(scopes), **{**given, **changed})

    def ordered(self, *scopes: Scope, start: bool = True, **changed: object) -> CrawlOrderId:
        """Ask, grant, carry out and start."""
        host_pages = changed.pop("host_pages", 1_000_000)
        with self.database.write() as tx:
            wanted = self.wanted(scopes, **changed)
            number = orders.ask(tx, self.asker, self.case.id, wanted, "needed")
            approvals.decide(tx, self.second, number, granted=True)
            made = orders.carry_out(tx, self.asker, self.case.id, number, host_pages=host_pages)
            if start:
                orders.start(tx, self.asker, made)
        return made

    def lease(self, count: int = 50, pace: Pace = HASTY, worker: str = "w1") -> list[Lease]:
        with self.database.write() as tx:
            return leases.lease(tx, worker, count, pace)

    def finish(
        self, lease: Lease, outcome: Outcome = DONE, links: Sequence[str | Link] = ()
    ) -> int:
        whole = tuple(Link(one) if isinstance(one, str) else one for one in links)
        with self.database.write() as tx:
            return frontier.finish_many(tx, [Finished(lease, outcome, whole)])

    def seed(self, order_id: CrawlOrderId, *urls: str) -> int:
        with self.database.write() as tx:
            return frontier.add_seeds(tx, self.asker, order_id, urls)

    def states(self) -> dict[str, int]:
        with self.database.read() as tx:
            counted = select(CrawlUrl.state, func.count().label("count")).group_by(CrawlUrl.state)
            return {row.state: row[1] for row in tx.execute(counted)}

    def reasons(self) -> dict[str, int]:
        with self.database.read() as tx:
            counted = select(CrawlUrl.reason, func.count().label("count")).group_by(CrawlUrl.reason)
            return {row.reason: row[1] for row in tx.execute(counted)}

    def left(self) -> dict[str, int]:
        with self.database.read() as tx:
            return {row.reason: row.links for row in tx.execute(select(CrawlLeft.__table__))}

    def assert_adds_up(self) -> None:
        """Hold every counter against the rows that it counts."""
        with self.database.read() as tx:
            rows = tx.execute(select(CrawlUrl.scope_id, CrawlUrl.state)).all()
            scopes = tx.execute(select(CrawlScope.__table__)).all()
            hosts = tx.execute(select(CrawlHost.__table__)).all()
        gate = {one.id: one.gate_id for one in scopes}
        for one in scopes:
            waiting = sum((s, state) == (one.id, "waiting") for s, state in rows)
            assert one.waiting == waiting, "a scope counts other URLs than wait"
        for host in hosts:
            mine = [state for s, state in rows if gate[s] == host.id]
            assert host.waiting == mine.count("waiting"), "a host counts other URLs than wait"
            assert host.in_flight == mine.count("leased"), "a host counts other URLs than leased"

    def expire(self) -> None:
        """Let all leases run out."""
        with self.database.write() as tx:
            tx.execute(
                update(CrawlUrl)
                .where(CrawlUrl.state == "leased")
                .values(leased_until=now() - timedelta(seconds=1))
            )

    def due(self) -> None:
        """Let all that waits be due, as if time had passed."""
        past = now() - timedelta(seconds=1)
        with self.database.write() as tx:
            tx.execute(update(CrawlUrl).values(next_at=past))
            tx.execute(update(CrawlHost).values(next_at=past))

    def logged(self, action: str) -> list[str]:
        with self.database.read() as tx:
            asked = select(AuditEvent.body).where(AuditEvent.action == action)
            return [body.decode() for body in tx.execute(asked.order_by(AuditEvent.seq)).scalars()]

    def bodies(self) -> str:
        with self.database.read() as tx:
            return "\n".join(b.decode() for b in tx.execute(select(AuditEvent.body)).scalars())

    def words(self) -> str:
        with self.database.read() as tx:
            return "\n".join(tx.execute(select(AuditText.text)).scalars())


def site(host: str, depth: int = 5, path: str = "/") -> Scope:
    """Return a scope that begins at the root of a path."""
    return orders.scope(f"http://{host}{path}", depth, path)
