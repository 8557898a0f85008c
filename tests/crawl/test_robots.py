"""robots.txt: read as RFC 9309 says, kept, and heeded by the pace."""

from __future__ import annotations

import time

import pytest
from crawl_support import POLITE, site
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from tutela.core.time import now
from tutela.crawl import robots, urls
from tutela.store.tables.crawl import CrawlHost

EXAMPLE = b"""\xef\xbb\xbfUser-agent: other
Disallow: /

User-Agent: *
Disallow: /private/   # not for anybody
Allow: /private/open
Crawl-delay: 7
Disallow: /*.gif$
Disallow: /search?*q=
Disallow:
"""


def allows(body: bytes, path: str) -> bool:
    return robots.parse(body).allows(urls.canonical(f"http://a.test{path}"))


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", True),
        ("/private/x", False),
        ("/private/open/x", True),
        ("/x.gif", False),
        ("/x.gif?y=1", True),
        ("/search?p=1&q=2", False),
        ("/search?p=1", True),
        ("/robots.txt", True),
    ],
)
def test_the_longest_rule_counts(path, allowed):
    assert allows(EXAMPLE, path) is allowed


def test_rules_for_us_stand_in_place_of_those_for_everybody():
    body = EXAMPLE + b"\nUser-agent: Tutela/1.0\nUser-agent: x\nDisallow: /ours\n"
    assert allows(body, "/private/x")
    assert not allows(body, "/ours")
    assert robots.parse(EXAMPLE).delay_s == 7
    assert robots.parse(body).delay_s is None
    assert not allows(body + b"User-agent: tutela\nDisallow: /more", "/more")


def test_octets_are_compared_in_one_way():
    assert not allows("User-agent: *\nDisallow: /caf\u00e9".encode(), "/caf%c3%a9")
    assert not allows(b"User-agent: *\nDisallow: /%7Ea", "/~a")
    assert allows(b"User-agent: *\nDisallow: /x\nAllow: /x", "/x")


def test_an_absent_file_allows_and_a_failing_server_closes():
    page = urls.canonical("http://a.test/x")
    for status in (404, 403, 410):
        assert robots.read(status, b"User-agent: *\nDisallow: /").allows(page)
    for status in (0, 500, 503, 429, 302):
        assert not robots.read(status, b"").allows(page)
    assert robots.read(500, b"").allows(urls.canonical("http://a.test/robots.txt"))


@given(st.binary(max_size=300))
def test_no_body_breaks_it(body):
    allows(body, "/x?y=z")


def test_a_hostile_file_costs_little():
    body = b"User-agent: *\n" + b"Disallow: /" + b"*a" * 5000 + b"b$\n"
    body += b"Disallow: /y*z\n" * 200_000
    begun = time.perf_counter()
    read = robots.parse(body)
    assert len(read.rules) <= robots.MOST_RULES
    assert read.allows(urls.canonical("http://a.test/" + "a" * 2000))
    assert time.perf_counter() - begun < 3


def test_it_is_kept_and_its_pause_is_heeded(crawl):
    crawl.ordered(site("shop.test"))
    (lease,) = crawl.lease(pace=POLITE)
    origin = urls.canonical(lease.url).origin
    assert origin == "http://shop.test"
    with crawl.database.write() as tx:
        assert robots.known(tx, lease.host_id, origin) is None
        said = robots.record(tx, lease, origin, 200, EXAMPLE)
    with crawl.database.read() as tx:
        assert robots.known(tx, lease.host_id, origin) == said
    crawl.finish(lease, links=["http://shop.test/b", "http://shop.test/c"])
    crawl.due()
    assert len(crawl.lease(pace=POLITE)) == 1
    with crawl.database.read() as tx:
        next_at = tx.execute(select(CrawlHost.next_at)).scalar_one()
    assert 5 < (next_at - now()).total_seconds() <= 7
    (body,) = crawl.logged("crawl.robots")
    assert "shop.test" not in body
