"""Reading pages in confined processes: bytes go in, observations come out.

A page that kills its reader, or keeps it too long, is an error of that page; the next one is read
by a fresh process.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import msgspec

from tutela.core.errors import SandboxError, TutelaError
from tutela.crawl import reading
from tutela.crawl.decoding import PAGE_BYTES
from tutela.crawl.events import Terms, matcher
from tutela.observation.model import PageSeen
from tutela.sandbox import Limits
from tutela.sandbox.pool import Broken, Done, Pool, Reply
from tutela.sandbox.wire import UNREADABLE

# The largest page that is read makes a tree of some 300 MiB.
LIMITS = Limits(memory_bytes=1 << 30, silence_s=15.0, open_files=4)

_PAGES_BETWEEN_COLLECTIONS = 200
_WARM = b"<p>a@b.example 0x00000000000000000000000000000000000000aa <blockquote>b</blockquote>"


class Request(msgspec.Struct, frozen=True, array_like=True):
    """A page to read."""

    url: str
    content_type: str
    body: bytes


class Outcome(msgspec.Struct, frozen=True):
    """What became of one page: what it shows, or why it could not be read."""

    task: int
    seen: PageSeen | None = None
    error: TutelaError | None = None


class _Handler:
    """Reads pages one after the other; runs confined."""

    def __init__(self, terms: Terms, keys: Sequence[bytes]) -> None:
        self._terms = terms
        self._keys = keys
        self._decode = msgspec.msgpack.Decoder(Request).decode
        self._pages = 0

    def __call__(self, request: bytes, _: list[int], reply: Callable[[bytes], None]) -> None:
        """Read one page and reply with what it shows.

        Raises:
            InputError: as `reading.read`.
        """
        self._tidy()
        wanted = self._decode(request)
        seen = reading.read(
            wanted.body, wanted.url, wanted.content_type, self._terms, keys=self._keys
        )
        reply(reading.encode(seen))

    def _tidy(self) -> None:
        """Collect garbage now and then only: a page leaves next to none."""
        if self._pages == 0:
            gc.freeze()
            gc.disable()
        self._pages += 1
        if self._pages % _PAGES_BETWEEN_COLLECTIONS == 0:
            gc.collect()

    def warm_up(self) -> None:
        """Load and compile what reading needs; nothing can be opened later."""
        matcher(self._terms)
        reading.read(_WARM, "http://warm.example/", "text/html; charset=utf-8", self._terms)


class Reader:
    """Reads pages in confined processes. As for `Pool`: create it early, use it from one thread.

    Args:
        terms: Words that the agency supplies.
        keys: OpenPGP certificates that signatures may be by, beside those on a page.
        jobs: How many processes read.
        limits: What each may use.

    Raises:
        SandboxError: the processes cannot be started or confined.
    """

    def __init__(
        self,
        terms: Terms,
        *,
        keys: Sequence[bytes] = (),
        jobs: int = 1,
        limits: Limits = LIMITS,
    ) -> None:
        handler = _Handler(terms, tuple(keys))
        self._pool = Pool(handler, jobs=jobs, limits=limits, warm_up=handler.warm_up)
        self._decode = msgspec.msgpack.Decoder(PageSeen).decode
        self._replies: dict[int, bytes] = {}

    @property
    def free(self) -> int:
        """How many processes have no page."""
        return self._pool.free

    def submit(self, body: bytes, url: str, content_type: str) -> int:
        """Give a page to a free process and return the number of the task; never waits.

        What lies beyond 4 MiB of `body` is not sent, and said to be left out by what comes back.

        Raises:
            RuntimeError: no process is free.
        """
        request = Request(url, content_type, body[: PAGE_BYTES + 1])
        return self._pool.submit(msgspec.msgpack.encode(request))

    def outcomes(self, timeout_s: float | None) -> list[Outcome]:
        """Wait for outcomes, at most `timeout_s` seconds (None: until there is one).

        Raises:
            SandboxError: processes cannot be started or confined any more.
        """
        ended: list[Outcome] = []
        for event in self._pool.events(timeout_s):
            match event:
                case Reply():
                    self._replies[event.task] = event.payload
                case Broken():
                    self._replies.pop(event.task, None)
                    error = event.error or SandboxError(
                        f"reading a page failed: {event.detail}", code=event.code
                    )
                    ended.append(Outcome(event.task, error=error))
                case Done():
                    ended.append(self._outcome(event.task))
        return ended

    def _outcome(self, task: int) -> Outcome:
        payload = self._replies.pop(task, b"")
        try:
            return Outcome(task, self._decode(payload))
        except UNREADABLE:
            error = SandboxError("the confined reader sent garbage", code="protocol")
            return Outcome(task, error=error)

    def read(self, body: bytes, url: str, content_type: str) -> PageSeen:
        """Read one page and wait for it; while no other page is under way.

        Raises:
            InputError: it cannot be read (code as `reading.read`).
            SandboxError: it broke its reader: code `memory`, `silent`, `crashed` or `error`.
        """
        task = self.submit(body, url, content_type)
        while True:
            for outcome in self.outcomes(None):
                if outcome.task == task:
                    if outcome.seen is None:
                        raise outcome.error or SandboxError("no answer", code="protocol")
                    return outcome.seen

    def close(self) -> None:
        """End all processes."""
        self._pool.close()

    def __enter__(self) -> Self:
        """Return the reader itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the reader."""
        self.close()
