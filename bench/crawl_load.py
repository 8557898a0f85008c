"""One worker of the benchmark of a crawl, beside as many as there are; says what it took.

    python bench/crawl_load.py PLAN

with a plan as JSON; it runs within the network. Seconds of the processor are counted apart: by
thread of the worker, of the confined processes and of its tor.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import msgspec

from tutela.core.crawl_settings import CrawlSettings
from tutela.crawl import pace
from tutela.crawl.events import Terms
from tutela.crawl.keeping import Keeper, Keeping
from tutela.crawl.leaving import OwnTor
from tutela.crawl.reader import Reader
from tutela.crawl.worker import Setup, Sight, State, Worker
from tutela.evidence.vault.master import LocalKey
from tutela.evidence.vault.vault import Vault
from tutela.hashlist.library import Library
from tutela.observation.notices import Policy
from tutela.observation.sealing import Words
from tutela.scan.hasher import Hasher
from tutela.store import Database

IDLE_S = 45.0  # what failed is tried again after 30 s
EVENT_LOOP = "thread MainThread"
TICKS = os.sysconf("SC_CLK_TCK")


class Plan(msgspec.Struct):
    """What a worker works with; `tor_options` is empty where it goes straight."""

    name: str
    database: str
    library: str
    folder: str
    tor_options: str = ""
    at_once: int = 64
    jobs: int = 1


class Result(msgspec.Struct):
    """When a worker began and ended to get anything, seconds of the processor, and its totals."""

    began: float
    ended: float
    cpu_s: dict[str, float]
    ends: dict[str, int]
    posts: int
    media: int
    known: int
    lost: int


class Watch:
    """Sees when something came last, and what each thread has taken by then."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0
        self._seen = 0
        self._looked = 0.0
        self.threads: dict[str, float] = {}

    def __call__(self, state: State) -> None:
        """Look."""
        moment = time.time()
        ended = sum(state.totals.ended.values())
        if state.under_way and not self.began:
            self.began = moment
        if ended != self._seen:
            self._seen, self.ended = ended, moment
        if moment - self._looked > 0.1:
            self._looked = moment
            for thread in threading.enumerate():
                with contextlib.suppress(OSError):
                    assert thread.ident
                    clock = time.pthread_getcpuclockid(thread.ident)
                    name = f"{thread.name}".partition("_")[0]
                    self.threads[f"{name} {thread.ident}"] = time.clock_gettime(clock)


def seconds(root: int) -> float:
    """Return the processor's seconds of a process, its threads and all below it, dead or alive."""
    children: dict[int, list[int]] = {}
    taken: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            number = int(folder.name)
            children.setdefault(int(fields[1]), []).append(number)
            taken[number] = sum(map(int, fields[11:15])) / TICKS
    whole, waiting = 0.0, [root]
    while waiting:
        one = waiting.pop()
        whole += taken.get(one, 0.0)
        waiting += children.get(one, [])
    return whole


def below(root: int) -> set[int]:
    """Return the processes whose parent a process is."""
    file = Path(f"/proc/{root}/task/{root}/children")
    return {int(word) for word in file.read_text().split()}


def run(plan: Plan) -> Result:
    """Work until nothing is left."""
    folder = Path(plan.folder)
    options = Path(plan.tor_options) if plan.tor_options else None
    settings = CrawlSettings(tor_options=options, lift_on_loopback=True, in_flight=8)
    with contextlib.ExitStack() as stack:
        reader = stack.enter_context(Reader(Terms(), jobs=plan.jobs))
        reading = below(os.getpid())
        hasher = stack.enter_context(Hasher(plan.jobs))
        hashing = below(os.getpid()) - reading
        database = stack.enter_context(Database(plan.database))
        library = Library.open(Path(plan.library))
        find_many = library.find_many
        match_s = 0.0

        def timed(*words: Any, **more: Any) -> Any:
            nonlocal match_s
            began = time.thread_time()
            answer = find_many(*words, **more)
            match_s += time.thread_time() - began
            return answer

        library.find_many = timed  # type: ignore[method-assign]
        vault = Vault(folder / "vault", LocalKey(bytes(32)))
        how = Keeping(policy=Policy(indicative=True))
        keeper = Keeper(database, Words(vault), library, how)
        ways = OwnTor(settings, folder / f"tor-{plan.name}")
        stack.callback(ways.stop)
        setup = Setup(
            name=plan.name,
            signal_file=folder / "stop",
            at_once=plan.at_once,
            pace=pace.of(settings, private_tor=ways.is_private),
            until_idle=True,
            idle_s=IDLE_S,
        )
        watch = Watch()
        cpu = {
            one: -sum(map(seconds, some))
            for one, some in (("reading", reading), ("hashing", hashing))
        }
        cpu[EVENT_LOOP] = -time.thread_time()
        state = Worker(database, Sight(reader, hasher), keeper, ways, setup, watch).run()
        cpu["reading"] += sum(map(seconds, reading))
        cpu["hashing"] += sum(map(seconds, hashing))
        cpu["tor"] = sum(map(seconds, below(os.getpid()) - reading - hashing))
        threads: defaultdict[str, float] = defaultdict(float)
        for name, taken in watch.threads.items():
            threads[name.partition(" ")[0] if "Thread" in name else name.rpartition(" ")[0]] += (
                taken
            )
        for name, taken in threads.items():  # ours began before the worker did
            cpu[f"thread {name}"] = cpu.get(f"thread {name}", 0.0) + taken
        cpu["matching"] = match_s
    totals = state.totals
    return Result(
        watch.began,
        watch.ended,
        cpu,
        dict(totals.ended),
        totals.posts,
        totals.media,
        totals.known,
        totals.lost,
    )


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(run(msgspec.json.decode(sys.argv[1], type=Plan))).decode())
