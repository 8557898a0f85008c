"""Crawling: how many pages a second, at what cost, what is found, and whether it stays in scope.

Workers as `tutela crawl work` runs them ask `crawl_world`'s sites for everything: straight on this
machine, and as onion services of the private Tor network of the tests. Sites, relays, database and
workers all share this machine. The peer asks for the same with aiohttp and keeps nothing.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from sqlalchemy import func, select

import casework_stage
import crawl_load
import crawl_peer
import crawl_world
from crawl_load import Plan, seconds
from crawl_world import Asked, World, host_of
from measure import Figure, Options

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "tests" / "crawl")]

from casework_office import Office  # noqa: E402 found by the path above
from crawl_support import Crawl  # noqa: E402 likewise

import tornet  # noqa: E402 likewise
from tutela.core.entry import Classification, ListEntry, Provenance, Role  # noqa: E402 likewise
from tutela.crawl import order as orders  # noqa: E402 likewise
from tutela.fetch.tor import TorProcess  # noqa: E402 likewise
from tutela.fingerprint import content  # noqa: E402 likewise
from tutela.fingerprint.digest import digests  # noqa: E402 likewise
from tutela.hashlist.library import Library  # noqa: E402 likewise
from tutela.hashlist.live import Change, LiveList  # noqa: E402 likewise
from tutela.store import Database  # noqa: E402 likewise
from tutela.store.tables.observation import MediaPlace, Post  # noqa: E402 likewise

SITES = 6
PORT = 9301
SOCKS_PORT = 9150
GOAL_PAGES_S = 100
CORES = 2
PEER = "aiohttp, nothing kept"
PEER_CONCURRENT = 32
PEER_S = 20.0  # an onion service may not be reached by it at all: then there is no peer
SETUPS = (("sqlite", 1), ("postgresql", 2))
ROUNDS = 1
PARTS = {
    "event loop": ("thread MainThread",),
    "database and matching": ("thread keep", "thread lease", "thread ask"),
    "waiting for confined processes": ("thread look", "thread the hasher", "thread the reader"),
    "reading": ("reading",),
    "hashing": ("hashing",),
    "tor of the workers": ("tor",),
}


@dataclass
class Stage:
    """Where a crawl is measured: what stands before each command, and addresses of the sites."""

    name: str
    folder: Path
    world: World
    pages: int
    hosts: list[str]
    within: tuple[str, ...] = ()
    tor_options: str = ""
    socks: int = 0
    relays: tuple[int, ...] = ()

    @property
    def all_pages(self) -> int:
        """How many pages there are on all sites together."""
        return SITES * self.pages


@dataclass
class Ran:
    """One crawl: seconds by the clock, of the processor by part, what was found and asked."""

    seconds: float
    cpu_s: Mapping[str, float]
    posts: int
    found: int
    outside: int
    twice: int


def run(options: Options) -> list[Figure]:
    """Crawl straight, and over Tor."""
    pages = 10 if options.quick else 60
    with tempfile.TemporaryDirectory(prefix="tutela-crawl-") as name:
        folder = Path(name)
        world = crawl_world.make(SITES, pages, f"{host_of(SITES)}:{PORT}")
        (folder / "world").write_bytes(msgspec.msgpack.encode(world))
        _list(folder / "library", world.listed)
        hosts = [f"{host_of(number)}:{PORT}" for number in range(SITES)]
        figures = _measured(Stage("straight", folder, world, pages, hosts), options)
        with tornet.network() as network, _client(network) as tor:
            del tor
            file = folder / "tor-options"
            file.write_text("\n".join(network.settings(folder).lines))
            figures += _measured(
                Stage(
                    "over Tor",
                    folder,
                    world,
                    pages,
                    # A place of the same port for each: what an onion service leads to.
                    [network.onion(f"{host_of(number)}:{PORT}") for number in range(SITES)],
                    network.within,
                    str(file),
                    SOCKS_PORT,
                    tuple(child.pid for child in network._children),  # noqa: SLF001 as they are counted
                ),
                options,
            )
    return figures


def _client(network: tornet.TorNetwork) -> TorProcess:
    port = f"SocksPort 127.0.0.1:{SOCKS_PORT} OnionTrafficOnly ExtendedErrors IsolateSOCKSAuth"
    return TorProcess(network.settings(network.folder / "client", port))


def _list(path: Path, pictures: Sequence[bytes]) -> None:
    Library.create(path)
    live = LiveList.create(path, "known", role=Role.ALERT)
    origin = Provenance("known", "test", 1, datetime(2026, 1, 1, tzinfo=UTC))
    changes = []
    for number, picture in enumerate(pictures):
        prints = tuple(one for one in content.fingerprint(picture) if one.variant == "original")
        entry = ListEntry(origin, digests(picture), prints, (Classification("uk-abc", "A"),))
        changes.append(Change(number.to_bytes(4), entry))
    live.apply(changes, b"")


def _measured(stage: Stage, options: Options) -> list[Figure]:
    setups = SETUPS[:1] if options.quick else SETUPS
    ran = {one: [_crawled(stage, *one) for _ in range(ROUNDS)] for one in setups}
    theirs = _peer(stage)
    figures: list[Figure] = []
    for (kind, workers), rounds in ran.items():
        figures += _figures(stage, f"{stage.name}, {kind}, {workers} worker(s)", rounds, theirs)
    return figures


def _figures(
    stage: Stage, named: str, rounds: Sequence[Ran], theirs: crawl_peer.Result | None
) -> Iterator[Figure]:
    # The best of them: a neighbour who is loud hurts a round.
    best = min(rounds, key=lambda one: one.seconds)
    pages = stage.all_pages
    planted = sum(map(len, stage.world.planted))

    def ms(part: str) -> float:
        return best.cpu_s[part] / pages * 1000

    a_second = pages / best.seconds
    yield Figure(
        f"{named}: pages with pictures",
        a_second,
        "1/s",
        PEER if theirs else "",
        pages / theirs.seconds if theirs else None,
        theirs.seconds / best.seconds if theirs else None,
        f">= {GOAL_PAGES_S}",
        a_second >= GOAL_PAGES_S,
    )
    ours = sum(best.cpu_s[part] for part in PARTS)
    yield Figure(
        f"{named}: CPU of a page, all of the workers",
        ours / pages * 1000,
        "ms",
        PEER if theirs else "",
        theirs.cpu_s / pages * 1000 if theirs else None,
        theirs.cpu_s / ours if theirs else None,
    )
    for part in (*PARTS, "database server", "relays and hosts", "sites"):
        if best.cpu_s[part]:
            yield Figure(f"{named}: CPU of a page, {part}", ms(part), "ms")
    every = ours + best.cpu_s["database server"]
    yield Figure(
        f"{named}: what {CORES} cores for workers and database alone would do (computed)",
        CORES * pages / every,
        "1/s",
    )
    found = min(one.found for one in rounds) / planted
    yield Figure(f"{named}: planted found", found, "", goal="1", holds=found == 1)
    outside = max(one.outside for one in rounds)
    yield Figure(f"{named}: requests outside", outside, "", goal="0", holds=outside == 0)


@contextlib.contextmanager
def _serving(stage: Stage) -> Iterator[subprocess.Popen[bytes]]:
    asked = stage.folder / "asked"
    asked.unlink(missing_ok=True)
    words = [str(HERE / "crawl_world.py"), str(PORT), str(stage.folder / "world"), str(asked)]
    child = subprocess.Popen([*stage.within, sys.executable, *words], stdout=subprocess.PIPE)
    try:
        assert child.stdout
        assert child.stdout.readline(), "the sites did not start"
        yield child
    finally:
        child.terminate()
        child.wait()


def _peer(stage: Stage) -> crawl_peer.Result | None:
    """Ask for everything once to warm up, then again."""
    places = range(crawl_world.PICTURES)
    pages = [
        [f"/thread/{page}", *(f"/picture/{page}/{place}" for place in places)]
        for page in range(stage.pages)
    ]
    plan = crawl_peer.Plan(stage.hosts, pages, PEER_CONCURRENT, stage.socks)
    script = str(HERE / "crawl_peer.py")
    words = [*stage.within, sys.executable, script, msgspec.json.encode(plan).decode()]
    with _serving(stage):
        rounds = []
        for _ in range(ROUNDS + 1):
            with contextlib.suppress(subprocess.TimeoutExpired):
                said = subprocess.run(words, check=True, stdout=subprocess.PIPE, timeout=PEER_S)
                rounds.append(msgspec.json.decode(said.stdout, type=crawl_peer.Result))
    return min(rounds, key=lambda one: one.seconds) if rounds else None


def _crawled(stage: Stage, kind: str, workers: int) -> Ran:
    with tempfile.TemporaryDirectory(prefix="tutela-crawl-") as name:
        with casework_stage.opened(kind) as database, _serving(stage):
            crawl = Crawl(Office(database))
            for host in stage.hosts:
                made = crawl.ordered(orders.scope(f"http://{host}/", 8))
                crawl.seed(made, f"http://{host}/")
            servers = _server_of(database)
            before = _taken(servers), _taken(stage.relays)
            results = _work(stage, database, workers, Path(name))
            cpu: defaultdict[str, float] = defaultdict(float)
            cpu["database server"] = _taken(servers) - before[0]
            cpu["relays and hosts"] = _taken(stage.relays) - before[1]
            posts, found = _kept(database, stage)
        asked = msgspec.msgpack.decode((stage.folder / "asked").read_bytes(), type=Asked)
    cpu["sites"] = asked.cpu_s
    for result in results:
        for part, counted in PARTS.items():
            cpu[part] += sum(result.cpu_s.get(one, 0.0) for one in counted)
    took = max(one.ended for one in results) - min(one.began for one in results if one.began)
    lines = Counter((site, line) for site, line in asked.lines if not line.endswith(b"robots.txt"))
    outside = sum(_is_outside(stage, *line) for line in lines)
    ran = Ran(took, cpu, posts, found, outside, sum(lines.values()) - len(lines))
    print(f"{stage.name}, {kind}, {workers}: {took:.1f} s, {posts} posts, {found} found")
    assert posts == stage.all_pages * crawl_world.POSTS, "a page is missing"
    return ran


def _is_outside(stage: Stage, site: int, line: bytes) -> bool:
    method, _, path = line.decode().partition(" ")
    return method != "GET" or site >= SITES or path not in stage.world.sites[site]


def _work(stage: Stage, database: Database, workers: int, folder: Path) -> list[crawl_load.Result]:
    url = database.url.render_as_string(hide_password=False)
    library = str(stage.folder / "library")
    children = []
    for number in range(workers):
        plan = Plan(f"w{number}", url, library, str(folder), stage.tor_options)
        script = str(HERE / "crawl_load.py")
        words = [*stage.within, sys.executable, script, msgspec.json.encode(plan).decode()]
        children.append(subprocess.Popen(words, stdout=subprocess.PIPE))
    return [
        msgspec.json.decode(child.communicate()[0], type=crawl_load.Result) for child in children
    ]


def _server_of(database: Database) -> tuple[int, ...]:
    if database.dialect == "sqlite":
        return ()
    with database.read() as tx:
        backend = tx.execute(select(func.pg_backend_pid())).scalar_one()
    fields = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[1]),)


def _taken(processes: Sequence[int]) -> float:
    return sum(map(seconds, processes))


def _kept(database: Database, stage: Stage) -> tuple[int, int]:
    """Return how many posts there are, and how many planted pictures were raised."""
    with database.read() as tx:
        posts = tx.execute(select(func.count()).select_from(Post)).scalar_one()
        raised = set(
            tx.execute(select(MediaPlace.url).where(MediaPlace.raised_at.is_not(None))).scalars()
        )
    wanted = {
        f"http://{host}{path}"
        for host, paths in zip(stage.hosts, stage.world.planted, strict=True)
        for path in paths
    }
    assert raised <= wanted, "what nobody planted was raised"
    return posts, len(wanted & raised)
