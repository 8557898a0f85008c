"""What is known is raised, however a page writes its address and wherever a redirect leads."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from crawl_support import DONE, HASTY
from PIL import Image
from sqlalchemy import insert, select
from test_worker import Works

import planted_site
from planted_site import Server
from tutela.core.entry import ListEntry, Provenance, Role
from tutela.core.time import now
from tutela.crawl.events import Terms
from tutela.crawl.leases import lease
from tutela.crawl.reader import Reader
from tutela.crawl.visit import Visit
from tutela.crawl.worker import Sight
from tutela.fingerprint.digest import digests
from tutela.hashlist.library import Library
from tutela.hashlist.live import Change, LiveList
from tutela.observation.places import Hashed
from tutela.scan.hasher import Hasher
from tutela.store.tables.observation import MediaPlace

Answer = tuple[int, dict[str, str], bytes]
PICTURE = planted_site.original(7)


class Paths:
    """A site of few paths; what it does not have is not found."""

    def __init__(self, **paths: Answer | Callable[[], Answer]) -> None:
        self.paths = {f"/{name}": answer for name, answer in paths.items()}

    def answer(self, path: str) -> Answer:
        found = self.paths.get(path, (404, {}, b""))
        return found() if callable(found) else found


def html(body: str) -> Answer:
    page = f"<!DOCTYPE html><html><head><title>Stamps</title></head><body>{body}</body></html>"
    return 200, {"Content-Type": "text/html; charset=utf-8"}, page.encode()


def to(location: str) -> Answer:
    return 302, {"Location": location}, b""


JPEG: Answer = (200, {"Content-Type": "image/jpeg"}, PICTURE)


@pytest.fixture(scope="module")
def sight() -> Iterator[Sight]:
    with Reader(Terms(), jobs=1) as reader, Hasher(1) as hasher:
        yield Sight(reader, hasher)


@pytest.fixture
def works(small_crawl, sight, tmp_path) -> Works:
    """A worker that knows one picture."""
    library = Library.create(tmp_path / "library")
    live = LiveList.create(tmp_path / "library", "known", role=Role.ALERT)
    entry = ListEntry(Provenance("known", "test", 1, now()), digests(PICTURE))
    live.apply([Change(b"1", entry)], b"")
    library.refresh()
    return Works(small_crawl, sight, library, tmp_path)


def raised(works: Works) -> list[str]:
    with works.crawl.database.read() as tx:
        rows = tx.execute(select(MediaPlace.url).where(MediaPlace.raised_at.is_not(None)))
        return sorted(url.partition("://")[2].partition("/")[2] for url in rows.scalars())


def crawled(works: Works, site: Paths, **order: object) -> list[str]:
    """Crawl a site from its root on; return the paths that were asked for."""
    with Server(site) as server:
        works.order(server.host, **order)
        works.run()
        return [path for _, _, path in server.asked if path != "/robots.txt"]


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("my album.jpg", "my%20album.jpg"),
        ("größe.jpg", "gr%C3%B6%C3%9Fe.jpg"),
        ("a/./b.jpg", "a/b.jpg"),
        ("a.jpg?utm_source=board", "a.jpg"),
        ("%7Eada.jpg", "~ada.jpg"),
    ],
)
def test_a_known_picture_is_raised_however_its_address_is_written(works, written, asked):
    site = Paths(**{"": html(f'<img src="/{written}">'), asked: JPEG})
    crawled(works, site)
    assert raised(works) == [asked]


def test_a_known_picture_is_raised_however_a_redirect_writes_its_address(works):
    site = Paths(
        **{"": html('<img src="/a.jpg">'), "a.jpg": to("/%7eada.jpg?utm_source=a")},
        **{"~ada.jpg": JPEG},
    )
    crawled(works, site)
    assert raised(works) == ["~ada.jpg"]


def test_each_page_that_shows_a_redirected_picture_is_raised(works):
    """Also one that is read once the picture was found."""
    site = Paths(
        **{"": html('<img src="/a.jpg"><a href="/1">one</a>'), "a.jpg": to("/b.jpg")},
        **{"b.jpg": to("/c.jpg"), "c.jpg": JPEG, "1": html('<a href="/2">two</a>')},
        **{"2": html('<a href="/3">three</a>'), "3": html('<img src="/a.jpg">')},
    )
    asked = crawled(works, site)
    assert raised(works) == ["c.jpg", "c.jpg"]
    assert asked.count("/c.jpg") == 1


def test_a_picture_that_robots_forbid_is_had_by_an_order_that_may(works):
    robots = (200, {"Content-Type": "text/plain"}, b"User-agent: *\nDisallow: /a.jpg")
    site = Paths(**{"": html('<img src="/a.jpg">'), "a.jpg": JPEG, "robots.txt": robots})
    with Server(site) as server:
        works.order(server.host)
        works.run()
        assert raised(works) == []
        works.order(server.host, robots_override=True, robots_reason="the court says so")
        works.run()
    assert raised(works) == ["a.jpg"]


def test_media_that_lead_to_media_without_end_end(works):
    """None of these is a page of the budget, and all are as deep as the page that shows them."""
    site = Paths(**{"": html('<img src="/r/0.jpg"><img src="/p/0.jpg">')})
    whole = site.answer

    def endless(path: str) -> Answer:
        _, kind, *rest = path.split("/")
        if kind not in {"r", "p"}:
            return whole(path)
        more = f"/{kind}/{int(rest[0].partition('.')[0]) + 1}.jpg"
        return to(more) if kind == "r" else html(f'<img src="{more}">')

    site.answer = endless
    asked = Counter(path.split("/")[1] for path in crawled(works, site, depth=3))
    assert asked["r"] <= 10
    assert asked["p"] <= 10


def test_what_a_killed_worker_left_to_catch_up_on_is_raised_by_the_next(works):
    site = Paths(**{"": html('<img src="/a.jpg">'), "a.jpg": JPEG})
    crawled(works, site)
    with works.crawl.database.write() as tx:  # as if two had missed each other, and died
        row = tx.execute(select(MediaPlace.__table__)).one()._mapping
        lost = {"id": row["id"] + 1, "post": 7, "media_id": None, "raised_at": None}
        tx.execute(insert(MediaPlace).values({**row, **lost}))
    works.worker("w2").run()
    assert raised(works) == ["a.jpg", "a.jpg"]


def test_two_orders_that_get_different_things_at_one_address_know_each(works):
    """A site may answer differently each time; both came in one batch here."""
    other = planted_site.original(8)
    for _ in range(2):
        works.order("north.test")
    with works.crawl.database.write() as tx:
        first, second = (lease(tx, f"w{n}", 1, HASTY)[0] for n in range(2))
    keeper = works.worker()._keeper
    visits = [
        Visit(
            lease=one,
            outcome=DONE,
            hashed=Hashed(url=one.url, digests=digests(data), kind="image"),
        )
        for one, data in ((first, PICTURE), (second, other))
    ]
    assert [len(one.hashed.hits) for one in keeper._matched(visits)] == [1, 0]


def test_a_known_picture_that_browsers_show_as_a_page_is_raised(works):
    """It begins as a picture, says that it is a page, and holds one; nothing else shows it."""
    buffer = io.BytesIO()
    comment = b"<html><body><p>Stamps of today</p></body></html>"
    Image.open(io.BytesIO(PICTURE)).save(buffer, "JPEG", comment=comment)
    both = buffer.getvalue()
    live = LiveList.open(works.folder / "library", "known")
    entry = ListEntry(Provenance("known", "test", 1, now()), digests(both))
    live.apply([Change(b"2", entry)], b"")
    works.library.refresh()
    page = (200, {"Content-Type": "text/html"}, both)
    crawled(works, Paths(**{"": html('<a href="/today">today</a>'), "today": page}))
    assert raised(works) == ["today"]
