"""URLs are found once, leased to one, come to an end, and all are counted; on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from crawl_support import DONE, HASTY, POLITE, onion_host, site

from tutela.core.errors import ConflictError, UsageError
from tutela.core.time import now
from tutela.crawl import leases, picking, tags
from tutela.crawl.model import Kind, Link, Net, Outcome, Pace, State

RETRY = Outcome(state=State.WAITING, reason="timeout")


def test_a_page_is_leased_and_its_links_wait(crawl):
    order_id = crawl.ordered(site("127.0.0.1"))
    (lease,) = crawl.lease()
    assert (lease.url, lease.depth, lease.order_id) == ("http://127.0.0.1/", 0, order_id)
    assert (lease.kind, lease.net, lease.case_id) == (Kind.PAGE, Net.CLEAR, crawl.case.id)
    assert crawl.lease() == []
    links = ["http://127.0.0.1/b", "http://127.0.0.1/b#x", "HTTP://127.0.0.1:80/c", lease.url]
    assert crawl.finish(lease, DONE, links) == 2
    assert {one.url for one in crawl.lease()} == {"http://127.0.0.1/b", "http://127.0.0.1/c"}
    assert crawl.states() == {"done": 1, "leased": 2}
    crawl.assert_adds_up()


def test_nobody_else_gets_what_is_leased(crawl):
    order_id = crawl.ordered(site("127.0.0.1"))
    crawl.seed(order_id, *(f"http://127.0.0.1/{n}" for n in range(99)))
    taken = [one.url_id for n in range(4) for one in crawl.lease(30, worker=f"w{n}")]
    assert len(taken) == len(set(taken)) == 64  # in flight at a time, also where lifted
    crawl.assert_adds_up()


def test_a_polite_host_gives_one_at_a_time_and_two_in_flight(crawl):
    order_id = crawl.ordered(site("shop.test"))
    crawl.seed(order_id, *(f"http://shop.test/{n}" for n in range(9)))
    assert len(crawl.lease(pace=POLITE)) == 1
    assert crawl.lease(pace=POLITE) == []
    crawl.due()
    assert len(crawl.lease(pace=POLITE)) == 1
    crawl.due()
    assert crawl.lease(pace=POLITE) == []
    crawl.assert_adds_up()


def test_limits_are_lifted_on_loopback_and_nowhere_else(crawl):
    far = onion_host("far")
    order_id = crawl.ordered(site("shop.test"), site("127.0.0.1"), site("localhost"), site(far))
    for host in ("shop.test", "127.0.0.1", "localhost", far):
        crawl.seed(order_id, *(f"http://{host}/{n}" for n in range(4)))
    found = crawl.lease(pace=Pace(lift_loopback=True))
    hosts = [one.host for one in found]
    assert {host: hosts.count(host) for host in hosts} == {
        "shop.test": 1,
        far: 1,
        "127.0.0.1": 5,
        "localhost": 5,
    }


def test_a_lost_worker_s_urls_are_given_to_another_and_its_own_word_counts_no_more(crawl):
    crawl.ordered(site("127.0.0.1"))
    (lost,) = crawl.lease(worker="lost")
    crawl.expire()
    (again,) = crawl.lease(worker="other")
    assert (again.url_id, again.turn, again.tries) == (lost.url_id, 2, 1)
    crawl.assert_adds_up()
    with pytest.raises(ConflictError) as refused:
        crawl.finish(lost, DONE, ["http://127.0.0.1/never"])
    assert refused.value.code == "lease_lost"
    with crawl.database.write() as tx:
        assert leases.held(tx, [lost]) == frozenset()
        assert leases.held(tx, [again]) == {again.url_id}
    crawl.finish(again)
    assert crawl.states() == {"done": 1}
    assert len(crawl.logged("crawl.reclaimed")) == 1


def test_a_url_that_kills_each_worker_fails(crawl):
    crawl.ordered(site("127.0.0.1"))
    for _ in range(5):
        assert len(crawl.lease()) == 1
        crawl.expire()
    assert crawl.lease() == []
    assert (crawl.states(), crawl.reasons()) == ({"failed": 1}, {"lease_lost": 1})
    crawl.assert_adds_up()


def test_a_url_is_tried_five_times_with_growing_pauses(crawl):
    crawl.ordered(site("127.0.0.1"))
    for _ in range(5):
        (lease,) = crawl.lease()
        crawl.finish(lease, RETRY)
        assert crawl.lease() == []
        crawl.due()
    assert crawl.states() == {"failed": 1}
    crawl.assert_adds_up()


def test_what_is_given_back_counts_neither_as_tried_nor_as_a_page(crawl):
    crawl.ordered(site("127.0.0.1"), page_budget=1)
    for _ in range(3):
        found = crawl.lease()
        assert [one.tries for one in found] == [0]
        with crawl.database.write() as tx:
            assert leases.give_back(tx, found) == 1
        crawl.assert_adds_up()
    with crawl.database.write() as tx:
        assert leases.give_back(tx, found) == 0


def test_an_overloaded_host_is_left_alone_and_then_asked_again(crawl):
    order_id = crawl.ordered(site("127.0.0.1"))
    crawl.seed(order_id, "http://127.0.0.1/b", "http://127.0.0.1/c")
    first, second, _ = crawl.lease()
    crawl.finish(first, Outcome(state=State.WAITING, reason="busy", status=429, overloaded=True))
    assert crawl.lease() == []
    crawl.due()
    assert len(crawl.lease()) == 1
    crawl.finish(second)
    crawl.assert_adds_up()


def test_requests_that_fail_together_are_one_incident(crawl):
    def backoff() -> int:
        with crawl.database.read() as tx:
            return tx.exec_driver_sql("SELECT max(backoff) FROM crawl_hosts").scalar_one()

    order_id = crawl.ordered(site("127.0.0.1"))
    crawl.seed(order_id, *(f"http://127.0.0.1/{n}" for n in range(3)))
    silent = Outcome(state=State.WAITING, reason="timeout", overloaded=True)
    for lease in crawl.lease():
        crawl.finish(lease, silent)
    assert backoff() == 1, "all of them were under way when it began"
    crawl.due()
    lease, *others = crawl.lease()
    crawl.finish(lease, silent)
    assert backoff() == 2
    for one in others:
        crawl.finish(one)
    assert backoff() == 0
    crawl.assert_adds_up()


def test_links_outside_are_counted_and_never_kept(crawl):
    order_id = crawl.ordered(site("127.0.0.1", path="/forum/", depth=1))
    (lease,) = crawl.lease()
    links = [
        "http://elsewhere.test/secret-name",
        "http://elsewhere.test/other",
        "http://127.0.0.1/private",
        "http://127.0.0.1/forumextra",
        "ftp://127.0.0.1/forum/x",
        "http://user@127.0.0.1/forum/",
        "http://127.0.0.1/forum/deep",
    ]
    assert crawl.finish(lease, DONE, links) == 1
    assert crawl.left() == {"outside": 2, "path": 2, "url_scheme": 1, "url_userinfo": 1}
    (deep,) = crawl.lease()
    assert crawl.finish(deep, DONE, ["http://127.0.0.1/forum/deeper"]) == 0
    assert crawl.left()["depth"] == 1
    with crawl.database.read() as tx:
        whole = "".join(
            str(row) for table in OUTSIDE for row in tx.exec_driver_sql(f"SELECT * FROM {table}")
        )
        key = tx.exec_driver_sql("SELECT tag_key FROM crawl_orders").scalar_one()
        kept = tx.exec_driver_sql("SELECT tag, links FROM crawl_outside").one()
    assert "elsewhere" not in whole + crawl.bodies() + crawl.words()
    assert tuple(kept) == (tags.of_host(bytes(key), "elsewhere.test"), 2)
    assert order_id == 1


OUTSIDE = ("crawl_outside", "crawl_left", "crawl_urls", "crawl_hosts")


def test_the_log_names_no_url_and_no_host(crawl):
    crawl.ordered(site("quiet.test"))
    (lease,) = crawl.lease()
    crawl.finish(lease)
    assert "quiet.test" not in crawl.bodies()
    assert "quiet.test" in crawl.words()
    (body,) = crawl.logged("crawl.asked")
    assert f'"url":"{lease.tag}"' in body


def test_media_are_as_deep_as_their_page_and_redirects_too(crawl):
    crawl.ordered(site("127.0.0.1", depth=0))
    (lease,) = crawl.lease()
    links = [
        Link("http://127.0.0.1/a.png", Kind.MEDIA),
        Link("http://127.0.0.1/moved", redirect=True),
        Link("http://127.0.0.1/next"),
    ]
    assert crawl.finish(lease, DONE, links) == 2
    assert [(one.url[17:], one.kind, one.depth) for one in crawl.lease()] == [
        ("moved", Kind.PAGE, 0),
        ("a.png", Kind.MEDIA, 0),
    ]


def test_budgets_hold_for_pages_and_media_come_all_the_same(crawl):
    order_id = crawl.ordered(site("127.0.0.1"), site("localhost"), page_budget=7, host_pages=5)
    crawl.seed(order_id, *(f"http://127.0.0.1/{n}" for n in range(20)))
    first = crawl.lease()
    assert len(first) == 6  # five of one host, the first of the other
    crawl.finish(first[0], DONE, [Link("http://127.0.0.1/m.png", Kind.MEDIA)])
    crawl.seed(order_id, *(f"http://localhost/{n}" for n in range(20)))
    assert sorted(one.kind for one in crawl.lease()) == [Kind.MEDIA, Kind.PAGE]
    assert crawl.lease() == []
    crawl.assert_adds_up()


def test_a_seed_outside_is_refused_as_a_whole(crawl):
    order_id = crawl.ordered(site("127.0.0.1"))
    with pytest.raises(UsageError) as refused:
        crawl.seed(order_id, "http://127.0.0.1/ok", "http://elsewhere.test/")
    assert refused.value.code == "scope"
    assert crawl.states() == {"waiting": 1}


def test_one_lease_cannot_end_twice_nor_as_leased(crawl):
    crawl.ordered(site("127.0.0.1"))
    (lease,) = crawl.lease()
    with pytest.raises(UsageError):
        crawl.finish(lease, Outcome(state=State.LEASED, reason="odd"))
    crawl.finish(lease)
    with pytest.raises(ConflictError):
        crawl.finish(lease)
    crawl.assert_adds_up()


def test_the_nearest_come_first_and_a_batch_spreads_over_hosts(crawl):
    hosts = [f"h{n}.test" for n in range(5)]
    order_id = crawl.ordered(*(site(host) for host in hosts))
    for host in hosts:
        crawl.seed(order_id, *(f"http://{host}/{n}" for n in range(10)))
    found = crawl.lease(3, POLITE)
    assert len({one.host for one in found}) == 3
    rest = crawl.lease(50, POLITE)
    assert sorted({one.host for one in found + rest}) == hosts


def test_a_lease_runs_as_long_as_its_pace_says(crawl):
    crawl.ordered(site("127.0.0.1"))
    pace = Pace(lease=timedelta(seconds=-1), lift_loopback=True)
    (first,) = crawl.lease(pace=pace)
    (second,) = crawl.lease(pace=HASTY)
    assert (first.url_id, second.turn) == (second.url_id, 2)


@pytest.mark.parametrize("pace", [HASTY, POLITE])
def test_a_lease_looks_its_urls_up_in_the_index_however_many_wait(crawl, pace):
    order_id = crawl.ordered(site("127.0.0.1"))
    for start in range(0, 20_000, 5_000):
        seeds = (f"http://127.0.0.1/{n}" for n in range(start, start + 5_000))
        assert crawl.seed(order_id, *seeds) == 5_000
    with crawl.database.write() as tx:
        dialect = tx.dialect.name
        if dialect == "postgresql":
            tx.exec_driver_sql("ANALYZE")
        chosen = picking.chosen(dialect, pace).params(picking.bound(now(), 50, pace))
        plain = str(chosen.compile(tx, compile_kwargs={"literal_binds": True}))
        how = "EXPLAIN" if dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        plan = "\n".join(str(row[-1]) for row in tx.exec_driver_sql(f"{how} {plain}"))
    assert "ix_crawl_urls_next" in plan
    assert "Seq Scan on crawl_urls" not in plan
    assert "SCAN crawl_urls" not in plan
    assert len(crawl.lease(pace=pace)) == (1 if pace is POLITE else 50)
