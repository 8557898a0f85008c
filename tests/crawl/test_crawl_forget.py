"""A deleted case takes its crawls along; what other cases crawl goes on."""

from __future__ import annotations

from crawl_support import Crawl, site
from sqlalchemy import func, select

from tutela.core.time import now
from tutela.crawl import forget
from tutela.store.tables.crawl import CrawlHost, CrawlOrder, CrawlScope, CrawlUrl


def count(crawl: Crawl, table: type) -> int:
    with crawl.database.read() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def test_nothing_of_a_case_is_left_and_others_go_on(crawl: Crawl):
    first = crawl.case
    crawl.ordered(site("a.test"), site("b.test"))
    leased = crawl.lease()
    assert leased
    crawl.case = crawl.office.make_case(0)
    other = crawl.ordered(site("b.test"))
    crawl.seed(other, "http://b.test/x")
    with crawl.database.write() as tx:
        forget.forget_case(tx, first.id, now())
    crawl.assert_adds_up()
    with crawl.database.read() as tx:
        assert set(tx.execute(select(CrawlUrl.order_id)).scalars()) == {other}
        assert set(tx.execute(select(CrawlScope.order_id)).scalars()) == {other}
        assert list(tx.execute(select(CrawlHost.host)).scalars()) == ["b.test"]
        orders = tx.execute(select(CrawlOrder.id, CrawlOrder.revoked_at, CrawlOrder.reference))
        assert {row.id: (row.revoked_at is None, row.reference) for row in orders}[other][0]
    crawl.due()
    assert {one.host for one in crawl.lease()} == {"b.test"}
    with crawl.database.write() as tx:
        forget.forget_case(tx, crawl.case.id, now())
    assert count(crawl, CrawlUrl) == count(crawl, CrawlHost) == 0
