"""A worker: leases URLs, asks for them, and keeps what came, until nothing is left or it is told.

Any number of workers may run, on any number of machines: all that they share is the database. Each
has its own tor and confined processes. It may be killed at any moment: what it had leased is leased
again once the lease is over, and nothing was kept of what is not done.
"""

from __future__ import annotations

import asyncio
import ctypes
import resource
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

import msgspec

from tutela.core.errors import ConflictError, FetchError, ServiceError
from tutela.core.ids import CaseId, CrawlOrderId
from tutela.crawl import leases, signal_file, switch
from tutela.crawl.keeping import Keeper, Totals
from tutela.crawl.manners import Manners
from tutela.crawl.model import Lease, Net, Pace
from tutela.crawl.reader import Reader
from tutela.crawl.visit import Means, Stopped, Visit, visit
from tutela.fetch.stream import Client
from tutela.fetch.way import Way
from tutela.scan.hasher import Hasher
from tutela.store import Database

LOOK_S = 0.05  # for the signal file, beside before every request
ASK_S = 0.5  # the database whether orders are held
_KEEP_S = 0.25  # what came waits so long for company
_TOGETHER = 64
_IDLE_S = 0.5
_SHARE = 4  # of all requests, in which leases are asked for: one by one they cost the most
_COMPANY_S = 0.2  # so long fewer wait for more of them
_CATCH_UP_S = 10.0
_ENDS_S = 1.0
_PR_SET_DUMPABLE = 4
T = TypeVar("T")


class Ways(Protocol):
    """Says how requests of a case leave, and ends all of them."""

    def way(self, case_id: CaseId, net: Net) -> Way:
        """Return the way of a case's requests to a net."""

    def stop(self) -> None:
        """End every way, and with it every request; at once."""


class Sight(NamedTuple):
    """The confined processes of a worker; made before anything secret is open."""

    reader: Reader
    hasher: Hasher


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker works.

    Attributes:
        name: By which its leases are known; no other worker's.
        signal_file: While it stands nothing is asked for.
        at_once: Requests at a time, to all hosts together.
        pace: How fast hosts are asked.
        until_idle: End once nothing waits and nothing is under way, for `idle_s`.
        idle_s: For how long; hosts may have to be waited for.
    """

    name: str
    signal_file: Path
    at_once: int = 64
    pace: Pace = Pace()
    until_idle: bool = False
    idle_s: float = 5.0


@dataclass
class State:
    """What a worker is doing, for whoever watches."""

    totals: Totals = field(default_factory=Totals)
    under_way: int = 0
    stopped: str = ""


class Worker:
    """Works on all orders that may be worked on.

    Args:
        database: Where URLs are leased and what came is kept.
        sight: Reads pages and fingerprints media, confined.
        keeper: Keeps what came.
        ways: How requests leave.
        setup: How it works.
        watch: Told of the state now and then.
    """

    def __init__(  # noqa: PLR0913, PLR0917 the parts that a worker joins
        self,
        database: Database,
        sight: Sight,
        keeper: Keeper,
        ways: Ways,
        setup: Setup,
        watch: Callable[[State], None] = lambda _state: None,
    ) -> None:
        self._database = database
        self._sight = sight
        self._keeper = keeper
        self._ways = ways
        self._setup = setup
        self._watch = watch
        self._clients: dict[tuple[CrawlOrderId, Net], Client] = {}
        self._ended: list[Client] = []
        self._visits: dict[asyncio.Task[Visit], tuple[Lease, Client]] = {}
        self._came: list[Visit] = []
        self._back: list[Lease] = []
        self._more = False  # the last leases asked for were there
        self.state = State()

    def run(self) -> State:
        """Work until nothing is left (`until_idle`), the kill switch is raised, or a signal comes.

        Raises:
            ServiceError: the database or a confined process failed; what was leased comes back.
        """
        with _quiet_memory(), _Threads() as threads:
            return asyncio.run(self._run(threads))

    async def _run(self, threads: _Threads) -> State:
        self._means = Means(
            reader=self._sight.reader,
            hasher=self._sight.hasher,
            stopped=lambda: signal_file.is_raised(self._setup.signal_file),
            run=threads.look,
            manners=Manners(self._database, threads.ask),
        )
        self._woken = asyncio.Event()
        loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._stop, "signal")
        watching = asyncio.create_task(self._look_for_signal())
        asking = asyncio.create_task(self._look_for_holds(threads))
        try:
            await self._work(threads)
        finally:
            for task in (watching, asking):
                task.cancel()
            await asyncio.gather(watching, asking, return_exceptions=True)
            await self._end(threads)
        return self.state

    async def _work(self, threads: _Threads) -> None:
        loop = asyncio.get_running_loop()
        busy_at = loop.time()
        catching_up: _Step[None] = _Step(_CATCH_UP_S, self._wake)
        leasing: _Step[list[Lease]] = _Step(0.0, self._wake)
        keeping: _Step[Totals] = _Step(_KEEP_S, self._wake)
        while not self.state.stopped:
            if leasing.free and self._wants(due=leasing.is_due()):
                back, self._back = self._back, []
                leasing.begin(threads.lease(partial(self._lease, back)))
            if keeping.free and self._came and (keeping.is_due() or len(self._came) >= _TOGETHER):
                keeping.begin(threads.keep(partial(self._keeper.keep, self._some())))
            await self._anything()
            if leasing.came():
                got = leasing.result()
                await self._begin(got, threads)
                self._more = bool(got)
                leasing.rest(_COMPANY_S if got else _IDLE_S)
            if keeping.came():
                self.state.totals.add(keeping.result())
                keeping.rest(_KEEP_S)
            if catching_up.is_due():
                catching_up.rest(_CATCH_UP_S)
                await threads.keep(self._keeper.catch_up)
            self._gather()
            busy_at = loop.time() if self._is_busy(keeping, leasing) else busy_at
            if self._setup.until_idle and loop.time() - busy_at > self._setup.idle_s:
                break
        if not keeping.free:
            self.state.totals.add(await keeping.ended())
        if not leasing.free:
            self._back += await leasing.ended()

    async def _anything(self) -> None:
        """Wait until something is done, but not for long.

        Each wakes us itself: to wait for all of them anew each time costs more than they do.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._woken.wait()
        self._woken.clear()

    def _wake(self, _done: object) -> None:
        self._woken.set()

    def _is_busy(self, *steps: _Step[Any]) -> bool:
        return bool(self._visits or self._came) or not all(step.free for step in steps)

    def _some(self) -> list[Visit]:
        some, self._came = self._came[:_TOGETHER], self._came[_TOGETHER:]
        return some

    def _wants(self, *, due: bool) -> bool:
        """Tell whether to lease: now and then, and at once where there is room for many."""
        room = self._room()
        return room > 0 and (due or (self._more and room >= self._setup.at_once // _SHARE))

    def _room(self) -> int:
        return self._setup.at_once - len(self._visits) - len(self._came) // 4

    def _lease(self, back: Sequence[Lease]) -> list[Lease]:
        """Give back what was cut off, lest its lease runs out and counts as failed; lease more."""
        self._give_back(back)
        if signal_file.is_raised(self._setup.signal_file):
            return []
        with self._database.write() as tx:
            count = min(self._room(), _TOGETHER)
            return leases.lease(tx, self._setup.name, count, self._setup.pace)

    async def _begin(self, got: Sequence[Lease], threads: _Threads) -> None:
        self._back += got  # until each has begun
        for lease in got:
            client = None if self.state.stopped else await self._client(lease, threads)
            if client is None or self.state.stopped:
                return
            self._back.remove(lease)
            task = asyncio.create_task(visit(lease, client, self._means))
            task.add_done_callback(self._wake)
            self._visits[task] = lease, client

    async def _client(self, lease: Lease, threads: _Threads) -> Client | None:
        """Return what asks; None where everything was stopped meanwhile."""
        key = lease.order_id, lease.net
        if key not in self._clients:
            try:
                # The first one starts tor, which takes its time.
                way = await threads.look(partial(self._ways.way, lease.case_id, lease.net))
            except FetchError:
                if self.state.stopped:
                    return None
                raise
            self._clients[key] = Client(way)
        return self._clients[key]

    def _gather(self) -> None:
        for task in [one for one in self._visits if one.done()]:
            lease, client = self._visits.pop(task)
            try:
                self._came.append(task.result())
            except (Stopped, asyncio.CancelledError) as error:
                self._back.append(lease)
                if isinstance(error, Stopped) and error.tor_is_down:
                    self._leave(lease, client)
        self.state.under_way = len(self._visits)
        self._watch(self.state)

    def _leave(self, lease: Lease, client: Client) -> None:
        """Ask no more through a tor that ended: the next request starts another."""
        key = lease.order_id, lease.net
        if self._clients.get(key) is client:
            del self._clients[key]
            client.stop()
            self._ended.append(client)

    async def _look_for_signal(self) -> None:
        while not signal_file.is_raised(self._setup.signal_file):  # noqa: ASYNC110 it is a file that is waited for
            await asyncio.sleep(LOOK_S)
        self._stop("switch")

    async def _look_for_holds(self, threads: _Threads) -> None:
        """End what an order that is paused, revoked or over has under way."""
        while True:
            await asyncio.sleep(ASK_S)
            orders = {order_id for order_id, _ in self._clients}
            try:
                held = await threads.ask(partial(self._held, orders))
            except ServiceError:  # asked again; where it lasts, leasing fails and ends the worker
                continue
            for key in [key for key in self._clients if key[0] in held]:
                client = self._clients.pop(key)
                client.stop()
                self._ended.append(client)
            if "stopped" in held.values():
                self._stop("switch")

    def _held(self, orders: set[CrawlOrderId]) -> dict[CrawlOrderId, str]:
        with self._database.read() as tx:
            found = {order_id: switch.held_by(tx, order_id) for order_id in orders}
        return {order_id: code for order_id, code in found.items() if code}

    def _stop(self, why: str) -> None:
        """Cut off every request, now."""
        if self.state.stopped:
            return
        self.state.stopped = why
        for client in self._clients.values():
            client.stop()
        if why == "switch":
            self._ways.stop()

    async def _end(self, threads: _Threads) -> None:
        """Keep what came, and give back what did not."""
        for client in self._clients.values():
            client.stop()
        if self._visits:  # they end by that, but for what a confined process still looks at
            await asyncio.wait(self._visits, timeout=_ENDS_S)
        for task in self._visits:
            task.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)
        for client in (*self._clients.values(), *self._ended):
            await client.__aexit__()
        self._gather()
        while self._came:
            self.state.totals.add(await threads.keep(partial(self._keeper.keep, self._some())))
        await threads.keep(self._keeper.catch_up)
        if self._back:
            await threads.lease(partial(self._give_back, self._back))
        self.state.under_way = 0
        self._watch(self.state)

    def _give_back(self, back: Sequence[Lease]) -> None:
        # What cannot be given back now comes back by itself once its lease is over.
        if back:
            with suppress(ServiceError, ConflictError), self._database.write() as tx:
                leases.give_back(tx, back)


class _Step(Generic[T]):
    """Something done again and again, one at a time, with a rest in between."""

    def __init__(self, rest_s: float, wake: Callable[[object], None]) -> None:
        self._wake = wake
        self._running: asyncio.Future[T] | None = None
        self._due_s = asyncio.get_running_loop().time() + rest_s

    @property
    def free(self) -> bool:
        return self._running is None

    def is_due(self) -> bool:
        return self.free and asyncio.get_running_loop().time() >= self._due_s

    def begin(self, work: Awaitable[T]) -> None:
        self._running = asyncio.ensure_future(work)
        self._running.add_done_callback(self._wake)

    def came(self) -> bool:
        return self._running is not None and self._running.done()

    def result(self) -> T:
        assert self._running is not None
        running, self._running = self._running, None
        return running.result()

    async def ended(self) -> T:
        assert self._running is not None
        return await self._running

    def rest(self, rest_s: float) -> None:
        self._due_s = asyncio.get_running_loop().time() + rest_s


class _Threads:
    """Threads for what waits: confined processes, and the database, a kind of thing at a time."""

    def __init__(self) -> None:
        self._look = ThreadPoolExecutor(32, "look")
        self._lease = ThreadPoolExecutor(1, "lease")
        self._keep = ThreadPoolExecutor(1, "keep")
        self._ask = ThreadPoolExecutor(1, "ask")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._look, self._lease, self._keep, self._ask):
            one.shutdown(cancel_futures=True)

    def look(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._look, work)

    def lease(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._lease, work)

    def keep(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._keep, work)

    def ask(self, work: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._ask, work)


@contextmanager
def _quiet_memory() -> Iterator[None]:
    """Let no core of this process be written, nor its memory be read by others of the same user."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    try:
        yield
    finally:
        libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_CORE, before)
