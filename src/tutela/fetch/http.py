"""Bounded HTTP: a size, a time, and no host but the one that was asked.

Errors name an address without its query and without who asks: both may hold a secret.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import httpx

from tutela.core.errors import FetchError, UsageError

_REDIRECTS = 3
_MOVED = (301, 302, 303, 307, 308)
_LONGEST_WAIT_S = 3600
_CONNECT_S = 10.0
_DIGITS = 18  # of a number of seconds
_SAID_BYTES = 4096  # of what a server says to a refusal
# They write whole addresses and headers to the log of whoever sets one up.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


@dataclass(frozen=True)
class Bounds:
    """What one answer may take.

    Attributes:
        size_bytes: Of its body; a body that is longer is an error.
        seconds: In all, from the asking on.
        silence_s: Between two pieces of it, and to connect, for which ten seconds are enough.
    """

    size_bytes: int
    seconds: float = 3600.0
    silence_s: float = 30.0


@dataclass(frozen=True)
class Question:
    """What is asked of a server; only a GET is sent on where the server redirects within itself."""

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Body:
    """A body that comes in pieces; it begins at byte `begin` of the whole.

    `date` is what time it is for the server, None where it does not say.
    """

    begin: int
    pieces: Iterator[bytes]
    date: datetime | None = None


class Fetcher:
    """Asks servers over HTTP, one question at a time; a context manager that keeps connections.

    Redirects of a GET are followed within the same scheme, host and port, three times at most. What
    is sent compressed is not expanded. The `*_proxy` variables of the environment are heeded.

    Args:
        verify: Whom to believe; the authorities that the system does if left out.
    """

    def __init__(self, verify: ssl.SSLContext | None = None) -> None:
        self._client = httpx.Client(
            follow_redirects=False,
            headers={"User-Agent": "tutela", "Accept-Encoding": "identity"},
            verify=True if verify is None else verify,
        )
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def get(self, url: str, bounds: Bounds, *, begin: int = 0) -> Iterator[Body]:
        """Yield the body of `url` from byte `begin` on, or from 0 where the server cannot.

        Raises:
            FetchError: as `ask`.
            UsageError: the URL is neither http nor https.
        """
        headers = {"Range": f"bytes={begin}-"} if begin else {}
        with self.ask(Question(url, headers=headers), bounds) as body:
            yield body

    @contextmanager
    def ask(self, question: Question, bounds: Bounds) -> Iterator[Body]:
        """Yield the body of the answer, which may begin later than at 0 where a range is asked.

        Raises:
            FetchError: it did not come, in the pieces as well: code `unreachable`, `status`,
                `too_long`, `too_slow` or `redirected`.
            UsageError: the URL is neither http nor https.
        """
        url = shown(question.url)
        until = time.monotonic() + bounds.seconds
        late = threading.Event()
        try:
            with self._ending(bounds.seconds, late), self._answer(question, bounds) as answer:
                pieces = _bounded(answer, url, bounds, until)
                yield Body(_begin(answer, question, url), pieces, _date(answer))
        except httpx.TimeoutException as error:
            raise FetchError(f"{url}: the server is silent", code="too_slow") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if late.is_set():
                raise _too_slow(url, bounds) from error
            raise FetchError(f"{url} cannot be fetched: {error}") from error

    @contextmanager
    def _ending(self, seconds: float, late: threading.Event) -> Iterator[None]:
        """End the connection after `seconds`.

        A server that sends a byte of its headers now and then is never silent, and nothing of it is
        a piece of the body.
        """

        def end() -> None:
            late.set()
            if self._socket is not None:
                with suppress(OSError):
                    # Not that of an SSL socket, which would let go of what another thread reads.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _traced(self, event: str, info: dict[str, Any]) -> None:
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._socket = info["return_value"].get_extra_info("socket")

    @contextmanager
    def _answer(self, question: Question, bounds: Bounds) -> Iterator[httpx.Response]:
        asked, url = origin(question.url), question.url
        for _ in range(_REDIRECTS + 1):
            with self._client.stream(
                question.method,
                url,
                headers=dict(question.headers),
                content=question.body or None,
                timeout=httpx.Timeout(bounds.silence_s, connect=min(bounds.silence_s, _CONNECT_S)),
                extensions={"trace": self._traced},
            ) as answer:
                if answer.status_code not in _MOVED:
                    if not answer.is_success:
                        raise _refused(answer, shown(url))
                    yield answer
                    return
                url = str(answer.url.join(answer.headers.get("Location", "")))
            if origin(url) != asked or question.method != "GET":
                break
        raise FetchError(
            f"{asked[1]} redirects elsewhere, which is not followed",
            code="redirected",
            hint="ask at the address where it is",
        )


def origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port of a URL.

    Raises:
        UsageError: it is neither http nor https, or has no host.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError("this is no address to fetch from") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url[:80]} is no address to fetch from", hint="https://host/path")
    return parts.scheme, parts.hostname, port


def shown(url: str) -> str:
    """Return a URL as it may be told: without query, fragment and who asks."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _begin(answer: httpx.Response, question: Question, url: str) -> int:
    begin = int(question.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
    if answer.status_code != httpx.codes.PARTIAL_CONTENT:
        return 0
    if begin and not answer.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
        raise FetchError(f"{url}: the server sent another part than was asked for")
    return begin


def _date(answer: httpx.Response) -> datetime | None:
    try:
        date = parsedate_to_datetime(answer.headers.get("Date", ""))
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _refused(answer: httpx.Response, url: str) -> FetchError:
    wait = answer.headers.get("Retry-After", "")
    return FetchError(
        f"{url}: the server says {answer.status_code}",
        code="status",
        status=answer.status_code,
        said=_said(answer),
        wait_s=min(int(wait[:_DIGITS]), _LONGEST_WAIT_S) if wait.isdecimal() else 0,
    )


def _said(answer: httpx.Response) -> bytes:
    """Return the beginning of what comes with a refusal; that nothing does is no other refusal."""
    try:
        return next(answer.iter_raw(_SAID_BYTES), b"")
    except httpx.HTTPError:
        return b""


def _too_slow(url: str, bounds: Bounds) -> FetchError:
    return FetchError(f"{url}: the server took longer than {bounds.seconds:.0f} s", code="too_slow")


def _bounded(answer: httpx.Response, url: str, bounds: Bounds, until: float) -> Iterator[bytes]:
    size_bytes = 0
    for piece in answer.iter_raw():
        size_bytes += len(piece)
        if size_bytes > bounds.size_bytes:
            raise FetchError(
                f"{url}: the server sends more than {bounds.size_bytes} bytes", code="too_long"
            )
        if time.monotonic() > until:
            raise _too_slow(url, bounds)
        yield piece
