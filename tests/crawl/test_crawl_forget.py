"""A case that is deleted takes what its crawls found along."""

from __future__ import annotations

import pytest
from crawl_support import HASTY, onion_host, site
from sqlalchemy import func, select

from tutela.core.errors import ConflictError
from tutela.core.time import now
from tutela.crawl import forget
from tutela.store.tables.crawl import CrawlLeft, CrawlOrder, CrawlOutside, CrawlShape, CrawlUrl


def test_no_address_stays_of_a_deleted_case(crawl):
    north = onion_host("north")
    order = crawl.ordered(site(north))
    crawl.seed(order, f"http://{north}/", f"http://{north}/secret")
    done, under_way = crawl.lease(2)
    crawl.finish(done, links=[f"http://{north}/a", "http://other.test/"])
    with crawl.database.write() as tx:
        forget.forget_case(tx, crawl.case.id, now())
    with crawl.database.read() as tx:
        for table in (CrawlUrl, CrawlShape, CrawlLeft, CrawlOutside):
            assert tx.execute(select(func.count()).select_from(table)).scalar_one() == 0
        assert tx.execute(select(CrawlOrder.revoked_at)).scalar_one() is not None
    crawl.assert_adds_up()
    assert crawl.lease(5, HASTY) == []
    with pytest.raises(ConflictError, match="leased to another"):
        crawl.finish(under_way)
