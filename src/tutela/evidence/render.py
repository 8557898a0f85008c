"""Draws pictures anew for people, in confined processes: an original is never sent as it is.

What comes out is a JPEG that we encoded: upright, in sRGB, no larger than asked for, and with
nothing of the file but pixels. A file that breaks a decoder breaks a process without secrets, and
the next request finds a fresh one.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from concurrent.futures import Future
from typing import NamedTuple, Self

from tutela.core.errors import MediaError, SandboxError, ServiceError
from tutela.evidence import renderwork
from tutela.evidence.renderwork import MAX_PX, Order
from tutela.sandbox import Limits, Pool
from tutela.sandbox.pool import Broken, Done, Reply

_LIMITS = Limits(memory_bytes=2 << 30, silence_s=30.0, open_files=0)
_WORKERS = 4
# How long the driving thread looks at the workers before it looks for tasks that came meanwhile.
_TURN_S = 0.005
# A caller gives up after so long: many may wait before it, and a process may be silent for 30 s.
_WAIT_S = 120.0
# A picture may come to so many bytes: 4000 x 4000 px at our quality have far fewer.
_RESULT_BYTES = 32 << 20


class _Task(NamedTuple):
    request: bytes
    result: Future[bytes]


class Renderer:
    """Draws pictures in a pool of confined workers; threads may share it.

    Make it before anything secret is in memory, in a process without other threads: its workers are
    forked here. One thread of ours then drives the pool; callers wait for their own picture only.

    Args:
        jobs: How many pictures are drawn at once; 0 means one for each core, four at most.

    Raises:
        SandboxError: processes cannot be started or confined.
    """

    def __init__(self, jobs: int = 0) -> None:
        jobs = jobs or min(len(os.sched_getaffinity(0)), _WORKERS)
        self._pool = Pool(renderwork.handle, jobs=jobs, limits=_LIMITS, warm_up=renderwork.warm_up)
        self._waiting: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._under_way: dict[int, tuple[_Task, list[bytes]]] = {}
        self._state = threading.Lock()
        self._ended: ServiceError | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._drive, name="renderer", daemon=True)
        self._thread.start()

    def clear(self, data: bytes, max_px: int = MAX_PX) -> bytes:
        """Return a picture as a JPEG whose longer side has `max_px` pixels at most.

        Raises:
            MediaError: it cannot be decoded; code `crashed`, `memory` or `silent` if it broke the
                process that tried.
            ServiceError: the renderer was closed or has failed.
        """
        return self._draw(Order("clear", max_px), data)

    def blurred(self, data: bytes) -> bytes:
        """Return the blurred grey thumbnail of a picture; see `fingerprint.thumbnail`.

        Raises:
            MediaError: as `clear`.
            ServiceError: likewise.
        """
        return self._draw(Order("blurred"), data)

    def _draw(self, order: Order, data: bytes) -> bytes:
        task = _Task(renderwork.request(order, data), Future())
        with self._state:
            if self._ended is not None or self._closing:
                raise self._ended or ServiceError("the renderer was closed", code="closed")
            self._waiting.put(task)
        try:
            return task.result.result(_WAIT_S)
        except TimeoutError:
            raise ServiceError("the picture was not drawn in time", code="timeout") from None

    def _drive(self) -> None:
        """Move tasks between callers and the pool, until closed or the pool fails."""
        try:
            while not self._closing and self._take():
                self._collect()
        except Exception as error:  # noqa: BLE001 - whatever it is, no caller may wait for ever
            failed = ServiceError(f"the renderer has failed: {error}", code="renderer")
            with self._state:
                self._ended = failed
            self._refuse(failed)
        finally:
            self._refuse(ServiceError("the renderer was closed", code="closed"))

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
                    if sum(map(len, parts)) <= _RESULT_BYTES:  # beyond it is no picture anyway
                        parts.append(event.payload)
                    continue
                case Done():
                    _finish(task, b"".join(parts))
                case Broken():
                    task.result.set_exception(_error(event))
            del self._under_way[event.task]

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
        """End the workers; who waits for a picture gets an error."""
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


def _finish(task: _Task, drawn: bytes) -> None:
    """Believe a worker no more than that it gave bytes that begin and end as a JPEG does."""
    if len(drawn) <= _RESULT_BYTES and drawn[:3] == b"\xff\xd8\xff" and drawn[-2:] == b"\xff\xd9":
        task.result.set_result(drawn)
    else:
        task.result.set_exception(SandboxError("a confined process gave no picture"))


def _error(event: Broken) -> Exception:
    if event.error is not None:
        return event.error
    return MediaError(
        f"the picture cannot be drawn: {event.detail}",
        code="undecodable" if event.code == "error" else event.code,
    )
