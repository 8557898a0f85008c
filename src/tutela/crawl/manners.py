"""Asks a site's robots.txt before anything else of it, once a day, whichever worker comes first."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime

from tutela.core.errors import FetchError
from tutela.core.time import now
from tutela.crawl import robots
from tutela.crawl.model import Lease, Net
from tutela.crawl.robots import GOOD_FOR, MOST_BYTES, Robots
from tutela.crawl.urls import canonical
from tutela.fetch.address import may_follow
from tutela.fetch.address import read as address_of
from tutela.fetch.stream import Bounds, Client
from tutela.store import Database

REDIRECTS = 5  # RFC 9309, section 2.3.1.2
_BOUNDS = Bounds(size_bytes=MOST_BYTES, total_s=30.0)
_NO_RULES = 404
_MOST_ORIGINS = 10_000

Ask = Callable[[Callable[[], Robots | None]], Awaitable[Robots | None]]


class Manners:
    """What sites ask of robots, for one worker.

    Args:
        database: Where it is kept for all workers.
        ask: Runs what asks or writes the database in a thread.
    """

    def __init__(self, database: Database, ask: Ask) -> None:
        self._database = database
        self._ask = ask
        self._known: dict[tuple[int, str], tuple[Robots, datetime]] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def allow(self, lease: Lease, client: Client) -> bool:
        """Tell whether the URL of a lease may be asked for.

        It is read and kept also where the order says to go against it.

        Raises:
            FetchError: it cannot be read now (`robots_closed`: the server fails, or is asked too
                often): nothing else may be asked there either, until it can.
        """
        address = canonical(lease.url)
        async with self._turns[address.origin]:
            said = await self._said(lease, address.origin, client)
        if said.closed and not lease.robots_override and address.path != "/robots.txt":
            raise FetchError("its robots.txt cannot be had", code="robots_closed")
        return lease.robots_override or said.allows(address)

    async def _said(self, lease: Lease, origin: str, client: Client) -> Robots:
        key = (lease.order_id, origin)
        said, until = self._known.get(key, (None, now()))
        if said is not None and until > now():
            return said
        said = await self._ask(lambda: self._looked_up(lease, origin))
        if said is None:
            status, body = await _fetched(lease, f"{origin}/robots.txt", client)
            said = await self._ask(lambda: self._kept(lease, origin, status, body))
            assert said is not None
        if len(self._known) >= _MOST_ORIGINS:
            self._known.clear()
            self._turns.clear()
        if not said.closed:
            self._known[key] = said, now() + GOOD_FOR
        return said

    def _looked_up(self, lease: Lease, origin: str) -> Robots | None:
        with self._database.read() as tx:
            return robots.known(tx, lease.host_id, origin)

    def _kept(self, lease: Lease, origin: str, status: int, body: bytes) -> Robots:
        with self._database.write() as tx:
            return robots.record(tx, lease, origin, status, body)


async def _fetched(lease: Lease, url: str, client: Client) -> tuple[int, bytes]:
    """Return status and body of a robots.txt; redirects are followed within the host alone."""
    onion = lease.net is Net.ONION
    for _ in range(REDIRECTS + 1):
        async with client.get(url, _BOUNDS, turn=lease.tries, any_certificate=onion) as answer:
            target = answer.head.location
            if target is None:
                return answer.head.status, await _body(answer.pieces())
            asked = address_of(url)
            if target.host != asked.host or not may_follow(asked, target):
                break
            url = target.url
    return _NO_RULES, b""


async def _body(pieces: AsyncIterator[bytes]) -> bytes:
    """Return what comes; of one that is too long, what came until then (RFC 9309, section 2.5)."""
    parts: list[bytes] = []
    try:
        async for piece in pieces:
            parts.append(piece)  # noqa: PERF401 what came stays where the rest does not
    except FetchError as error:
        if error.code != "too_large":
            raise
    return b"".join(parts)
