"""The peer of the benchmark of a crawl: aiohttp asks for the same pages, and nothing is kept.

    python bench/crawl_peer.py PLAN

with a plan as JSON; it runs within the network. Each body is digested in memory and dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sys
import time

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from aiohttp_socks import ProxyConnectionError, ProxyConnector, ProxyError, ProxyTimeoutError

FAILURES = (ClientError, TimeoutError, ProxyConnectionError, ProxyError, ProxyTimeoutError)


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


TURNS = 5


def _session(plan: Plan, host: str, turn: int) -> ClientSession:
    if not plan.socks:
        return ClientSession(connector=TCPConnector(limit=0))
    name = hashlib.sha256(f"{host} {turn}".encode()).hexdigest()[:32]
    through = ProxyConnector(
        "127.0.0.1", plan.socks, username=name, password="-", rdns=True, limit=0
    )
    return ClientSession(connector=through, timeout=ClientTimeout(total=20, sock_connect=10))


async def run(plan: Plan) -> Result:
    """Ask for everything, as many pages at a time as the plan says."""
    sessions = {(host, 0): _session(plan, host, 0) for host in plan.hosts}
    wanted = iter([(host, page) for page in plan.pages for host in plan.hosts])

    async def fetched(host: str, path: str) -> None:
        for turn in range(TURNS):  # a circuit that does not come about: another
            if (host, turn) not in sessions:
                sessions[host, turn] = _session(plan, host, turn)
            with contextlib.suppress(*FAILURES):
                async with sessions[host, turn].get(f"http://{host}{path}") as answer:
                    hashlib.sha256(await answer.read()).digest()
                    return
        raise RuntimeError(f"{path} did not come")

    async def one() -> None:
        for host, paths in wanted:
            for path in paths:
                await fetched(host, path)

    began, cpu_s = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one() for _ in range(plan.concurrent)))
    ended = Result(time.perf_counter() - began, time.process_time() - cpu_s)
    for session in sessions.values():
        await session.close()
    return ended


if __name__ == "__main__":
    given = msgspec.json.decode(sys.argv[1], type=Plan)
    sys.stdout.write(msgspec.json.encode(asyncio.run(run(given))).decode())
