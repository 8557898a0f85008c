"""Bounded GET: a size, a time, and no host but the one that was asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

import httpx

from tutela.core.errors import FetchError, UsageError

_REDIRECTS = 3
_MOVED = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Bounds:
    """What one GET may take.

    Attributes:
        size_bytes: Of its body; a body that is longer is an error.
        seconds: In all.
        silence_s: Between two pieces of it, and to connect.
    """

    size_bytes: int
    seconds: float = 3600.0
    silence_s: float = 30.0


@dataclass(frozen=True)
class Body:
    """A body that comes in pieces; it begins at byte `begin` of the whole."""

    begin: int
    pieces: Iterator[bytes]


class Fetcher:
    """Fetches from servers over HTTP; a context manager that keeps connections between GETs.

    Redirects are followed within the same scheme, host and port, three times at most. What is sent
    compressed is not expanded. The `*_proxy` variables of the environment are heeded.
    """

    def __init__(self) -> None:
        self._client = httpx.Client(
            follow_redirects=False, headers={"User-Agent": "tutela", "Accept-Encoding": "identity"}
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def get(self, url: str, bounds: Bounds, *, begin: int = 0) -> Iterator[Body]:
        """Yield the body of `url` from byte `begin` on, or from 0 where the server cannot.

        Raises:
            FetchError: it did not come, in the pieces as well: code `unreachable`, `status`,
                `too_long`, `too_slow` or `redirected`.
            UsageError: the URL is neither http nor https.
        """
        until = time.monotonic() + bounds.seconds
        try:
            with self._answer(url, bounds, begin) as answer:
                start = begin if answer.status_code == httpx.codes.PARTIAL_CONTENT else 0
                if start and not answer.headers.get("Content-Range", "").startswith(
                    f"bytes {begin}-"
                ):
                    raise FetchError(f"{url}: the server sent another part than was asked for")
                yield Body(start, _bounded(answer, url, bounds, until))
        except httpx.TimeoutException as error:
            raise FetchError(f"{url}: the server is silent", code="too_slow") from error
        except httpx.HTTPError as error:
            raise FetchError(f"{url} cannot be fetched: {error}") from error

    @contextmanager
    def _answer(self, url: str, bounds: Bounds, begin: int) -> Iterator[httpx.Response]:
        asked = origin(url)
        headers = {"Range": f"bytes={begin}-"} if begin else {}
        for _ in range(_REDIRECTS + 1):
            with self._client.stream(
                "GET", url, headers=headers, timeout=bounds.silence_s
            ) as answer:
                if answer.status_code not in _MOVED:
                    if not answer.is_success:
                        raise FetchError(
                            f"{url}: the server says {answer.status_code}",
                            code="status",
                            status=answer.status_code,
                        )
                    yield answer
                    return
                url = str(answer.url.join(answer.headers.get("Location", "")))
            if origin(url) != asked:
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


def _bounded(answer: httpx.Response, url: str, bounds: Bounds, until: float) -> Iterator[bytes]:
    size_bytes = 0
    for piece in answer.iter_raw():
        size_bytes += len(piece)
        if size_bytes > bounds.size_bytes:
            raise FetchError(
                f"{url}: the server sends more than {bounds.size_bytes} bytes", code="too_long"
            )
        if time.monotonic() > until:
            raise FetchError(
                f"{url}: the server took longer than {bounds.seconds:.0f} s", code="too_slow"
            )
        yield piece
