"""Whatever happens in whatever order: all URLs are in one state, and every counter agrees."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from crawl_support import HASTY, Crawl, site
from msgspec.structs import replace

from tutela.core.errors import TutelaError
from tutela.crawl import leases, mirrors, standing, traps
from tutela.crawl import order as orders
from tutela.crawl.model import Kind, Lease, Link, Outcome, State

HOSTS = ("a.test", "b.test", "127.0.0.1", "localhost")
STEPS = 60


@dataclass
class Play:
    """Acts of workers and people, drawn from a seed."""

    crawl: Crawl
    chance: random.Random
    held: list[Lease] = field(default_factory=list)
    lost: list[Lease] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.order_id = self.crawl.ordered(*(site(host, 3) for host in HOSTS), host_pages=40)

    def step(self) -> None:
        acts = [self.lease, self.finish, self.finish, self.give_back, self.expire]
        acts += [self.finish_lost, self.crawl.due, self.seed, self.people]
        self.chance.choice(acts)()

    def lease(self) -> None:
        pace = replace(HASTY, lift_loopback=self.chance.random() < 0.7)
        self.held += self.crawl.lease(self.chance.randrange(1, 12), pace)

    def finish(self) -> None:
        if not self.held:
            return
        lease = self.held.pop(self.chance.randrange(len(self.held)))
        state = self.chance.choice([State.DONE] * 4 + [one for one in State if one != "leased"])
        outcome = Outcome(
            state=state,
            reason=f"r{self.chance.randrange(3)}",
            status=self.chance.choice([0, 200, 503]),
            overloaded=self.chance.random() < 0.1,
            wait_s=self.chance.choice([0, 0, 30, 1e9]),
            simhash=traps.simhash(" ".join(map(str, range(50)))),
        )
        links = [self._link() for _ in range(self.chance.randrange(12))]
        self.crawl.finish(lease, outcome, links)

    def _link(self) -> Link:
        host = self.chance.choice([*HOSTS, "outside.test"])
        path = self.chance.choice(["t/{}", "list?p={}", "cal/20{}/01", "m{}.png", "x/x/x/x/{}"])
        url = f"http://{host}/{path.format(self.chance.randrange(10, 60))}"
        kind = Kind.MEDIA if url.endswith("png") else Kind.PAGE
        return Link(url, kind, redirect=self.chance.random() < 0.1)

    def give_back(self) -> None:
        back, self.held = self.held[:2], self.held[2:]
        with self.crawl.database.write() as tx:
            assert leases.give_back(tx, back) == len(back)

    def expire(self) -> None:
        self.crawl.expire()
        self.lost, self.held = self.lost + self.held, []
        with self.crawl.database.write() as tx:
            leases.lease(tx, "nobody", 0, HASTY)

    def finish_lost(self) -> None:
        for lease in self.lost[:1]:
            with pytest.raises(TutelaError):
                self.crawl.finish(lease)

    def seed(self) -> None:
        self.crawl.seed(self.order_id, f"http://a.test/seed{self.chance.randrange(99)}x")

    def people(self) -> None:
        act = self.chance.randrange(4)
        with self.crawl.database.write() as tx:
            if act == 0:
                orders.pause(tx, self.crawl.asker, self.order_id, "a break")
            elif act == 1 and self.chance.random() < 0.3:
                mirrors.group(tx, self.crawl.asker, self.order_id, self.chance.sample(HOSTS, 2))
            else:
                orders.start(tx, self.crawl.asker, self.order_id)


@pytest.mark.parametrize("number", range(6))
def test_totals_add_up_whatever_happens(crawl, number):
    play = Play(crawl, random.Random(number))
    for _ in range(STEPS):
        play.step()
        crawl.assert_adds_up()
    with crawl.database.read() as tx:
        told = standing.of(tx, crawl.asker, play.order_id)
        whole = standing.report(tx, crawl.asker, play.order_id)
    states = crawl.states()
    assert {state: count for state, count in told.states.items() if count} == states
    assert told.found == sum(states.values())
    assert told.states["leased"] == len(play.held)
    assert sum(told.waits.values()) == told.states["waiting"]
    assert sum(count for *_, count in whole.outcomes) == told.found
    assert sum(sum(row.states.values()) for row in whole.hosts) == told.found
