"""From an order by two persons, over a private Tor network, to a lead that two persons release.

Two onion services in a network namespace show what `planted_site` plants. The commands are run
inside the namespace, so nothing can be asked that is not there; the browser part is real HTTP.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from installed import Installed, accept, descendants, kill, link, until
from sqlalchemy import func, select, update

import planted_site
import tornet
from tutela.core.entry import Classification, ListEntry, Provenance, Role
from tutela.core.time import now
from tutela.fingerprint import content
from tutela.fingerprint.digest import digests
from tutela.hashlist.library import Library
from tutela.hashlist.live import Change, LiveList
from tutela.store import Database
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.chat import Conversation
from tutela.store.tables.crawl import CrawlHost, CrawlUrl
from tutela.store.tables.observation import MediaPlace, Notice, SeenHit, SiteAccount

THREADS = 10
# A circuit may stall, and what timed out waits for half a minute before it is tried again.
TOR_PATIENCE_S = 180
pytestmark = pytest.mark.timeout(900)
CASE = "OP-17"
GLASS = ("--break-glass", "a test of the whole way")
AUTHORITY = ["--legal-basis", "Invented Act", "--reference", "W 1", "--granted-by", "A Court"]
ORDER = ["--legal-basis", "Invented Act", "--reference", "CR 1", "--issued-by", "A Court"]


@pytest.fixture
def sites(tor_network: tornet.TorNetwork, tmp_path: Path) -> Iterator[dict[str, tuple[str, Path]]]:
    """Two onion services, `north` and `south`, with the logs of what each was asked."""
    script = Path(planted_site.__file__)
    made: dict[str, tuple[str, Path]] = {}
    children = []
    south = tor_network.onion(9012)
    for name, port, address, other in (
        ("south", 9012, south, ""),
        ("north", 9011, tor_network.onion(9011), south),
    ):
        log = tmp_path / f"{name}.log"
        words = [str(log), name, str(THREADS), *([other] if other else [])]
        children.append(tor_network.serve(script, port, *words))
        made[name] = (address, log)
    yield made
    for child in children:
        child.kill()
        child.wait()


@pytest.fixture
def home(tor_network: tornet.TorNetwork, tmp_path: Path) -> Installed:
    """An installation with a case, a hash list, and the tor of the private network."""
    installed = Installed.new(tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'tutela.db'}")
    options = tmp_path / "torrc"
    options.write_text("\n".join(tor_network.settings(tmp_path / "unused").lines))
    file = installed.home / "config" / "tutela" / "tutela.toml"
    file.write_text(
        file.read_text() + f'\n[crawl]\nworkers = 1\ntor_options = "{options}"\n'
        "lift_on_loopback = true\nnotice_indicative = true\n"
    )
    installed.run(
        *("account", "roles", "cli", "--role", "examiner", "--role", "investigator"),
        *("--reason", "crawls", *GLASS),
    )
    installed.run("case", "new", CASE, *AUTHORITY)
    _import_list(installed)
    return installed


@pytest.fixture
def there(home: Installed, tor_network: tornet.TorNetwork) -> Iterator[Installed]:
    """The same installation, with its processes in the network; none outlives its test."""
    yield replace(home, within=tor_network.within, patience_s=2 * TOR_PATIENCE_S)
    for pid in descendants(os.getpid()):
        if "crawl" in _words(pid) and "work" in _words(pid):
            os.kill(pid, signal.SIGKILL)


def _import_list(installed: Installed) -> None:
    path = installed.settings.library.path
    Library.create(path)
    live = LiveList.create(path, "known", role=Role.ALERT)
    origin = Provenance("known", "test", 1, now())
    entries = [
        ListEntry(
            origin,
            digests(picture),
            tuple(one for one in content.fingerprint(picture) if one.variant == "original"),
            (Classification("uk-abc", "A"),),
        )
        for picture in planted_site.listed("north", THREADS)
    ]
    live.apply([Change(number.to_bytes(2), one) for number, one in enumerate(entries)], b"")


@contextmanager
def supervisor(installed: Installed) -> Iterator[httpx.Client]:
    """Invite a supervisor, who accepts in the browser and joins the team; yield their browser."""
    words = ["--display-name", "Bea Ray", "--role", "supervisor", *GLASS]
    invited = installed.run("account", "invite", "bea.ray", *words)
    with installed.serving(), installed.client() as browser:
        accept(browser, link(invited.stdout))
        installed.run("case", "team", CASE, "--add", "bea.ray")
        yield browser


def grant(browser: httpx.Client, said: str) -> str:
    """Grant what waits, as the page shows it; return its number."""
    page = browser.get("/approvals")
    assert said in page.text
    (number,) = set(re.findall(r'name="approval" value="(\d+)"', page.text))
    form = {"approval": number, "decision": "grant"}
    assert browser.post("/approvals", data=form).status_code == 303
    return number


def asked_of(log: Path) -> list[tuple[float, str, str, str]]:
    if not log.exists():
        return []
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()]


def rows(installed: Installed, *columns: object) -> list:
    with Database(installed.url) as database, database.read() as tx:
        return tx.execute(select(*columns)).all()


def test_from_an_order_to_a_released_lead(
    home: Installed, there: Installed, sites, tmp_path: Path
) -> None:
    (north, north_log), (_, south_log) = sites["north"], sites["south"]
    with supervisor(home) as browser:
        home.run(
            *("crawl", "authorise", CASE, f"http://{north}/", "--depth", "3", *ORDER),
            *("--reason", "accounts that trade there"),
        )
        refused = home.run("crawl", "authorise", CASE, "--carry-out", "1", status=2)
        assert "two persons" in refused.stderr
        number = grant(browser, "accounts that trade there")
        home.run("crawl", "authorise", CASE, "--carry-out", number)
        home.run("crawl", "start", "1")
        _work_to_the_end(home, there)

        _check_what_was_asked(north_log, south_log)
        _check_each_was_leased(home, north_log)
        _check_what_was_found(home)

        ada = rows(home, SiteAccount.id, SiteAccount.handle)
        (ada,) = [row.id for row in ada if row.handle == "Ada"]
        ranked = _lines(home.run("leads", "rank", CASE, "--format", "jsonl"))
        handles = [row["handle"] for row in ranked if row["type"] == "account"]
        assert handles == ["Ada"], "who has listed pictures as they are, over many weeks"
        assert "Ada" in home.run("leads", "explain", CASE, str(ada)).stdout
        home.run("leads", "release", CASE, str(ada), "--reason", "for the unit in the north")
        home.run("leads", "release", CASE, str(ada), status=2)
        grant(browser, "for the unit in the north")
        home.run("leads", "release", CASE, str(ada))
        report = tmp_path / "lead.html"
        home.run("leads", "export", CASE, str(ada), str(report), "--format", "html")
        _check_evidence(home, browser, report, ada)
    _check_conversations(home)
    home.assert_sound()


def _later(home: Installed) -> int:
    """Let leases of the dead be over, as five minutes later; return how many there were."""
    with Database(home.url) as database, database.write() as tx:
        over = now() - timedelta(seconds=1)
        leased = update(CrawlUrl).where(CrawlUrl.state == "leased").values(leased_until=over)
        lost = tx.execute(leased).rowcount
        tx.execute(update(CrawlUrl).where(CrawlUrl.state == "waiting").values(next_at=over))
        tx.execute(update(CrawlHost).values(next_at=over, backoff=0))
    return lost


def _work_to_the_end(home: Installed, there: Installed) -> None:
    """Work until nothing waits; what Tor failed at is tried again as if its pause were over."""
    for _ in range(4):
        done = there.run(
            "crawl", "work", "--until-idle", "--idle-seconds", "8", "--format", "jsonl"
        )
        assert json.loads(done.stdout)["lost"] == 0
        states = Counter(row.state for row in rows(home, CrawlUrl.state))
        if {"waiting", "leased"}.isdisjoint(states):
            return
        _later(home)
    raise AssertionError(states)


def _start_order(home: Installed, north: str) -> None:
    """Let two persons order a crawl of a site, and start it."""
    with supervisor(home) as browser:
        words = ("--depth", "3", *ORDER, "--reason", "accounts")
        home.run("crawl", "authorise", CASE, f"http://{north}/", *words)
        home.run("crawl", "authorise", CASE, "--carry-out", grant(browser, "accounts"))
    home.run("crawl", "start", "1")


def _check_each_was_leased(home: Installed, log: Path) -> None:
    """Nothing was asked for more often than it was leased."""
    paths = Counter(path for *_, path in asked_of(log) if path != "/robots.txt")
    found = rows(home, CrawlUrl.url, CrawlUrl.turns)
    leases = {url.partition(".onion")[2]: turns for url, turns in found}
    more = {path: (times, leases[path]) for path, times in paths.items() if times > leases[path]}
    assert more == {}, "path: times asked, leases"


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def _check_what_was_asked(north_log: Path, south_log: Path) -> None:
    """Nothing outside the order, and by GET alone."""
    asked = asked_of(north_log)
    assert {method for _, method, _, _ in asked} == {"GET"}
    paths = {path for _, _, _, path in asked}
    assert not any(path.startswith("/private") for path in paths)
    assert asked_of(south_log) == [], "the other site is not in the order"
    for thread in range(THREADS):
        assert {f"/thread/{thread}", f"/picture/{thread}/0"} <= paths


def _check_what_was_found(home: Installed) -> None:
    """Every planted picture, also the resized and the mirrored ones, and no other."""
    with Database(home.url) as database, database.read() as tx:
        found = tx.execute(
            select(MediaPlace.url).distinct().where(MediaPlace.raised_at.is_not(None))
        ).scalars()
        pictures = {url.rpartition("/picture/")[2] for url in found}
        states = select(CrawlUrl.state, func.count()).group_by(CrawlUrl.state)
        assert {"waiting", "leased"}.isdisjoint(dict(map(tuple, tx.execute(states))))
        kinds = set(tx.execute(select(Notice.kind)).scalars())
        strengths = Counter(tx.execute(select(SeenHit.strength)).scalars())
    wanted = {f"{thread}/{place}" for thread in range(THREADS) for place in range(3)}
    assert pictures == wanted
    assert kinds == {"police"}
    assert strengths["exact"] == THREADS
    notices = home.run("crawl", "notices", CASE, "--format", "jsonl").stdout.splitlines()
    assert len(notices) == THREADS


def _check_evidence(home: Installed, browser: httpx.Client, report: Path, ada: int) -> None:
    """The page of the account, the file of the lead, and the log that proves its release."""
    (case,) = set(re.findall(r'href="/cases/(\d+)"', browser.get("/cases").text))
    for path in (f"accounts/{ada}", "leads", "graph", "sites", "observed"):
        page = browser.get(f"/cases/{case}/{path}")
        assert page.status_code == 200, path
        pictures = re.findall(r'<img src="([^"]+)"', page.text)
        assert all(one.startswith("/static/") for one in pictures), "no media, ever"
    text = report.read_text("utf-8")
    assert "Ada" in text
    assert "of my album" not in text, "no words of posts"
    with Database(home.url) as database, database.read() as tx:
        released = tx.execute(
            select(AuditEvent.seq).where(AuditEvent.action == "lead.released")
        ).scalar_one()
    assert str(released) in text
    home.run("audit", "checkpoint")
    proof = report.with_name("proof")
    proof.write_text(home.run("audit", "proof", str(released), *GLASS).stdout)
    assert proof.read_text()


def _check_conversations(home: Installed) -> None:
    """What was read can be scored, once; a second reading adds nothing."""
    words = ("--case", CASE, "--observed", "--no-encoder", "--format", "jsonl")
    for said in ("", "goes on in the case"):
        done = home.run("chat", "score", *words)
        totals = json.loads(done.stdout.splitlines()[-1])
        assert (totals["messages"], totals["conversations"]) == (
            THREADS * planted_site.POSTS,
            THREADS,
        )
        assert totals["alerts"] == 0, "it is about stamps"
        assert said in done.stderr
    assert rows(home, func.count(Conversation.id)) == [(THREADS,)]


def test_the_kill_switch_ends_every_request_within_a_second(
    home: Installed, there: Installed, sites
) -> None:
    north, log = sites["north"]
    _start_order(home, north)
    worker = there.begin("crawl", "work")
    until(lambda: len(asked_of(log)) > 8, TOR_PATIENCE_S)
    began = time.time()
    home.run("crawl", "stop", "--reason", "a test")
    stopped = time.time()
    worker.wait(30)
    time.sleep(1)
    last = max(moment for moment, *_ in asked_of(log))
    # The command itself takes its time to load; from its end on it is a second at most.
    assert last - stopped < 1.0, (last - began, stopped - began)
    assert worker.returncode == 0
    states = Counter(row.state for row in rows(home, CrawlUrl.state))
    assert states["leased"] == 0
    assert "stopped" in home.run("crawl", "work", status=3).stderr


def test_workers_killed_at_any_time_lose_nothing_and_ask_nothing_twice(
    home: Installed, there: Installed, sites
) -> None:
    north, log = sites["north"]
    _start_order(home, north)
    worker = there.begin("crawl", "work")
    until(lambda: len(asked_of(log)) > 4, TOR_PATIENCE_S)
    tor = next(pid for pid in descendants(worker.pid) if _name(pid) == "tor")
    os.kill(tor, signal.SIGKILL)
    before = len(asked_of(log))
    until(lambda: len(asked_of(log)) > before + 8, TOR_PATIENCE_S)  # by another tor
    kill(worker)
    lost = _later(home)
    worker = there.begin("crawl", "work")
    until(lambda: len(asked_of(log)) > before + 20, TOR_PATIENCE_S)
    kill(worker)
    lost += _later(home)
    assert lost > 0
    _work_to_the_end(home, there)
    _check_each_was_leased(home, log)
    pictures = {url.rpartition("/picture/")[2] for (url,) in rows(home, MediaPlace.url)}
    assert {f"{thread}/{place}" for thread in range(THREADS) for place in range(4)} <= pictures
    (missing,) = rows(
        home,
        func.count(MediaPlace.id).filter(MediaPlace.media_id.is_(None), MediaPlace.trouble == ""),
    )[0]
    assert missing == 0
