"""Connections: checked where they lead, and bounded in what comes over them."""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import ssl
from typing import Any, cast

from aiohttp import AddrInfoType, TCPConnector, ThreadedResolver
from aiohttp.abc import ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp_socks import ProxyConnector, ProxyError
from python_socks import ProxyConnectionError, ProxyType
from python_socks.async_.asyncio.v2 import Proxy
from python_socks.async_.asyncio.v2._stream import AsyncioSocketStream

from tutela.core.errors import FetchError
from tutela.fetch.way import Clear, Tor, Way, check_ip, refusal

_UNIX = "unix:"
HEAD_BYTES = 64 << 10
_BLANK = b"\r\n\r\n"
# How many bytes may come over the wire for each of a body, beyond a slack.
_FRAMING = 3
_SLACK_BYTES = 64 << 10
_REPLY = re.compile(r"0X([0-9A-F]{2})\b")


class _Handler(ResponseHandler):
    """Ends a connection whose head is too long, or whose body is little but framing.

    A byte in each chunk costs us six on the wire and much time; an endless extension of a chunk, or
    trailers without end, bring nothing at all.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, writer: asyncio.StreamWriter | None = None
    ) -> None:
        super().__init__(loop)
        # A writer that nobody holds closes its connection when it is collected.
        self._writer = writer
        self._ended = False
        self._begin()

    def set_response_params(self, **params: Any) -> None:
        # Called for each request that is sent over the connection.
        self._begin()
        super().set_response_params(**params)

    def _begin(self) -> None:
        self._headed = False
        self._body: StreamReader | None = None
        self._wire_bytes = 0

    def data_received(self, data: bytes) -> None:
        # A head is read for itself: what is wrong in or after the body must not make it unread.
        while not self._headed and not self._ended and _BLANK in data:
            head, mark, data = data.partition(_BLANK)
            self._take(head + mark)
        if not self._ended:
            self._take(data)

    def _take(self, data: bytes) -> None:
        super().data_received(data)
        self._wire_bytes += len(data)
        if not self._headed and self._wire_bytes > HEAD_BYTES:
            self._end("the headers are too long", "headers")
        elif self._body is not None:
            most = _FRAMING * self._body.total_bytes + HEAD_BYTES + _SLACK_BYTES
            if self._wire_bytes > most:
                self._end("the body is little but framing", "damaged")

    def feed_data(self, data: Any, size: int = 0) -> None:
        if self._headed:
            # An answer to what was not asked must not become that to the next request.
            self._ended = True
            self._hang_up()
            return
        message = data[0]
        # Interim answers (1xx) may be endless; the head ends with the first that is none.
        if message.code >= 200:
            self._headed = True
            self._body = None if data[1] is EMPTY_PAYLOAD else data[1]
            size_bytes = sum(len(name) + len(value) for name, value in message.raw_headers)
            if self._wire_bytes + size_bytes > HEAD_BYTES:
                self._end("the headers are too long", "headers")
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        # The library leaves whoever reads a body waiting when its framing is broken.
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(exc, *cause)
        super().set_exception(exc, *cause)

    def _end(self, sentence: str, code: str) -> None:
        self._ended = True
        self.set_exception(FetchError(sentence, code=code))
        self._hang_up()

    def _hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()


class _Resolver(ThreadedResolver):
    """The system's, whose answers are checked; what was checked is what is connected to."""

    def __init__(self, way: Clear) -> None:
        super().__init__()
        self._way = way

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        # One that must not be asked makes all of them suspect.
        for one in found:
            check_ip(self._way, one["host"])
        return found


class _Straight(TCPConnector):
    def __init__(self, way: Clear, options: dict[str, Any]) -> None:
        def checked(info: AddrInfoType) -> socket.socket:
            """Open a socket for an address: the last place where it can be looked at."""
            family, kind, protocol, _, where = info
            check_ip(way, str(where[0]))
            return socket.socket(family, kind, protocol)

        super().__init__(
            resolver=_Resolver(way),
            use_dns_cache=False,
            happy_eyeballs_delay=None,
            socket_factory=checked,
            **options,
        )
        # The one way to have a handler of one's own; `ProxyConnector` is made by the same.
        self._factory: Any = functools.partial(_Handler, loop=self._loop)


class _Socket(Proxy):
    """Leads a `Proxy` to a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__(ProxyType.SOCKS5, path, 0)
        self._path = path

    async def connect(self, *_: Any, **__: Any) -> AsyncioSocketStream:
        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
        except OSError as error:
            raise ProxyConnectionError(error.errno, "no socket") from error
        return AsyncioSocketStream(self._loop, reader, writer)


class _Through(ProxyConnector):
    def __init__(self, way: Tor, turn: int, options: dict[str, Any]) -> None:
        super().__init__("", 0, rdns=True, **options)
        self._way = way
        self._turn = turn

    async def _connect_via_proxy(
        self,
        host: str,
        port: int,
        ssl: ssl.SSLContext | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 as the library calls it
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        where = self._way.socks_address(host)
        path = where.removeprefix(_UNIX) if where.startswith(_UNIX) else ""
        at, _, number = where.rpartition(":")
        proxy = Proxy(
            ProxyType.SOCKS5,
            at,
            0 if path else int(number),
            self._way.socks_name(host, self._turn),
            "-",
            rdns=True,
            forward=_Socket(path) if path else None,
        )
        try:
            stream = await proxy.connect(host, port, dest_ssl=ssl, timeout=timeout)
        except EOFError as error:
            raise ProxyError("the port closed the connection") from error
        transport = cast("asyncio.Transport", stream.writer.transport)
        handler = _Handler(self._loop, stream.writer)
        transport.set_protocol(handler)
        handler.connection_made(transport)
        return transport, handler


def connector(way: Way, turn: int, keep_s: float) -> TCPConnector:
    """Return what connects, any number of times at once.

    `turn` is as in `Tor.socks_name`; a connection that was used is kept for `keep_s`, 0 for never.
    """
    options: dict[str, Any] = {"limit": 0}
    options |= {"keepalive_timeout": keep_s} if keep_s else {"force_close": True}
    return _Straight(way, options) if isinstance(way, Clear) else _Through(way, turn, options)


def socks_failure(error: ProxyError) -> FetchError:
    """Return what it means that a SOCKS port did not connect."""
    if error.error_code is not None:
        return refusal(int(error.error_code))
    # Codes that RFC 1928 does not know are only in the sentence.
    found = _REPLY.search(str(error).upper())
    if found is None:
        return FetchError("tor ended in the middle of a connection", code="tor_down")
    return refusal(int(found[1], 16))


async def is_listening(where: str) -> bool:
    """Say whether a SOCKS port takes connections."""
    try:
        if where.startswith(_UNIX):
            _, writer = await asyncio.open_unix_connection(where.removeprefix(_UNIX))
        else:
            host, _, port = where.rpartition(":")
            _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.transport.abort()
    return True
