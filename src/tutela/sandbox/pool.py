"""A pool of confined workers, driven from one trusted thread that never waits for a worker."""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from types import TracebackType
from typing import Self

import msgspec

from tutela.core.errors import SandboxError, TutelaError
from tutela.sandbox import ending, server, wire
from tutela.sandbox.confine import Confinement, Layers
from tutela.sandbox.connection import Connection
from tutela.sandbox.limits import Limits
from tutela.sandbox.wire import Failure, Handler, Kind, ProtocolError

# What is read from one worker before another has its turn: bounds memory, and presses back.
_READ_BYTES = 256 << 10
# How long a worker that hung up may take to end by itself.
_HUNG_UP_S = 1.0
# Workers are looked at so often while they are waited for. Where twice as long has passed, the rest
# does not count as their silence: the caller was busy, or all of us were stopped (Ctrl-Z).
_LOOK_S = 1.0


class Reply(msgspec.Struct, frozen=True, gc=False):
    """A worker replied to a task; there may be any number of replies."""

    task: int
    payload: bytes


class Done(msgspec.Struct, frozen=True, gc=False):
    """A task ended well; nothing more comes of it."""

    task: int


class Broken(msgspec.Struct, frozen=True):
    """A task ended badly; nothing more comes of it.

    Attributes:
        code: `memory` (it wanted more than allowed), `silent` (killed for it), `crashed` (its
            process died or broke the protocol) or `error` (the handler raised).
        detail: What happened, such as `signal SIGSEGV` or `ValueError: no such header`.
        error: The error of Tutela that the handler raised, if it was one.
        where: File name and line where the handler raised.
    """

    task: int
    code: str
    detail: str
    error: TutelaError | None = None
    where: str = ""


Event = Reply | Done | Broken


class Pool:
    """Worker processes that hold no secrets and can do nothing but read what they are given.

    Create it before anything secret is in memory, in a process without other threads: `warm_up`
    runs here, and then the fork server is forked at once, from which all workers come. In a worker
    no file can be opened, so `warm_up` must load every module, kernel and table that `handler`
    needs. The handler must not close the descriptors that it is given, and must not keep them.

    A worker that dies, breaks its limits or the protocol is replaced; only its own task is broken.

    Args:
        handler: Serves one request, in a worker.
        jobs: How many workers.
        limits: What each may use.
        warm_up: Loads what the handler needs.
        layers: Which optional layers of confinement to apply; for tests and `tutela doctor`.

    Raises:
        SandboxError: the fork server cannot be started.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        jobs: int,
        limits: Limits,
        warm_up: Callable[[], None] | None = None,
        layers: Layers = Layers.ALL,
    ) -> None:
        if warm_up is not None:
            warm_up()
        self._limits = limits
        self._tasks = count(1)
        self._numbers = count(1)
        self._room = memoryview(bytearray(_READ_BYTES))
        self._workers: dict[int, Connection] = {}
        self._looked_s = time.monotonic()
        self._watched_s = 0.0
        self._selector = selectors.DefaultSelector()
        self._start_server(handler, Confinement(limits, layers))
        for _ in range(jobs):
            self._start_worker()

    def _start_server(self, handler: Handler, confinement: Confinement) -> None:
        self._control, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ourselves = os.pidfd_open(os.getpid())
        try:
            self._server = os.fork()
            if self._server == 0:
                server.run(far_end, ourselves, handler, confinement)
        except OSError as error:
            self._control.close()
            raise SandboxError(f"cannot fork: {error.strerror}", code="fork") from error
        finally:
            os.close(ourselves)
            far_end.close()
        self._selector.register(self._control, selectors.EVENT_READ)

    def _start_worker(self) -> None:
        own_end, far_end = socket.socketpair()
        worker = Connection(next(self._numbers), own_end)
        with far_end:
            self._order(server.FORK, worker, [far_end.fileno()])
        self._workers[worker.number] = worker
        self._selector.register(own_end, selectors.EVENT_READ, worker)

    def _order(self, wanted: int, worker: Connection, files: Sequence[int] = ()) -> None:
        try:
            order = server.ORDER.pack(worker.number, wanted)
            socket.send_fds(self._control, [order], list(files))
        except ConnectionError:
            raise self._server_gone() from None

    @staticmethod
    def _server_gone() -> SandboxError:
        return SandboxError("the process that starts confined workers has ended", code="server")

    @property
    def free(self) -> int:
        """How many workers have no task."""
        return sum(worker.task is None for worker in self._workers.values())

    def submit(self, request: bytes, files: Sequence[int] = ()) -> int:
        """Give a task to a free worker and return its number; never waits.

        `files` are duplicated into the worker: the caller may close its own at once.

        Raises:
            RuntimeError: no worker is free.
            SandboxError: code `files`: more descriptors than `limits.open_files`.
            OSError: too many descriptors are open here.
        """
        worker = next((w for w in self._workers.values() if w.task is None), None)
        if worker is None:
            raise RuntimeError("no worker is free")
        if len(files) > self._limits.open_files:
            raise SandboxError(
                f"{len(files)} files for one task; {self._limits.open_files} are allowed",
                code="files",
            )
        try:
            sent_all = worker.request(request, files)
        except OSError:
            list(self._replace(worker))
            raise
        worker.task = next(self._tasks)
        worker.heard_s = self._watch_s()
        if not sent_all:
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(worker.socket, both, worker)
        return worker.task

    def drop(self, task: int) -> None:
        """End the worker of a task that nobody wants any more; nothing more comes of it."""
        for worker in [one for one in self._workers.values() if one.task == task]:
            list(self._replace(worker))

    def events(self, timeout_s: float | None) -> list[Event]:
        """Wait for events, at most `timeout_s` seconds (None: until there is one).

        Returns at once, with none, when no task is under way.

        Raises:
            SandboxError: the fork server died, or workers cannot be started or confined.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while any(worker.task is not None for worker in self._workers.values()):
            ends_s = min(map(self._ends_at_s, self._workers.values()))
            wait_s = min(ends_s - self._watch_s(), _LOOK_S)
            if deadline is not None:
                wait_s = min(wait_s, deadline - time.monotonic())
            events = list(self._turn(max(wait_s, 0)))
            if events or (deadline is not None and time.monotonic() >= deadline):
                return events
        return []

    def _watch_s(self) -> float:
        """Read a clock that stands still while nobody looks at the workers."""
        now = time.monotonic()
        self._watched_s += min(now - self._looked_s, 2 * _LOOK_S)
        self._looked_s = now
        return self._watched_s

    def _ends_at_s(self, worker: Connection) -> float:
        """Return when the worker will be ended unless it moves, on the clock of `_watch_s`."""
        if worker.task is None:
            return float("inf")
        return worker.heard_s + (_HUNG_UP_S if worker.hung_up else self._limits.silence_s)

    def _turn(self, wait_s: float) -> Iterator[Event]:
        ready = self._selector.select(wait_s)
        for key, mask in ready:
            worker: Connection | None = key.data
            if worker is None:
                yield from self._hear_server()
            elif worker.number in self._workers and not worker.hung_up:
                if mask & selectors.EVENT_WRITE:
                    self._send(worker)
                if mask & selectors.EVENT_READ:
                    yield from self._hear(worker)
        yield from self._end_silent()

    def _send(self, worker: Connection) -> None:
        worker.heard_s = self._watch_s()
        if worker.send_on():
            self._selector.modify(worker.socket, selectors.EVENT_READ, worker)

    def _hear(self, worker: Connection) -> Iterator[Event]:
        """Take what one worker has sent, if anything."""
        worker.heard_s = self._watch_s()
        try:
            for kind, payload in worker.receive(self._room):
                yield from self._take(worker, kind, payload)
        except ProtocolError as error:
            yield from self._replace(worker, "crashed", f"protocol: {error}")
            return
        if worker.hung_up:
            # A task's fate is known when the fork server says how the worker ended.
            self._selector.unregister(worker.socket)
            if worker.task is None and worker.confined:
                yield from self._replace(worker)

    def _take(self, worker: Connection, kind: Kind, payload: bytes) -> Iterator[Event]:
        if not worker.confined:
            if kind is Kind.FAILURE:
                message = f"a process cannot be confined: {_failure(payload).message}"
                raise SandboxError(message, code="confine", hint="see tutela doctor")
            worker.confined = kind is Kind.READY
            if not worker.confined:
                raise ProtocolError("it spoke before it was confined")
            return
        if worker.task is None or kind is Kind.READY:
            raise ProtocolError(f"an unasked {kind.name}")
        if kind is Kind.REPLY:
            yield Reply(worker.task, payload)
            return
        end: Done | Broken
        if kind is Kind.DONE:
            end = Done(worker.task)
        else:
            failure = _failure(payload)
            detail, where = wire.plain(failure.message), wire.plain(failure.where)
            end = Broken(worker.task, "error", detail, failure.error(), where)
        worker.task = None
        yield end

    def _hear_server(self) -> Iterator[Event]:
        """Take one notice of how a worker ended."""
        try:
            notice = self._control.recv(server.NOTICE.size)
        except ConnectionError:
            notice = b""
        if not notice:
            raise self._server_gone()
        number, status, grown_kib = server.NOTICE.unpack(notice)
        if status < 0:
            raise SandboxError(f"cannot fork: {os.strerror(-status)}", code="fork")
        worker = self._workers.get(number)
        while worker is not None and not worker.hung_up:
            yield from self._hear(worker)  # what it said before it ended
            worker = self._workers.get(number)
        if worker is None:
            return
        code, detail = ending.cause(status, grown_kib << 10, self._limits)
        if not worker.confined:
            message = f"a process ended before it was confined ({detail})"
            raise SandboxError(message, code="confine", hint="see tutela doctor")
        yield from self._replace(worker, code, detail)

    def _end_silent(self) -> Iterator[Event]:
        now = self._watch_s()
        for worker in [w for w in self._workers.values() if self._ends_at_s(w) <= now]:
            if worker.hung_up:
                yield from self._replace(worker, "crashed", "protocol: it hung up and went on")
            else:
                silence = f"nothing heard for {self._limits.silence_s:g} s"
                yield from self._replace(worker, "silent", silence)

    def _replace(self, worker: Connection, code: str = "", detail: str = "") -> Iterator[Broken]:
        """End a worker, put a fresh one in its place, and say that its task is broken."""
        self._order(server.KILL, worker)
        if not worker.hung_up:
            self._selector.unregister(worker.socket)
        del self._workers[worker.number]
        worker.close()
        self._start_worker()
        if worker.task is not None:
            yield Broken(worker.task, code, detail)

    def close(self) -> None:
        """End all workers and the fork server, and wait until they are gone."""
        if self._control.fileno() < 0:
            return
        self._selector.close()
        self._control.close()
        for worker in self._workers.values():
            worker.close()
        self._workers.clear()
        os.waitpid(self._server, 0)

    def __enter__(self) -> Self:
        """Return the pool itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the pool."""
        self.close()


def _failure(payload: bytes) -> Failure:
    try:
        return msgspec.msgpack.decode(payload, type=Failure)
    except wire.UNREADABLE:
        raise ProtocolError("an unreadable failure") from None
