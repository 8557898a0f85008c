"""What happens to a worker whose tor ends or cannot be started, and whose database stutters."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from test_worker import Straight, Works

from planted_site import Server, Site
from tutela.core.errors import FetchError, ServiceError
from tutela.crawl import order as orders
from tutela.crawl import robots, switch
from tutela.crawl.events import Terms
from tutela.crawl.reader import Reader
from tutela.crawl.worker import Sight
from tutela.fetch.stream import Answer, Client
from tutela.fetch.way import Clear
from tutela.scan.hasher import Hasher
from tutela.store.tables.crawl import CrawlUrl


@pytest.fixture(scope="module")
def sight() -> Iterator[Sight]:
    with Reader(Terms(), jobs=1) as reader, Hasher(1) as hasher:
        yield Sight(reader, hasher)


@pytest.fixture
def works(small_crawl, sight, tmp_path) -> Works:
    return Works(small_crawl, sight, None, tmp_path)


def tries(works: Works) -> int:
    with works.crawl.database.read() as tx:
        return tx.execute(select(func.max(CrawlUrl.tries))).scalar_one()


def test_a_tor_that_ended_is_started_again_and_nothing_counts_as_failed(works, monkeypatch):
    """A stand-in: a way whose every request fails as one through a dead tor does."""
    started: list[Clear] = []

    class Ways(Straight):
        def way(self, *_: object) -> Clear:
            started.append(Clear(allow_loopback=True))
            return started[-1]

    real = Client.get

    def get(self: Client, *args: object, **more: object) -> object:
        return real(self, *args, **more) if self._way is not started[0] else Dead()

    class Dead:
        async def __aenter__(self) -> Answer:
            raise FetchError("tor ended meanwhile", code="tor_down")

        async def __aexit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(Client, "get", get)
    with Server(Site("north", 1)) as server:
        works.order(server.host)
        worker = works.worker()
        worker._ways = Ways()
        worker.run()
        assert any(path == "/thread/0" for _, _, path in server.asked)
    assert len(started) == 2
    assert tries(works) <= 1, "one trap of the site alone"
    assert works.crawl.states().get("leased", 0) == 0


def test_a_tor_that_cannot_be_started_ends_the_worker_and_its_leases(works):
    class Ways(Straight):
        def way(self, *_: object) -> Clear:
            raise FetchError("tor ended: no such option", code="tor_down")

    works.order("north.test")
    worker = works.worker()
    worker._ways = Ways()
    with pytest.raises(FetchError, match="no such option"):
        worker.run()
    assert works.crawl.states() == {"waiting": 1}
    works.crawl.assert_adds_up()


def test_the_switch_in_the_database_holds_after_the_database_stuttered(works, monkeypatch):
    real, failed = switch.held_by, []

    def held_by(*args: object) -> str:
        if not failed:
            failed.append(1)
            raise ServiceError("the database went away", code="database")
        return real(*args)

    monkeypatch.setattr(switch, "held_by", held_by)
    with Server(Site("north", 30), delay_s=0.2) as server:
        works.order(server.host)
        worker = works.worker(until_idle=False, at_once=4)
        thread = threading.Thread(target=worker.run)
        thread.start()
        while len(server.asked) < 8 or not failed:
            time.sleep(0.01)
        with works.crawl.database.write() as tx:
            switch.stop(tx, works.crawl.asker, "a test")
        thread.join(5)
    assert not thread.is_alive()
    assert worker.state.stopped == "switch"


def test_what_a_pause_cuts_off_is_given_back_at_once(works):
    with Server(Site("north", 30), delay_s=0.8) as server:
        number = works.order(server.host)
        worker = works.worker(until_idle=False, at_once=8)
        thread = threading.Thread(target=worker.run)
        thread.start()
        while len(server.asked) < 6:
            time.sleep(0.01)
        with works.crawl.database.write() as tx:
            orders.pause(tx, works.crawl.asker, number, "a question")
        until = time.monotonic() + 5
        while works.crawl.states().get("leased", 0) and time.monotonic() < until:
            time.sleep(0.05)
        left = works.crawl.states().get("leased", 0)
        worker._setup.signal_file.touch()
        thread.join(10)
    assert left == 0
    works.crawl.assert_adds_up()


def test_a_site_whose_robots_fail_for_a_while_is_crawled_later(works, monkeypatch):
    monkeypatch.setattr(robots, "CLOSED_FOR", timedelta(0))
    site = Site("north", 1)
    real, status = site.answer, [503]

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        return (status[0], {}, b"") if path == "/robots.txt" and status else real(path)

    site.answer = answer
    with Server(site) as server:
        works.order(server.host)
        works.run()
        assert {path for _, _, path in server.asked} == {"/robots.txt"}
        assert works.crawl.states() == {"waiting": 1}
        status.clear()
        works.crawl.due()
        works.run()
        assert any(path == "/thread/0" for _, _, path in server.asked)
