"""The peer of the benchmark of a crawl: aiohttp asks for the same pages, and nothing is kept.

    python bench/crawl_peer.py PLAN

with a plan as JSON; it runs within the network. Each body is digested in memory and dropped.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time

import msgspec
from aiohttp import ClientSession, ClientTimeout, TCPConnector
from aiohttp_socks import ProxyConnector


class Plan(msgspec.Struct):
    """Paths of the first of a page's requests and of those after it; `socks` is a port or 0."""

    hosts: list[str]
    pages: list[list[str]]
    concurrent: int
    socks: int = 0


class Result(msgspec.Struct):
    """Seconds of the clock and of the processor."""

    seconds: float
    cpu_s: float


def _session(plan: Plan, host: str) -> ClientSession:
    if not plan.socks:
        return ClientSession(connector=TCPConnector(limit=0))
    name = hashlib.sha256(host.encode()).hexdigest()[:32]
    through = ProxyConnector(
        "127.0.0.1", plan.socks, username=name, password="-", rdns=True, limit=0
    )
    return ClientSession(connector=through, timeout=ClientTimeout(total=90, sock_connect=20))


async def run(plan: Plan) -> Result:
    """Ask for everything, as many pages at a time as the plan says."""
    sessions = {host: _session(plan, host) for host in plan.hosts}
    wanted = iter([(host, page) for page in plan.pages for host in plan.hosts])

    async def one() -> None:
        for host, paths in wanted:
            for path in paths:
                async with sessions[host].get(f"http://{host}{path}") as answer:
                    assert answer.status == 200  # noqa: PLR2004, S101 HTTP's, and no test is run with -O
                    hashlib.sha256(await answer.read()).digest()

    began, cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(plan.concurrent)))
    ended = Result(time.perf_counter() - began, time.process_time() - cpu_s)
    for session in sessions.values():
        await session.close()
    return ended


if __name__ == "__main__":
    given = msgspec.json.decode(sys.argv[1], type=Plan)
    sys.stdout.write(msgspec.json.encode(asyncio.run(run(given))).decode())
