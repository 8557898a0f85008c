"""Nothing is crawled without an order of two persons, and nothing beyond it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from crawl_support import HASTY, Crawl, onion_host, site
from msgspec.structs import replace
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from tutela.access import approvals
from tutela.casework import case as cases
from tutela.core.errors import AccessError, InputError, TutelaError, UsageError
from tutela.core.ids import ApprovalId, CrawlOrderId
from tutela.core.principal import Role
from tutela.core.time import now
from tutela.crawl import mirrors, standing, switch
from tutela.crawl import order as orders
from tutela.store.tables.casework import Authority
from tutela.store.tables.crawl import CrawlHost, CrawlOrder, CrawlScope

SITE = "127.0.0.1"


def refused(crawl: Crawl, do) -> str:
    with crawl.database.write() as tx:
        try:
            do(tx)
        except TutelaError as error:
            return error.code
    raise AssertionError("it was not refused")


def asked(crawl: Crawl, *scopes, **changed) -> ApprovalId:
    with crawl.database.write() as tx:
        wanted = crawl.wanted(scopes or [site(SITE)], **changed)
        return orders.ask(tx, crawl.asker, crawl.case.id, wanted, "needed")


def test_an_order_takes_two_persons_and_is_made_once(crawl):
    number = asked(crawl)

    def make(who):
        return lambda tx: orders.carry_out(tx, who, crawl.case.id, number)

    assert refused(crawl, make(crawl.asker)) == "second_person"
    assert (
        refused(crawl, lambda tx: approvals.decide(tx, crawl.asker, number, granted=True))
        == "second_person"
    )
    with crawl.database.write() as tx:
        approvals.decide(tx, crawl.second, number, granted=True)
    with crawl.database.write() as tx:
        made = make(crawl.second)(tx)
    assert refused(crawl, make(crawl.asker)) == "second_person"
    with crawl.database.read() as tx:
        order = orders.find(tx, crawl.asker, made)
    assert (order.asked_by, order.granted_by) == (crawl.asker.account_id, crawl.second.account_id)
    assert (order.started_at, order.reference) == (None, "CR-1")
    assert crawl.lease() == []


def test_the_database_itself_refuses_an_order_of_one_person(crawl):
    made = crawl.ordered(site(SITE))
    number = asked(crawl)
    with crawl.database.read() as tx:
        row = tx.execute(select(CrawlOrder.__table__).where(CrawlOrder.id == made)).one()
    alone = {**row._mapping, "approval_id": number, "granted_by": row.asked_by}
    del alone["id"]
    with pytest.raises(IntegrityError), crawl.database.write() as tx:
        tx.execute(insert(CrawlOrder).values(**alone))


def test_what_was_asked_is_what_is_made(crawl):
    far = onion_host("far")
    scopes = [orders.scope(f"http://{far}/board/index.php?f=2", 4), site("a.test", path="/x_y/")]
    wanted = crawl.wanted(scopes, robots_override=True, robots_reason="section 3 of the order")
    told = orders.body_of(wanted)
    again = orders.order_of(told)
    assert replace(again, valid_from=wanted.valid_from, valid_until=wanted.valid_until) == wanted
    assert abs(again.valid_until - wanted.valid_until) < timedelta(seconds=1)
    assert told["scope_1"] == f"http://{far}/board/index.php?f=2 below /board/ to depth 4"


@pytest.mark.parametrize(
    "changed",
    [
        {"legal_basis": " "},
        {"reference": ""},
        {"issuing_authority": ""},
        {"issuing_authority": "two\nlines"},
        {"page_budget": 0},
        {"robots_override": True},
        {"valid_until": now() - timedelta(hours=1)},
        {"valid_from": now() + timedelta(days=99)},
        {"scopes": ()},
        {"scopes": (site(SITE), site(SITE))},
    ],
)
def test_an_order_that_is_not_complete_is_not_asked_for(small_crawl, changed):
    crawl = small_crawl
    scopes = changed.pop("scopes", (site(SITE),))
    wanted = crawl.wanted(scopes, **changed)
    code = refused(crawl, lambda tx: orders.ask(tx, crawl.asker, crawl.case.id, wanted, "needed"))
    assert code == "order"


def test_a_scope_is_the_folder_of_its_url():
    assert orders.scope("http://a.test/x/y.php?z=1", 2).path == "/x/"
    assert orders.scope("http://a.test", 0).path == "/"
    assert orders.scope("http://a.test/x/y", 2, "/x").path == "/x"
    for path in ("/other/", "x", ""):
        with pytest.raises(UsageError):
            orders.scope("http://a.test/x/y", 2, path)
    with pytest.raises(UsageError):
        orders.scope("http://a.test/", 51)
    with pytest.raises(InputError):
        orders.scope("http://user@a.test/", 1)


def test_who_may_not_crawl_asks_for_nothing_and_sees_nothing(crawl):
    made = crawl.ordered(site(SITE))
    examiner = crawl.office.person("examiner")
    stranger = crawl.office.person("supervisor", 1)
    for who in (examiner, stranger):
        for do in (
            lambda tx, who=who: orders.ask(
                tx, who, crawl.case.id, crawl.wanted([site(SITE)]), "needed"
            ),
            lambda tx, who=who: orders.find(tx, who, made),
            lambda tx, who=who: orders.start(tx, who, made),
            lambda tx, who=who: orders.pause(tx, who, made, "x"),
            lambda tx, who=who: orders.revoke(tx, who, made, "x"),
            lambda tx, who=who: orders.drop(tx, who, made, SITE, "x"),
            lambda tx, who=who: standing.report(tx, who, made),
        ):
            assert refused(crawl, do) == "refused"
    assert refused(crawl, lambda tx: orders.find(tx, crawl.asker, CrawlOrderId(99))) == "refused"
    with crawl.database.read() as tx:
        assert orders.list_(tx, stranger) == []
        assert [one.id for one in orders.list_(tx, crawl.asker)] == [made]
        with pytest.raises(AccessError):
            orders.list_(tx, examiner)
    with crawl.database.write() as tx:
        investigator = crawl.office.hire(tx, "investigator", Role.INVESTIGATOR)
    with crawl.database.read() as tx:
        assert orders.list_(tx, investigator) == []


HELD = {
    "paused": lambda tx, crawl, made: orders.pause(tx, crawl.asker, made, "a break"),
    "revoked": lambda tx, crawl, made: orders.revoke(tx, crawl.asker, made, "withdrawn"),
    "stopped": lambda tx, crawl, _: switch.stop(tx, crawl.asker, "danger"),
    "case_closed": lambda tx, crawl, _: cases.close(tx, crawl.asker, crawl.case.id),
    "authority": lambda tx, *_: tx.execute(
        update(Authority).values(valid_until=now() - timedelta(seconds=1))
    ),
    "expired": lambda tx, *_: tx.execute(
        update(CrawlOrder).values(valid_until=now() - timedelta(seconds=1))
    ),
    "not_yet": lambda tx, *_: tx.execute(
        update(CrawlOrder).values(valid_from=now() + timedelta(days=1))
    ),
    "not_started": lambda tx, *_: tx.execute(update(CrawlOrder).values(started_at=None)),
}


@pytest.mark.parametrize("code", sorted(HELD))
def test_what_ends_the_right_ends_the_leases_and_status_says_so(crawl, code):
    made = crawl.ordered(site(SITE))
    crawl.seed(made, *(f"http://{SITE}/{n}" for n in range(9)))
    (first,) = crawl.lease(1)
    with crawl.database.write() as tx:
        HELD[code](tx, crawl, made)
    assert crawl.lease() == []
    with crawl.database.read() as tx:
        assert switch.held_by(tx, made) == code
        assert switch.is_held(tx, made)
        told = standing.of(tx, crawl.asker, made)
    assert (told.held_by, told.waits, told.found) == (code, {code: 9}, 10)
    # What was asked for already is still said: no row stays leased.
    crawl.finish(first, links=[f"http://{SITE}/late"])
    assert crawl.states() == {"done": 1, "waiting": 10}
    crawl.assert_adds_up()


def test_a_pause_ends_by_a_start_and_a_revocation_never(crawl):
    made = crawl.ordered(site(SITE))
    with crawl.database.write() as tx:
        orders.pause(tx, crawl.asker, made, "a break")
        orders.pause(tx, crawl.asker, made, "again")
    with crawl.database.write() as tx:
        assert orders.start(tx, crawl.asker, made, [f"http://{SITE}/more"]) == 1
    assert len(crawl.lease()) == 2
    with crawl.database.write() as tx:
        orders.revoke(tx, crawl.asker, made, "withdrawn")
    assert refused(crawl, lambda tx: orders.start(tx, crawl.asker, made)) == "order"
    assert refused(crawl, lambda tx: orders.revoke(tx, crawl.asker, made, "x")) == "order"
    assert refused(crawl, lambda tx: orders.pause(tx, crawl.asker, made, " ")) == "usage"
    assert len(crawl.logged("crawl.paused")) == 1
    assert "withdrawn" in crawl.words()
    assert "withdrawn" not in crawl.bodies()


def test_a_dropped_host_is_leased_no_more_and_links_to_it_are_left(crawl):
    made = crawl.ordered(site(SITE), site("localhost"))
    (mine,) = crawl.lease(1)
    with crawl.database.write() as tx:
        assert orders.drop(tx, crawl.asker, made, "localhost", "not ours") == 1
    crawl.finish(mine, links=["http://localhost/x", f"http://{SITE}/x"])
    assert all(one.host == SITE for one in crawl.lease())
    assert crawl.left()["outside"] == 1
    code = refused(crawl, lambda tx: orders.drop(tx, crawl.asker, made, "b.test", "x"))
    assert code == "scope"
    with crawl.database.read() as tx:
        assert "localhost" in {
            row.host for row in standing.report(tx, crawl.asker, made).hosts if row.dropped
        }


def test_a_url_that_does_not_lie_in_its_scope_is_refused_at_the_lease(crawl):
    crawl.ordered(site(SITE, path="/forum/"))
    with crawl.database.write() as tx:
        tx.execute(update(CrawlScope).values(path="/other/"))
    assert crawl.lease() == []
    assert (crawl.states(), crawl.reasons()) == ({"refused": 1}, {"scope": 1})
    crawl.assert_adds_up()


def test_one_order_s_end_is_not_another_s(crawl):
    one, other = crawl.ordered(site(SITE)), crawl.ordered(site(SITE), site("localhost"))
    with crawl.database.write() as tx:
        orders.revoke(tx, crawl.asker, one, "withdrawn")
    found = crawl.lease()
    assert {lease.order_id for lease in found} == {other}
    assert {lease.host for lease in found} == {SITE, "localhost"}


def test_mirrors_share_one_pace(crawl):
    made = crawl.ordered(site("a.test"), site("b.test"), site("c.test"))
    with crawl.database.write() as tx:
        assert mirrors.group(tx, crawl.asker, made, ["b.test", "A.test"]) == 2
        assert mirrors.group(tx, crawl.asker, made, ["b.test", "c.test"]) == 2
    with crawl.database.read() as tx:
        gates = tx.execute(select(CrawlHost.gate_id)).scalars().all()
    assert len(set(gates)) == 1
    assert len(crawl.lease(pace=replace(HASTY, interval=timedelta(seconds=2)))) == 1
    crawl.due()
    (lease,) = crawl.lease(pace=replace(HASTY, interval=timedelta(seconds=2)))
    crawl.finish(lease, links=["http://c.test/x", "http://a.test/x"])
    crawl.assert_adds_up()
    for hosts in (["a.test"], ["a.test", "elsewhere.test"]):
        assert (
            refused(crawl, lambda tx, h=hosts: mirrors.group(tx, crawl.asker, made, h)) == "scope"
        )


def test_a_mirror_of_this_machine_is_lifted_by_no_switch(crawl):
    made = crawl.ordered(site("127.0.0.1"), site("shop.test"))
    with crawl.database.write() as tx:
        mirrors.group(tx, crawl.asker, made, ["127.0.0.1", "shop.test"])
    for host in ("127.0.0.1", "shop.test"):
        crawl.seed(made, *(f"http://{host}/{n}" for n in range(5)))
    hosts = [one.host for one in crawl.lease()]
    assert hosts.count("shop.test") <= 1
    crawl.due()
    assert [one.host for one in crawl.lease()].count("shop.test") == 0, "two are in flight"
    crawl.assert_adds_up()


def test_who_knows_a_name_can_ask_whether_pages_led_there(crawl):
    made = crawl.ordered(site(SITE))
    (lease,) = crawl.lease()
    crawl.finish(lease, links=["http://elsewhere.test/1", "http://elsewhere.test/2"])
    with crawl.database.read() as tx:
        assert standing.outside(tx, crawl.asker, made, "Elsewhere.test") == 2
        assert standing.outside(tx, crawl.asker, made, "other.test") == 0
        with pytest.raises(AccessError):
            standing.outside(tx, crawl.office.person("supervisor", 1), made, "other.test")


def test_status_says_why_each_url_waits(crawl):
    made = crawl.ordered(site("a.test"), page_budget=3, host_pages=2)
    crawl.seed(made, *(f"http://a.test/{n}" for n in range(5)))

    def waits():
        with crawl.database.read() as tx:
            told = standing.of(tx, crawl.asker, made)
        assert told.found == sum(told.states.values()) == 6
        assert sum(told.waits.values()) == told.states["waiting"]
        return told.waits

    assert waits() == {"ready": 6}
    polite = replace(HASTY, interval=timedelta(seconds=9))
    (first,) = crawl.lease(pace=polite)
    assert waits() == {"politeness": 5}
    crawl.due()
    (second,) = crawl.lease(pace=polite)
    assert waits() == {"host_budget": 4}
    crawl.finish(first)
    crawl.finish(second)
    with crawl.database.read() as tx:
        made_of = standing.report(tx, crawl.asker, made)
    assert made_of.outcomes == (("done", "ok", 2), ("waiting", "", 4))
    (row,) = made_of.hosts
    assert (row.host, row.pages_taken, row.size_bytes, row.robots) == ("a.test", 2, 2000, None)


def test_an_order_of_a_thousand_hosts_fits_into_the_log(small_crawl):
    made = small_crawl.ordered(*(site(f"host{n}.test") for n in range(1000)))
    with small_crawl.database.read() as tx:
        assert standing.of(tx, small_crawl.asker, made).found == 1000
