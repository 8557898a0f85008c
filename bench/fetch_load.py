"""Fetches pages and their pictures through a SOCKS port, and says how long each took.

    python bench/fetch_load.py PLAN

with a plan as JSON; it runs within the network. A page is its HTML and one picture, both digested
in memory as they come.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import ClientSession, ClientTimeout
from aiohttp_socks import ProxyConnector

from tutela.core.errors import FetchError
from tutela.fetch.failure import WORTH_ANOTHER_TURN
from tutela.fetch.stream import Client
from tutela.fetch.way import Tor

PATHS = ("page", "image")
SIZES = {"page": 8173, "image": 50_003}
TURNS = 3

Fetch = Callable[[str, str], Awaitable[int]]


class Plan(msgspec.Struct):
    """What is fetched: `pages` in all, `concurrent` at a time, by us or by the `raw` library."""

    port: int
    hosts: list[str]
    pages: int
    concurrent: int
    raw: bool


class Result(msgspec.Struct):
    """How it went: seconds of each page, of all, of the processor, and what had to be repeated."""

    times_s: list[float]
    seconds: float
    cpu_s: float
    again: int


async def _crowd(plan: Plan, fetch: Fetch) -> Result:
    times: list[float] = []
    again = 0
    numbers = iter(range(plan.pages))

    async def one() -> None:
        nonlocal again
        for number in numbers:
            begin = time.perf_counter()
            for path in PATHS:
                again += await fetch(plan.hosts[number % len(plan.hosts)], path)
            times.append(time.perf_counter() - begin)

    begin, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(plan.concurrent)))
    return Result(times, time.perf_counter() - begin, time.process_time() - cpu, again)


async def _ours(plan: Plan) -> Result:
    way = Tor(case="benchmark", onion=f"127.0.0.1:{plan.port}")
    async with Client(way) as client:

        async def fetch(host: str, path: str) -> int:
            for turn in range(TURNS):
                try:
                    digest, size_bytes = hashlib.sha256(), 0
                    async with client.get(f"http://{host}/{path}", turn=turn) as answer:
                        async for piece in answer.pieces():
                            digest.update(piece)
                            size_bytes += len(piece)
                except FetchError as error:
                    if error.code not in WORTH_ANOTHER_TURN:
                        raise
                    continue
                assert size_bytes == SIZES[path]
                return turn
            raise RuntimeError("a page did not come in three turns")

        return await _crowd(plan, fetch)


async def _raw(plan: Plan) -> Result:
    """The library as it comes: one session for each host, whose connections are kept."""
    sessions = {
        host: ClientSession(
            connector=ProxyConnector(
                "127.0.0.1",
                plan.port,
                username=hashlib.sha256(host.encode()).hexdigest()[:32],
                password="-",
                rdns=True,
                limit=0,
            ),
            timeout=ClientTimeout(total=90, sock_connect=20),
        )
        for host in plan.hosts
    }

    async def fetch(host: str, path: str) -> int:
        async with sessions[host].get(f"http://{host}/{path}") as answer:
            body = await answer.read()
        hashlib.sha256(body).digest()
        assert len(body) == SIZES[path]
        return 0

    try:
        return await _crowd(plan, fetch)
    finally:
        for session in sessions.values():
            await session.close()


if __name__ == "__main__":
    given = msgspec.json.decode(sys.argv[1], type=Plan)
    result = asyncio.run(_raw(given) if given.raw else _ours(given))
    sys.stdout.write(msgspec.json.encode(result).decode())
