"""Fetching over Tor: how many pages a second, at what cost, and how long a network takes to boot.

The network is the private one of the tests, in a network namespace: three authorities, three
relays, an exit, the host of six onion services, one server for them, one client's tor and the
load, all on this machine. The peer is aiohttp with aiohttp-socks as it comes, through the same
SOCKS port.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from fetch_load import Plan, Result
from measure import Figure, Options

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests")]

import tornet  # noqa: E402 found by the path above
from tutela.core.errors import FetchError  # noqa: E402 likewise
from tutela.fetch.stream import Client  # noqa: E402 likewise
from tutela.fetch.tor import TorProcess  # noqa: E402 likewise

PAGES = HERE.parent / "tests" / "fetch" / "onion_pages.py"
CONCURRENT = (16, 32, 64, 128)
SOCKS_PORT = 9150
SITES = 6
GOAL_BOOT_S = 60.0
ROUNDS = 3
PEER = "aiohttp + aiohttp-socks"


def run(options: Options) -> list[Figure]:
    """Boot networks, and fetch within the last of them."""
    boots, pages = (1, 60) if options.quick else (10, 600)
    figures: list[Figure] = []
    took: list[float] = []
    with tempfile.TemporaryDirectory(prefix="tutela-fetch-") as keys:
        for number in range(boots):
            begin = time.monotonic()
            with tornet.network(Path(keys)) as network, _client(network) as tor:
                network.serve(PAGES, 9001)
                asyncio.run(_first(tor, network.onions[9001], begin))
                took.append(time.monotonic() - begin)
                print(f"network {number + 1} of {boots} answers after {took[-1]:.1f} s")
                if number == boots - 1:
                    figures += _loads(network, pages)
    return [*_boots(took), *figures]


def _client(network: tornet.TorNetwork) -> TorProcess:
    folder = network.folder / "client"
    port = f"SocksPort 127.0.0.1:{SOCKS_PORT} OnionTrafficOnly ExtendedErrors IsolateSOCKSAuth"
    return TorProcess(network.settings(folder, port))


async def _first(tor: TorProcess, host: str, begin: float) -> None:
    """Wait for the first page; what hangs early is asked for again under another name."""
    async with Client(tor.way("benchmark")) as client:
        for turn in range(30):
            try:
                async with asyncio.timeout(6), client.get(f"http://{host}/page", turn=turn):
                    return
            except (FetchError, TimeoutError) as error:
                said = str(error) or "no answer yet"
                print(f"after {time.monotonic() - begin:.0f} s: {said}")
                await asyncio.sleep(0.5)
    raise RuntimeError("no page came")


def _boots(took: list[float]) -> Iterator[Figure]:
    named = f"{len(took)} starts of a network, first page of an onion service"
    yield Figure(
        f"{named}: slowest",
        max(took),
        "s",
        goal=f"<= {GOAL_BOOT_S:.0f} s",
        holds=max(took) <= GOAL_BOOT_S,
    )
    yield Figure(f"{named}: median", float(np.median(took)), "s")


def _loads(network: tornet.TorNetwork, pages: int) -> Iterator[Figure]:
    hosts = [network.onions[9001], *(network.onion(9001) for _ in range(SITES - 1))]
    for concurrent in CONCURRENT:
        plans = [Plan(SOCKS_PORT, hosts, pages, concurrent, raw) for raw in (False, True)]
        for plan in plans:
            _load(network, plan)
        # Interleaved, and the best of each: a neighbour who is loud hurts both alike.
        rounds = [[_load(network, plan) for plan in plans] for _ in range(ROUNDS)]
        ours, theirs = (
            min(each, key=lambda one: one.seconds) for each in zip(*rounds, strict=True)
        )
        named = f"{concurrent} at a time over {SITES} sites"
        yield Figure(
            f"{named}: pages with a picture",
            pages / ours.seconds,
            "1/s",
            PEER,
            pages / theirs.seconds,
            theirs.seconds / ours.seconds,
        )
        yield Figure(
            f"{named}: CPU of the client for one",
            ours.cpu_s / pages * 1000,
            "ms",
            PEER,
            theirs.cpu_s / pages * 1000,
            theirs.cpu_s / ours.cpu_s,
        )
        yield Figure(f"{named}: p95 of one", float(np.percentile(ours.times_s, 95)), "s")


def _load(network: tornet.TorNetwork, plan: Plan) -> Result:
    script = str(HERE / "fetch_load.py")
    said = network.run(sys.executable, script, msgspec.json.encode(plan).decode())
    result = msgspec.json.decode(said.stdout, type=Result)
    if result.again:
        print(f"{result.again} requests were repeated under another name")
    return result
