"""Pages of onion services through a tor of our own, on a private network."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fetch_servers import Outcome, certificate, fetched
from onion_pages import PAGE

from tornet import BOOT_S, Control, TorNetwork
from tutela.core.errors import FetchError
from tutela.fetch.address import read
from tutela.fetch.stream import Bounds, Client
from tutela.fetch.tor import TorProcess
from tutela.fetch.way import Tor, Way

PAGES = Path(__file__).with_name("onion_pages.py")
BOUNDS = Bounds(total_s=40.0)


@pytest.fixture(scope="module")
def tor(tor_network: TorNetwork, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TorProcess]:
    """A client's tor; the site of the first onion service is there."""
    with (
        tor_network.serving(PAGES, 9001),
        TorProcess(tor_network.settings(tmp_path_factory.mktemp("tor"))) as running,
    ):
        yield running


def outcomes(way: Way, *urls: str, **options: object) -> list[Outcome]:
    """Ask for all at once; what hangs is asked for again under another name, as a crawler does.

    So is what has no descriptor: votes change every ten seconds who keeps them.
    """

    async def one(client: Client, url: str) -> Outcome:
        for turn in range(3):
            outcome = await fetched(client, url, Outcome(), turn=turn, **options)
            if outcome.code not in {"timeout", "no_descriptor"}:
                break
        return outcome

    async def run() -> list[Outcome]:
        async with Client(way, BOUNDS) as client:
            return await asyncio.gather(*(one(client, url) for url in urls))

    return asyncio.run(run())


def invented_onion(*, spoilt: bool = False) -> str:
    """Return the address of a key that nobody has any more (rend-spec-v3, section 6)."""
    key = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    check = hashlib.sha3_256(b".onion checksum" + key + b"\x03").digest()[:2]
    check = bytes([check[0] ^ spoilt, check[1]])
    return base64.b32encode(key + check + b"\x03").decode().lower() + ".onion"


def test_the_network_boots_in_time(tor_network: TorNetwork):
    assert tor_network.boot_seconds < BOOT_S


def test_a_page_of_an_onion_service_comes_whole(tor_network: TorNetwork, tor: TorProcess):
    (outcome,) = outcomes(tor.way("case"), f"http://{tor_network.onions[9001]}/page")
    assert outcome.code == ""
    assert outcome.body == PAGE


def test_nothing_of_the_network_is_reached_from_outside(tor_network: TorNetwork):
    with pytest.raises(ConnectionRefusedError):
        asyncio.run(asyncio.open_connection("127.0.0.1", 9001))
    said = tor_network.run("ip", "-o", "link").stdout
    assert re.findall(r"^\d+: (\w+)", said, re.MULTILINE) == ["lo"]


def test_each_host_of_each_case_has_circuits_of_its_own(tor_network: TorNetwork, tor: TorProcess):
    second = tor_network.onion(9001)
    hosts = (tor_network.onions[9001], second)
    for case in ("one", "two"):
        for outcome in outcomes(tor.way(case), *(f"http://{host}/" for host in hosts)):
            assert outcome.code == ""
    addresses = [read(f"http://{host}/") for host in hosts]
    names = {tor.way(case).socks_name(one.host) for case in ("one", "two") for one in addresses}
    assert len(names) == 4
    control = Control(
        Path(tor.way("x").onion.removeprefix("unix:")).with_name("control"), time.monotonic()
    )
    used = [
        re.search(r'SOCKS_USERNAME="(\w+)"', line) for line in control.ask("GETINFO circuit-status")
    ]
    control.close()
    assert names <= {found[1] for found in used if found}


def test_what_is_not_there_has_a_code(tor_network: TorNetwork, tor: TorProcess):
    way = tor.way("case")
    key = X25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    name = base64.b32encode(key).decode().rstrip("=")
    private = tor_network.onion(9001, flags=f"Detach,V3Auth ClientAuthV3={name}")
    asked = {
        f"http://{invented_onion()}/": "no_descriptor",
        f"http://{invented_onion(spoilt=True)}/": "bad_address",
        f"http://{'a' * 16}.onion/": "bad_address",
        f"http://{tor_network.onions[9001]}:81/": "refused",
        # Nobody serves there: the host of the service says no more than that.
        f"http://{tor_network.onions[9006]}/": "unreachable",
        f"http://{private}/": "needs_auth",
    }
    assert [outcome.code for outcome in outcomes(way, *asked)] == list(asked.values())


def test_the_port_for_onion_services_takes_nothing_else(tor: TorProcess):
    onion = tor.way("case").onion
    wrong = Tor(case="case", onion=onion, clear=onion, allow_loopback=True)
    for host in ("host.example", "127.0.0.1"):
        assert outcomes(wrong, f"http://{host}:9001/")[0].code == "net"


def test_the_clear_web_is_reached_through_the_exit(tor: TorProcess):
    way = tor.way("case", clear=True, allow_loopback=True)
    (outcome,) = outcomes(way, "http://127.0.0.1:9001/page")
    assert outcome.code == ""
    assert outcome.body == PAGE


def test_any_certificate_of_an_onion_service_is_taken_only_when_asked(
    tor_network: TorNetwork, tor: TorProcess, tmp_path: Path
):
    url = f"https://{tor_network.onion(9002, 443)}/page"
    with tor_network.serving(PAGES, 9002, str(certificate(tmp_path, "another.example"))):
        assert outcomes(tor.way("case"), url)[0].code == "tls"
        (outcome,) = outcomes(tor.way("case"), url, any_certificate=True)
    assert outcome.body == PAGE


@pytest.mark.parametrize("how", ["stopped", "killed"])
@pytest.mark.usefixtures("tor")
def test_all_requests_end_with_tor(tor_network: TorNetwork, tmp_path: Path, how: str):
    url = f"http://{tor_network.onions[9001]}/endless"

    async def run(own: TorProcess) -> tuple[list[Outcome], float]:
        made = [Outcome() for _ in range(6)]
        async with Client(own.way("case"), Bounds(total_s=40, size_bytes=1 << 30)) as client:
            tasks = [asyncio.create_task(fetched(client, url, one)) for one in made[:5]]
            for _ in range(600):
                await asyncio.sleep(0.05)
                if all(one.head is not None for one in made[:5]):
                    break
            begin = time.monotonic()
            if how == "killed":
                os.kill(own.process_id, signal.SIGKILL)
            else:
                await asyncio.to_thread(own.stop)
            await asyncio.gather(*tasks)
            seconds = time.monotonic() - begin
            await fetched(client, url, made[5])
            return made, seconds

    with TorProcess(tor_network.settings(tmp_path / "tor")) as own:
        made, seconds = asyncio.run(run(own))
    assert [one.code for one in made] == ["tor_down"] * 6
    assert all(one.head is not None for one in made[:5]), "they were under way"
    assert seconds < 1


def test_tor_ends_with_a_worker_that_is_killed(tor_network: TorNetwork, tmp_path: Path):
    program = """
import pickle, sys, time
from tutela.fetch.tor import TorProcess
settings = pickle.load(sys.stdin.buffer)
with TorProcess(settings) as tor:
    print(tor.process_id, flush=True)
    time.sleep(60)
"""
    given = pickle.dumps(tor_network.settings(tmp_path / "tor"))
    worker = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Who is killed leaves the folder of its sockets behind.
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert worker.stdin
    assert worker.stdout
    with worker, worker.stdin, worker.stdout:
        worker.stdin.write(given)
        worker.stdin.close()
        number = int(worker.stdout.readline())
        assert Path(f"/proc/{number}").exists()
        worker.kill()
        for _ in range(100):
            if not Path(f"/proc/{number}").exists():
                break
            time.sleep(0.05)
        else:
            pytest.fail("tor outlives the worker")


@pytest.mark.usefixtures("tor")
def test_a_tor_can_be_started_again_and_its_folder_is_for_one(
    tor_network: TorNetwork, tmp_path: Path
):
    settings = tor_network.settings(tmp_path / "tor", boot_s=60.0)
    own = TorProcess(settings)
    url = f"http://{tor_network.onions[9001]}/page"
    for _ in range(2):
        with own:
            assert outcomes(own.way("case"), url)[0].body == PAGE
            with pytest.raises(FetchError) as caught, TorProcess(settings):
                pass
            assert caught.value.code == "tor_down"
        assert not own.is_running


def test_a_tor_that_reaches_nobody_says_how_far_it_came(tmp_path: Path, tor_network: TorNetwork):
    settings = tor_network.settings(tmp_path / "tor", "ReachableAddresses reject *:*", boot_s=1.0)
    with pytest.raises(FetchError) as caught, TorProcess(settings):
        pass
    assert caught.value.code == "tor_slow"
