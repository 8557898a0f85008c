"""Asking a server of others: again where that may help, and never for more than there is room."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Self, TypeVar

from tutela.core.errors import FetchError, InputError, SandboxError
from tutela.fetch.http import Bounds, Fetcher, Question

_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_ANSWER_BYTES = 1 << 20
_T = TypeVar("_T")


@dataclass(frozen=True)
class Limits:
    """What one round of a subscription may take.

    Attributes:
        page_bytes: Of one page.
        page_s: For one page, in seconds; `silence_s` between two pieces of it.
        tries: Of one page.
        backoff_s: Before the second try, and twice as long before each further one.
        wait_s: The longest that a server can have us wait.
        pages: In one round; the next one goes on.
        round_bytes: In one round.
        empty_pages: One after the other.
        together: Rows that are applied at once, so that a stop costs no more than those.
        together_s: The longest that rows wait for others.
    """

    page_bytes: int = 256 << 20
    page_s: float = 300.0
    silence_s: float = 60.0
    tries: int = 4
    backoff_s: float = 1.0
    wait_s: float = 120.0
    pages: int = 20_000
    round_bytes: int = 32 << 30
    empty_pages: int = 1_000
    together: int = 5_000
    together_s: float = 10.0


USUAL = Limits()


class Wire:
    """Asks one server; a context manager that keeps its connection.

    `size_bytes` came so far; `server_at` is the second that it last was for the server, 0 where it
    does not say.
    """

    def __init__(self, limits: Limits, pause: Callable[[float], None] = time.sleep) -> None:
        self.size_bytes = self.server_at = 0
        self._limits, self._pause = limits, pause
        self._fetcher = Fetcher()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._fetcher.close()

    def page(self, question: Question, read: Callable[[IO[bytes]], _T]) -> _T:
        """Return what `read` makes of the answer; ask again where either failed for now.

        Raises:
            FetchError: it did not come.
            InputError: it cannot be read.
            SandboxError: reading it broke a limit.
        """

        def once() -> _T:
            # Not buffered: another process reads it by its descriptor.
            with tempfile.TemporaryFile(buffering=0) as stream:
                self._fetch(question, stream.write, self._limits.page_bytes)
                stream.seek(0)
                return read(stream)

        return self._tried(once)

    def tell(self, question: Question) -> bytes:
        """Return the answer to a short question, once; a GET or PUT is asked again as a page is."""

        def once() -> bytes:
            pieces: list[bytes] = []
            self._fetch(question, pieces.append, _ANSWER_BYTES)
            return b"".join(pieces)

        return once() if question.method == "POST" else self._tried(once)

    def _fetch(self, question: Question, take: Callable[[bytes], object], most: int) -> None:
        bounds = Bounds(most, self._limits.page_s, self._limits.silence_s)
        with self._fetcher.ask(question, bounds) as body:
            self.server_at = int(body.date.timestamp()) if body.date else self.server_at
            for piece in body.pieces:
                self.size_bytes += len(piece)
                take(piece)

    def _tried(self, once: Callable[[], _T]) -> _T:
        wait_s = self._limits.backoff_s
        for left in reversed(range(self._limits.tries)):
            try:
                return once()
            except (FetchError, InputError, SandboxError) as error:
                if not left or not _passing(error):
                    raise
                asked_s = error.wait_s if isinstance(error, FetchError) else 0
                self._pause(min(max(wait_s, asked_s), self._limits.wait_s))
                wait_s *= 2
        raise AssertionError("the last try returns or raises")


def _passing(error: FetchError | InputError | SandboxError) -> bool:
    """Tell whether it may go well the next time."""
    if isinstance(error, FetchError):
        return error.code in {"unreachable", "too_slow"} or error.status in _AGAIN
    return isinstance(error, InputError) and error.code != "doctype"
