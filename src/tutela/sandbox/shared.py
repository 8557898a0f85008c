"""Lets threads share one pool of confined workers: each waits for its own answer only."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, Self

from tutela.core.errors import SandboxError, ServiceError
from tutela.sandbox.limits import Limits
from tutela.sandbox.pool import Broken, Done, Pool, Reply
from tutela.sandbox.wire import Handler

# How long the driving thread looks at the workers before it looks for tasks that came meanwhile.
_TURN_S = 0.005


class _Task(NamedTuple):
    request: bytes
    result: Future[bytes]


class Shared:
    """A pool that threads ask; one thread of ours drives it.

    Make it before anything secret is in memory, in a process without other threads: its workers are
    forked here.

    Args:
        handler: Serves one request, in a worker; its replies are joined.
        jobs: How many workers.
        limits: What each may use.
        warm_up: Loads what the handler needs.
        name: What the pool does, for messages: `the renderer`.
        answer_bytes: More than this of one answer is refused.
        refusal: Gives the error of a task that ended badly.

    Raises:
        SandboxError: processes cannot be started or confined.
    """

    def __init__(  # noqa: PLR0913 a pool's own arguments, and three more
        self,
        handler: Handler,
        *,
        jobs: int,
        limits: Limits,
        warm_up: Callable[[], None],
        name: str,
        answer_bytes: int,
        refusal: Callable[[Broken], Exception],
    ) -> None:
        self._name, self._answer_bytes, self._refusal = name, answer_bytes, refusal
        self._pool = Pool(handler, jobs=jobs, limits=limits, warm_up=warm_up)
        self._waiting: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._under_way: dict[int, tuple[_Task, list[bytes]]] = {}
        self._state = threading.Lock()
        self._ended: ServiceError | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._drive, name=name, daemon=True)
        self._thread.start()

    def ask(self, request: bytes, wait_s: float) -> bytes:
        """Return the answer of a worker.

        Raises:
            ServiceError: the pool was closed or has failed, or the answer did not come in time.
            Exception: what `refusal` makes of a task that ended badly.
        """
        task = _Task(request, Future())
        with self._state:
            if self._ended is not None or self._closing:
                raise self._ended or self._closed()
            self._waiting.put(task)
        try:
            return task.result.result(wait_s)
        except TimeoutError:
            raise ServiceError(f"{self._name} did not answer in time", code="timeout") from None

    def _closed(self) -> ServiceError:
        return ServiceError(f"{self._name} was closed", code="closed")

    def _drive(self) -> None:
        """Move tasks between callers and the pool, until closed or the pool fails."""
        try:
            while not self._closing and self._take():
                self._collect()
        except Exception as error:  # noqa: BLE001 - whatever it is, no caller may wait for ever
            failed = ServiceError(f"{self._name} has failed: {error}", code="pool")
            with self._state:
                self._ended = failed
            self._refuse(failed)
        finally:
            self._refuse(self._closed())

    def _take(self) -> bool:
        """Give waiting tasks to free workers; wait for one where nothing is under way."""
        while self._pool.free:
            try:
                task = self._waiting.get(block=not self._under_way)
            except queue.Empty:
                return True
            if task is None:
                return False
            try:
                number = self._pool.submit(task.request)
            except BaseException:
                self._waiting.put(task)  # `_drive` refuses all that wait
                raise
            self._under_way[number] = task, []
        return True

    def _collect(self) -> None:
        for event in self._pool.events(_TURN_S):
            task, parts = self._under_way[event.task]
            match event:
                case Reply():
                    if sum(map(len, parts)) <= self._answer_bytes:  # beyond it is refused anyway
                        parts.append(event.payload)
                    continue
                case Done():
                    self._finish(task, b"".join(parts))
                case Broken():
                    task.result.set_exception(self._refusal(event))
            del self._under_way[event.task]

    def _finish(self, task: _Task, answer: bytes) -> None:
        if len(answer) <= self._answer_bytes:
            task.result.set_result(answer)
        else:
            task.result.set_exception(SandboxError("a confined process gave too much"))

    def _refuse(self, error: ServiceError) -> None:
        for task, _parts in self._under_way.values():
            task.result.set_exception(error)
        self._under_way.clear()
        with contextlib.suppress(queue.Empty):
            while True:
                waiting = self._waiting.get_nowait()
                if waiting is not None:
                    waiting.result.set_exception(error)

    def close(self) -> None:
        """End the workers; who waits for an answer gets an error."""
        with self._state:
            if self._closing:
                return
            self._closing = True
            self._waiting.put(None)
        self._thread.join()
        self._pool.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()
