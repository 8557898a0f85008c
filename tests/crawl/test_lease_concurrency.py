"""Many workers at once, some of which die: each URL is leased to one, and comes to one end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from crawl_killed import worker
from crawl_support import DONE, HASTY, site
from msgspec.structs import replace
from sqlalchemy import select

from tutela.core.errors import TutelaError
from tutela.crawl import frontier, leases
from tutela.crawl import order as orders
from tutela.crawl.model import Finished, Link
from tutela.store.tables.crawl import CrawlUrl

HOSTS = ("127.0.0.1", "127.0.0.2", "localhost")
WORKERS = 8


def seeded(crawl, count):
    order_id = crawl.ordered(*(site(host) for host in HOSTS))
    crawl.seed(order_id, *(f"http://{host}/{n}" for host in HOSTS for n in range(count)))
    return order_id


def test_eight_workers_never_share_a_url_and_links_between_hosts_are_found_once(crawl):
    seeded(crawl, 40)
    taken: list[tuple[int, int]] = []

    def work(name: int) -> None:
        empty = 0
        while empty < 20:
            found = crawl.lease(10, HASTY, f"w{name}")
            empty = 0 if found else empty + 1
            if not found:
                time.sleep(0.01)
                continue
            taken.extend((one.url_id, one.turn) for one in found)
            # All pages link to the same pages, on all hosts: their gates are locked in one order.
            links = tuple(Link(f"http://{host}/all/{n}") for n in range(5) for host in HOSTS[::-1])
            with crawl.database.write() as tx:
                frontier.finish_many(tx, [Finished(one, DONE, links) for one in found])

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(work, range(WORKERS)))
    assert max(Counter(taken).values()) == 1, "leased to two at a time"
    assert crawl.states() == {"done": 3 * 41 + 15}
    crawl.assert_adds_up()
    with crawl.database.read() as tx:
        assert set(tx.execute(select(CrawlUrl.turns)).scalars()) == {1}


def test_workers_killed_at_any_moment_lose_no_url_and_double_none(crawl):
    seeded(crawl, 60)
    pace = replace(HASTY, lease=HASTY.lease / 200)
    context = multiprocessing.get_context("spawn")
    heard: list[tuple[int, int]] = []
    killed = 0
    for round_ in range(2):
        pipes, processes = [], []
        for number in range(2):
            ours, theirs = context.Pipe(duplex=False)
            words = (str(crawl.database.url), f"r{round_}w{number}", theirs, pace)
            process = context.Process(target=worker, args=words, daemon=True)
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        for ours in pipes:
            ours.recv()  # it works
        time.sleep(0.05)
        for process in processes:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
            killed += 1
        for ours in pipes:
            heard += drained(ours)
    crawl.expire()
    deadline = time.monotonic() + 60
    while set(crawl.states()) != {"done"} and time.monotonic() < deadline:
        found = crawl.lease()
        heard += [(one.url_id, one.turn) for one in found]
        for one in found:
            crawl.finish(one)
        if not found:
            crawl.due()
    assert crawl.states() == {"done": 3 * 61}
    assert killed == 4
    assert max(Counter(heard).values()) == 1, "one turn of a URL was given to two"
    crawl.assert_adds_up()


def drained(pipe) -> list[tuple[int, int]]:
    found = []
    try:
        while pipe.poll():
            found += pipe.recv()
    except (EOFError, OSError):
        pass
    return found


def test_an_order_revoked_while_workers_run_gives_nothing_more(crawl):
    order_id = seeded(crawl, 300)
    after: list[int] = []
    revoked = threading.Event()
    begun = threading.Barrier(4)

    def work(name: int) -> None:
        begun.wait()
        for _ in range(15):
            known = revoked.is_set()
            found = crawl.lease(5, HASTY, f"w{name}")
            if known:
                after.append(len(found))
            for one in found:
                crawl.finish(one)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    begun.wait()
    with crawl.database.write() as tx:
        orders.revoke(tx, crawl.asker, order_id, "withdrawn")
    revoked.set()
    for thread in threads:
        thread.join()
    assert sum(after) == 0
    assert crawl.lease() == []
    assert "leased" not in crawl.states()
    crawl.assert_adds_up()


def test_a_reclaimer_and_a_finisher_meet(crawl):
    """A lease that runs out while its worker finishes ends once: by either of them."""
    for _ in range(5):
        order_id = crawl.ordered(site("127.0.0.1"))
        (mine,) = [one for one in crawl.lease() if one.order_id == order_id]
        crawl.expire()
        ends: list[str] = []

        def finish(mine=mine, ends=ends) -> None:
            try:
                crawl.finish(mine)
                ends.append("done")
            except TutelaError as error:
                ends.append(error.code)

        def reclaim(ends=ends, order_id=order_id) -> None:
            with crawl.database.write() as tx:
                found = leases.lease(tx, "other", 5, HASTY)
                ends.append(str(sum(one.order_id == order_id for one in found)))

        both = [threading.Thread(target=finish), threading.Thread(target=reclaim)]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join()
        assert sorted(ends) in (["0", "done"], ["1", "lease_lost"], ["0", "lease_lost"])
        crawl.assert_adds_up()


@pytest.mark.parametrize("most", [1, 3])
def test_a_budget_holds_against_eight_at_once(crawl, most):
    order_id = crawl.ordered(*(site(host) for host in HOSTS), page_budget=10 * most)
    crawl.seed(order_id, *(f"http://{host}/{n}" for host in HOSTS for n in range(30)))

    def work(name: int) -> int:
        return sum(len(crawl.lease(most, HASTY, f"w{name}")) for _ in range(10))

    with ThreadPoolExecutor(WORKERS) as pool:
        assert sum(pool.map(work, range(WORKERS))) == 10 * most
    crawl.assert_adds_up()
