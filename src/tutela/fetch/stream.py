"""A client for pages that nobody vouches for: GET and HEAD, piece by piece, bounded in every way.

    async with Client(way) as client, client.get(url) as answer:
        async for piece in answer.pieces():
            ...

Each request is sent once: where a kept connection was closed meanwhile the library would send it
again, and ours ends with code `closed`. Redirects are told and not followed, no cookie is kept, and
nothing of an answer is written anywhere.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Self, TypeVar

import msgspec
from aiohttp import (
    ClientHandlerType,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
)
from yarl import URL

from tutela.core.errors import FetchError, UsageError
from tutela.fetch import address as addresses
from tutela.fetch.address import Address, Net
from tutela.fetch.answer import Head, head_of
from tutela.fetch.connect import connector, is_listening
from tutela.fetch.expand import ACCEPTED, PIECE_BYTES, Cap, Expander
from tutela.fetch.failure import FAILURES, coded
from tutela.fetch.way import Tor, Way, check

# What Tor Browser says, which most visitors of an onion service use.
_HEADERS = {
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": ACCEPTED,
}
_FIELD_BYTES = 32 << 10
# Of framing and of compressed parts that hold nothing; a body may not be made of these.
_SLACK_BYTES = 64 << 10


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What one request may take.

    Attributes:
        size_bytes: Of the body, expanded; and of what comes over the wire for it.
        ratio: How far it may expand, see `expand.Cap`.
        total_s: From the asking to the last piece, whoever is slow.
        connect_s: Until the connection stands.
        first_s: Until the head has come.
        silence_s: Between two pieces.
        rate_bytes_s: How fast a body must come at least, once we waited `silence_s` for it in all.
    """

    size_bytes: int = 4 << 20
    ratio: int = 100
    total_s: float = 90.0
    connect_s: float = 20.0
    first_s: float = 60.0
    silence_s: float = 20.0
    rate_bytes_s: float = 512.0


_USUAL = Bounds()
# What a dead tor looks like at first.
_DYING_S = 0.2
_MAY_BE_TOR = frozenset({"closed", "slow", "timeout"})
T = TypeVar("T")


class Answer:
    """What a server answers: `head`, and the body in pieces, once."""

    def __init__(self, client: Client, response: ClientResponse, asked: Address, run: _Run) -> None:
        self.head: Head = head_of(response, asked)
        self._client = client
        self._response = response
        self._run = run

    def pieces(self, size_bytes: int = 0) -> AsyncIterator[bytes]:
        """Return the body, expanded, in pieces of 64 KiB; `size_bytes` instead of the bound.

        Raises:
            FetchError: in between as well: `too_large`, `bomb`, `encoding`, `damaged`, `slow`,
                `timeout`, `closed`, `tor_down`, `stopped`.
        """
        bounds = self._run.bounds
        cap = Cap(size_bytes=size_bytes or bounds.size_bytes, ratio=bounds.ratio)
        expander = Expander(self.head.encoding, cap)
        most = cap.size_bytes + (_SLACK_BYTES if expander.compressed else 0)
        if (self.head.content_length or 0) > most and self._response.method != "HEAD":
            raise _too_large(most)
        read = self._response.content.readany
        return _Pieces(self._client, read, self._run, expander, most, self.head.is_framed)


class _Run(msgspec.Struct):
    """One request while it runs."""

    way: Way
    asked: Address
    bounds: Bounds
    until: float
    waited_s: float = 0.0
    came_bytes: int = 0

    def patience_s(self) -> float:
        """Return for how long the next piece may be waited for."""
        earned = max(self.bounds.silence_s, self.came_bytes / self.bounds.rate_bytes_s)
        return min(self.bounds.silence_s, earned - self.waited_s)


class _Pieces:
    def __init__(  # noqa: PLR0913, PLR0917 made in one place
        self,
        client: Client,
        read: Callable[[], Awaitable[bytes]],
        run: _Run,
        expander: Expander,
        most_bytes: int,
        is_framed: bool,  # noqa: FBT001 as above
    ) -> None:
        self._client = client
        self._read = read
        self._is_framed = is_framed
        self._run = run
        self._expander = expander
        self._most_bytes = most_bytes
        self._ready: Iterator[bytes] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while True:
            piece = next(self._ready, None)
            if piece is not None:
                return piece
            wire = await self._client.waited(self._read, self._run)
            if not wire:
                if not self._is_framed:
                    await self._client.check_way(self._run)
                self._expander.finish()
                raise StopAsyncIteration
            self._run.came_bytes += len(wire)
            if self._run.came_bytes > self._most_bytes:
                raise _too_large(self._most_bytes)
            self._ready = self._expander.feed(wire)


class Client:
    """Asks, along one way, any number of requests at a time; a context manager.

    Args:
        way: How requests leave this machine.
        bounds: What each may take where it says nothing else.
        trusted: Whom to believe over TLS; the authorities that the system does if left out.
        keep_s: For how long a connection is kept for the next request to its host; shorter than
            servers do, lest they close it under a request. 0 for a connection for each.
    """

    def __init__(
        self,
        way: Way,
        bounds: Bounds = _USUAL,
        *,
        trusted: ssl.SSLContext | None = None,
        keep_s: float = 3.0,
    ) -> None:
        self._way = way
        self._bounds = bounds
        self._trusted = trusted
        self._keep_s = keep_s
        self._sessions: dict[int, ClientSession] = {}
        self._scopes: set[asyncio.Timeout] = set()
        self._stopped = False

    async def __aenter__(self) -> Self:
        """Return itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """End what still runs, and close all connections."""
        self.stop()
        for session in self._sessions.values():
            await session.close()

    def stop(self) -> None:
        """End every request at once: those under way end with code `stopped`, as do later ones."""
        self._stopped = True
        now = asyncio.get_running_loop().time()
        for scope in self._scopes:
            if not scope.expired():
                scope.reschedule(now)

    @asynccontextmanager
    async def get(
        self,
        url: str | Address,
        bounds: Bounds | None = None,
        *,
        turn: int = 0,
        cookie: str = "",
        any_certificate: bool = False,
    ) -> AsyncIterator[Answer]:
        """Ask for something; leaving the block ends the connection.

        Args:
            url: What to ask for.
            bounds: What it may take, instead of the client's.
            turn: Another number means other circuits through Tor; few, each has its connections.
            cookie: A session that an officer has and gave, sent with this request alone.
            any_certificate: Whether an onion service may have any certificate: its address is
                already its key.

        Raises:
            FetchError: code `bad_address`, `net`, `addresses`, `refused`, `unreachable`,
                `no_descriptor`, `needs_auth`, `tls`, `tor_down`, `timeout`, `headers`, `closed`
                or `stopped`.
            UsageError: any certificate would do for a server of the clear web.
        """
        async with self._asked("GET", url, bounds, turn, cookie, any_certificate) as answer:
            yield answer

    @asynccontextmanager
    async def head(
        self, url: str | Address, bounds: Bounds | None = None, *, turn: int = 0
    ) -> AsyncIterator[Answer]:
        """Ask what is there, and not for the thing itself; as `get`."""
        async with self._asked("HEAD", url, bounds, turn, "", any_certificate=False) as answer:
            yield answer

    async def waited(
        self, begin: Callable[[], Awaitable[T]], run: _Run, patience_s: float | None = None
    ) -> T:
        """Wait for what `begin` begins, as long as the request has patience and time left.

        Raises:
            FetchError: it did not come.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        limit = began + (run.patience_s() if patience_s is None else patience_s)
        if self._stopped:
            raise _stopped()
        try:
            async with asyncio.timeout_at(min(limit, run.until)) as scope:
                self._scopes.add(scope)
                try:
                    return await begin()
                finally:
                    self._scopes.discard(scope)
        # The library's errors name the host: none of them is told on.
        except TimeoutError:
            if patience_s is None and loop.time() < run.until:
                slow = FetchError("the body comes too slowly", code="slow")
                raise await self._seen(slow, run) from None
            raise await self._seen(coded(TimeoutError()), run) from None
        except (FetchError, *FAILURES) as error:
            raise await self._seen(coded(error), run) from None
        finally:
            if patience_s is None:
                run.waited_s += loop.time() - began

    async def check_way(self, run: _Run) -> None:
        """Check that a body that ended with its connection did not end with tor.

        Raises:
            FetchError: code `tor_down`.
        """
        if isinstance(run.way, Tor):  # one that is killed closes connections before it is gone
            await asyncio.sleep(_DYING_S)
        ended = FetchError("the connection was closed", code="closed")
        seen = await self._seen(ended, run)
        if seen is not ended:
            raise seen

    async def _seen(self, failure: FetchError, run: _Run) -> FetchError:
        """Return what a failure is in the light of what else we know."""
        if self._stopped:
            return _stopped()
        if not isinstance(run.way, Tor) or failure.code not in _MAY_BE_TOR:
            return failure
        if await is_listening(run.way.socks_address(run.asked.host)):
            return failure
        return FetchError("tor ended meanwhile", code="tor_down", hint="start it again")

    @asynccontextmanager
    async def _asked(  # noqa: PLR0913, PLR0917 as `get`
        self,
        method: str,
        url: str | Address,
        bounds: Bounds | None,
        turn: int,
        cookie: str,
        any_certificate: bool,  # noqa: FBT001 as `get`
    ) -> AsyncIterator[Answer]:
        asked = addresses.read(url) if isinstance(url, str) else url
        check(self._way, asked)
        if any_certificate and asked.net is not Net.ONION:
            raise UsageError("a server of the clear web must show whose it is")
        bounds = bounds or self._bounds
        until = asyncio.get_running_loop().time() + bounds.total_s
        run = _Run(self._way, asked, bounds, until)
        headers = {**_HEADERS, "Cookie": cookie} if cookie else _HEADERS
        response = await self.waited(
            lambda: self._session(turn).request(
                method,
                URL(asked.url, encoded=True),
                headers=headers,
                allow_redirects=False,
                timeout=ClientTimeout(total=None, sock_connect=bounds.connect_s),
                ssl=False if any_certificate else self._trusted or True,
            ),
            run,
            bounds.first_s,
        )
        try:
            yield Answer(self, response, asked, run)
        finally:
            # One whose body was read to its end has given its connection back by now.
            response.close()

    def _session(self, turn: int) -> ClientSession:
        """Return what holds the connections of a turn: none of another may be used."""
        if turn not in self._sessions:
            self._sessions[turn] = ClientSession(
                connector=connector(self._way, turn, self._keep_s),
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                read_bufsize=PIECE_BYTES,
                max_line_size=_FIELD_BYTES,
                max_field_size=_FIELD_BYTES,
                middlewares=(_once,),
            )
        return self._sessions[turn]


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep the library from sending a request again whose connection was closed.

    It does for these errors (ClientOSError is an OSError); a site must not see two requests where
    one was leased.
    """
    try:
        return await handler(request)
    except (OSError, ServerDisconnectedError) as error:
        raise coded(error) from None


def _stopped() -> FetchError:
    return FetchError("all requests were stopped", code="stopped")


def _too_large(most_bytes: int) -> FetchError:
    return FetchError(f"the body is longer than {most_bytes} bytes", code="too_large")
