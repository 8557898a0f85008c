"""A worker on a site of this machine: all that is planted is found, nothing else is asked for."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from crawl_support import HASTY, Crawl
from sqlalchemy import func, select

import planted_site
from planted_site import Server, Site
from tutela.core.entry import Classification, ListEntry, Provenance, Role
from tutela.crawl import order as orders
from tutela.crawl import signal_file
from tutela.crawl.events import Terms
from tutela.crawl.keeping import Keeper, Keeping
from tutela.crawl.model import Pace
from tutela.crawl.reader import Reader
from tutela.crawl.worker import Setup, Sight, State, Worker
from tutela.evidence.vault.master import LocalKey
from tutela.evidence.vault.vault import Vault
from tutela.fetch.way import Clear
from tutela.fingerprint import content
from tutela.fingerprint.digest import digests
from tutela.hashlist.library import Library
from tutela.hashlist.live import Change, LiveList
from tutela.observation.notices import Policy
from tutela.observation.sealing import Words
from tutela.scan.hasher import Hasher
from tutela.store.tables.observation import MediaPlace, Notice, Post, SeenHit, SeenMedia, SitePage


class Straight:
    """Everything leaves straight, also to this machine."""

    def way(self, *_: object) -> Clear:
        return Clear(allow_loopback=True)

    def stop(self) -> None:
        pass


@pytest.fixture(scope="module")
def sight() -> Iterator[Sight]:
    with Reader(Terms(), jobs=1) as reader, Hasher(1) as hasher:
        yield Sight(reader, hasher)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A hash list of what is planted on `north`."""
    path = tmp_path_factory.mktemp("library") / "library"
    library = Library.create(path)
    live = LiveList.create(path, "known", role=Role.ALERT)
    origin = Provenance("known", "test", 1, datetime(2026, 1, 1, tzinfo=UTC))
    entries = [
        ListEntry(
            origin,
            digests(picture),
            tuple(f for f in content.fingerprint(picture) if f.variant == "original"),
            (Classification("uk-abc", "A"),),
        )
        for picture in planted_site.listed("north", 2)
    ]
    live.apply([Change(bytes([n]), one) for n, one in enumerate(entries)], b"")
    library.refresh()
    return library


@dataclass
class Works:
    """Runs workers for one crawl."""

    crawl: Crawl
    sight: Sight
    library: Library
    folder: Path
    states: list[State] = field(default_factory=list)

    @property
    def signal(self) -> Path:
        return self.folder / "stop"

    def worker(self, name: str = "w1", pace: Pace = HASTY, **setup: object) -> Worker:
        vault = Vault(self.folder / "vault", LocalKey(bytes(32)))
        how = Keeping(policy=Policy(indicative=True))
        keeper = Keeper(self.crawl.database, Words(vault), self.library, how)
        wanted = {"until_idle": True, "idle_s": 1.0, **setup}
        made = Setup(name=name, signal_file=self.signal, pace=pace, **wanted)
        return Worker(self.crawl.database, self.sight, keeper, Straight(), made)

    def run(self, **setup: object) -> State:
        return self.worker(**setup).run()

    def order(self, host: str, depth: int = 8, **changed: object) -> int:
        made = self.crawl.ordered(orders.scope(f"http://{host}/", depth), **changed)
        self.crawl.seed(made, f"http://{host}/")
        return made

    def rows(self, *columns: object) -> list:
        with self.crawl.database.read() as tx:
            return tx.execute(select(*columns)).all()


@pytest.fixture
def works(crawl, sight, known, tmp_path) -> Works:
    return Works(crawl, sight, known, tmp_path)


@pytest.fixture
def small_works(small_crawl, sight, known, tmp_path) -> Works:
    return Works(small_crawl, sight, known, tmp_path)


def test_all_that_is_planted_is_found_and_raised(works):
    with Server(Site("north", 2)) as server:
        works.order(server.host)
        state = works.run()
        paths = Counter(path for _, _, path in server.asked)
    assert {method for _, method, _ in server.asked} == {"GET"}
    assert max(paths.values()) == 1, "nothing is fetched twice"
    assert not any(path.startswith("/private") for path in paths)
    works.crawl.assert_adds_up()
    assert works.crawl.states().keys() <= {"done", "failed", "refused", "skipped"}
    hits = dict(_hits(works))
    wanted = {f"{thread}/{place}" for thread in range(2) for place in range(3)}
    assert set(hits) == wanted
    assert {hits[f"{thread}/0"] for thread in range(2)} == {("exact", "original")}
    assert {hits[f"{thread}/1"] for thread in range(2)} == {("indicative", "original")}
    assert {hits[f"{thread}/2"][0] for thread in range(2)} == {"indicative"}
    assert state.totals.known == 6
    assert len(works.crawl.logged("media.raised")) == 6
    assert {row.kind for row in works.rows(Notice.kind)} == {"hotline"}


def _hits(works: Works) -> list[tuple[str, tuple[str, str]]]:
    with works.crawl.database.read() as tx:
        rows = tx.execute(
            select(MediaPlace.url, SeenHit.strength, SeenHit.variant)
            .join(SeenHit, SeenHit.media_id == MediaPlace.media_id)
            .where(MediaPlace.raised_at.is_not(None))
            .order_by(SeenHit.distance_bits.desc())
        ).all()
    return [(url.rpartition("/picture/")[2], (how, variant)) for url, how, variant in rows]


def test_every_post_is_kept_with_its_author_and_its_own_words(small_works):
    with Server(Site("north", 2)) as server:
        small_works.order(server.host)
        small_works.run()
    posts = small_works.rows(Post.thread, Post.key, Post.account_id, Post.posted_at, Post.id)
    assert len(posts) == 2 * planted_site.POSTS
    assert all(row.account_id and row.posted_at for row in posts)
    vault = Vault(small_works.folder / "vault", LocalKey(bytes(32)))
    with small_works.crawl.database.read() as tx:
        words = Words(vault).opened(tx, [row.id for row in posts])
    assert all("of my album" in text and "blue" not in text for text in words.values())


def test_what_attacks_a_crawler_ends_with_its_reason(small_works):
    with Server(Site("north", 1)) as server:
        small_works.order(server.host)
        small_works.run()
        asked = [path for _, _, path in server.asked]
    reasons = small_works.crawl.reasons()
    assert reasons["robots"] == 1
    assert reasons["moved"] == 5, "four steps of the loop, and one that leads out of scope"
    assert small_works.crawl.left()["outside"] >= 2
    assert asked.count("/trap/loop/1") == 1
    # Of a bomb as much is read as of any page.
    pages = dict(map(tuple, small_works.rows(SitePage.url, SitePage.truncated)))
    # Whether its ratio is found out before that hangs on how it comes.
    assert reasons.get("bomb") or pages[f"http://{server.host}/trap/bomb"] == ["bytes"]
    # A page that is a picture is hashed like one; a broken picture has digests alone.
    troubles = dict(map(tuple, small_works.rows(SeenMedia.size_bytes, SeenMedia.trouble)))
    assert "truncated" in troubles.values()
    assert len(small_works.rows(SitePage.id)) > 3


def test_a_calendar_without_end_ends(small_works):
    with Server(Site("north", 0)) as server:
        small_works.order(server.host, depth=50)
        small_works.run()
        days = [path for _, _, path in server.asked if "calendar" in path]
    assert 5 <= len(days) <= 20
    assert small_works.crawl.reasons()["trap_same_text"] >= 1


def test_a_site_that_is_overloaded_is_left_alone(small_works):
    site = Site("north", 3)
    site._thread = planted_site._fails
    with Server(site) as server:
        small_works.order(server.host)
        small_works.run()
        asked = Counter(path for _, _, path in server.asked)
    assert all(asked[f"/thread/{n}"] <= 1 for n in range(3))
    assert small_works.crawl.states()["waiting"] >= 3


def test_the_kill_switch_ends_every_request_within_a_second(small_works):
    with Server(Site("north", 40), delay_s=0.3) as server:
        small_works.order(server.host)
        worker = small_works.worker(until_idle=False, at_once=16)
        thread = threading.Thread(target=worker.run)
        thread.start()
        while len(server.asked) < 20:
            time.sleep(0.01)
        stopped = time.monotonic()
        signal_file.write(small_works.signal)
        thread.join(10)
        ended = time.monotonic()
        time.sleep(0.5)
        last = max(moment for moment, _, _ in server.asked)
    assert not thread.is_alive()
    assert last - stopped < 1.0
    assert ended - stopped < 5.0
    assert worker.state.stopped == "switch"
    assert small_works.crawl.states().get("leased", 0) == 0, "what was under way is given back"
    small_works.crawl.assert_adds_up()


def test_an_order_that_is_revoked_meanwhile_stops_and_another_goes_on(small_works):
    with Server(Site("north", 30), delay_s=0.2) as one, Server(Site("south", 1)) as other:
        first = small_works.order(one.host)
        small_works.order(other.host)
        worker = small_works.worker(at_once=8)
        thread = threading.Thread(target=worker.run)
        thread.start()
        while len(one.asked) < 10:
            time.sleep(0.01)
        with small_works.crawl.database.write() as tx:
            orders.revoke(tx, small_works.crawl.asker, first, "the court says so")
        revoked = time.monotonic()
        thread.join(30)
        assert max(moment for moment, _, _ in one.asked) - revoked < 1.0
    assert not thread.is_alive()
    assert any(path == "/thread/0" for _, _, path in other.asked)


def test_two_workers_share_a_site_and_fetch_nothing_twice(works):
    with Server(Site("north", 8)) as server:
        works.order(server.host)
        workers = [works.worker(name=f"w{n}", at_once=8) for n in range(2)]
        threads = [threading.Thread(target=one.run) for one in workers]
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
        paths = Counter(path for _, _, path in server.asked if path != "/robots.txt")
    assert max(paths.values()) == 1
    works.crawl.assert_adds_up()
    with works.crawl.database.read() as tx:
        waiting = select(func.count()).where(
            MediaPlace.media_id.is_(None), MediaPlace.trouble == ""
        )
        assert tx.execute(waiting).scalar_one() == 0
    assert sum(one.state.totals.posts for one in workers) == 8 * planted_site.POSTS


def test_polite_it_asks_a_host_every_other_second(small_works):
    with Server(Site("north", 1)) as server:
        small_works.order(server.host)
        pace = Pace(interval=timedelta(seconds=1))
        worker = small_works.worker(pace=pace, until_idle=False)
        thread = threading.Thread(target=worker.run)
        thread.start()
        time.sleep(4)
        signal_file.write(small_works.signal)
        thread.join(10)
        asked = [moment for moment, _, path in server.asked if path != "/robots.txt"]
    assert 2 <= len(asked) <= 5
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert min(gaps) > 0.8
