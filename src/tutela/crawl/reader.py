"""Reading pages in confined processes that threads share: bytes go in, observations come out.

A page that kills its reader, or keeps it too long, is an error of that page; the next one is read
by a fresh process.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Self

import msgspec

from tutela.core.errors import SandboxError
from tutela.crawl import reading
from tutela.crawl.decoding import PAGE_BYTES
from tutela.crawl.events import Terms, matcher
from tutela.observation.model import PageSeen
from tutela.sandbox import UNREADABLE, Broken, Limits, Shared

# The largest page that is read makes a tree of some 300 MiB.
LIMITS = Limits(memory_bytes=1 << 30, silence_s=15.0, open_files=0)

_WAIT_S = 120.0
_ANSWER_BYTES = 32 << 20
_PAGES_BETWEEN_COLLECTIONS = 200
_WARM = b"<p>a@b.example 0x00000000000000000000000000000000000000aa <blockquote>b</blockquote>"


class Request(msgspec.Struct, frozen=True, array_like=True):
    """A page to read."""

    url: str
    content_type: str
    body: bytes


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
    """Reads pages. Threads may share it; a context manager.

    Make it before a list, a key or the database is opened, in a process without other threads: its
    processes are forked here, and so hold none of them.

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
        self._decode = msgspec.msgpack.Decoder(PageSeen).decode
        self._shared = Shared(
            handler,
            jobs=jobs,
            limits=limits,
            warm_up=handler.warm_up,
            name="the reader",
            answer_bytes=_ANSWER_BYTES,
            refusal=_error,
        )

    def read(self, body: bytes, url: str, content_type: str) -> PageSeen:
        """Read a page. What lies beyond 4 MiB is not sent, and said to be left out.

        Raises:
            InputError: it cannot be read (code as `reading.read`).
            SandboxError: it broke its reader: code `memory`, `silent`, `crashed`, `error` or
                `protocol`.
            ServiceError: the readers were closed or have failed, or are too slow.
        """
        request = Request(url, content_type, body[: PAGE_BYTES + 1])
        answer = self._shared.ask(msgspec.msgpack.encode(request), _WAIT_S)
        try:
            return self._decode(answer)
        except UNREADABLE:
            raise SandboxError("the confined reader sent garbage", code="protocol") from None

    def close(self) -> None:
        """End all processes."""
        self._shared.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def _error(event: Broken) -> Exception:
    return event.error or SandboxError(f"reading a page failed: {event.detail}", code=event.code)
