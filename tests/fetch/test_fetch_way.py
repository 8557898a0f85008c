"""Ways out, the names under which tor is asked, and where a redirect may lead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fetch_servers import Outcome, fetched
from hypothesis import given
from hypothesis import strategies as st

from tutela.core.errors import FetchError
from tutela.fetch.address import Net, is_public, may_follow, moved, read
from tutela.fetch.stream import Bounds, Client
from tutela.fetch.way import Clear, Tor, check, check_ip

ONION = "a" * 56 + ".onion"
BOUNDS = Bounds(total_s=3.0, connect_s=1.0)


def tor(case: str = "case", onion: str = "", clear: str = "") -> Tor:
    return Tor(case=case, onion=onion or "127.0.0.1:1", clear=clear)


def test_another_case_host_or_turn_has_another_name():
    one, other = read(f"http://{ONION}/"), read(f"http://b{ONION[1:]}/")
    names = [
        tor().socks_name(one.host),
        tor().socks_name(other.host),
        tor("case2").socks_name(one.host),
        tor().socks_name(one.host, 1),
        tor("cas").socks_name(read(f"http://e.{ONION}/").host),
    ]
    assert len(set(names)) == len(names)
    assert tor().socks_name(one.host) == tor().socks_name(
        read(f"https://{ONION.upper()}:81/a?b").host
    )
    assert all("case" not in name and "onion" not in name for name in names)


@pytest.mark.parametrize(
    ("way", "host", "code"),
    [
        (Clear(), ONION, "net"),
        (Clear(), f"{ONION}.", "net"),
        (Clear(), f"www.{ONION.upper()}", "net"),
        (tor(), "host.example", "net"),
        (tor(clear="127.0.0.1:1"), "127.0.0.1", "addresses"),
        (tor(clear="127.0.0.1:1"), "[::1]", "addresses"),
        (tor(clear="127.0.0.1:1"), "10.0.0.1", "addresses"),
        (tor(clear="127.0.0.1:1"), "localhost", "addresses"),
        (tor(clear="127.0.0.1:1"), "a.localhost", "addresses"),
    ],
)
def test_what_a_way_does_not_lead_to(way: Clear | Tor, host: str, code: str):
    with pytest.raises(FetchError) as caught:
        check(way, read(f"http://{host}/"))
    assert caught.value.code == code


def test_a_redirect_is_followed_within_one_net_only():
    clear, onion = read("http://host.example/"), read(f"http://{ONION}/")
    secure = read("https://host.example/")
    assert not may_follow(clear, onion)
    assert not may_follow(onion, clear)
    assert not may_follow(secure, clear)
    assert may_follow(clear, secure)
    assert may_follow(onion, read(f"http://{ONION}/next"))
    assert moved(clear, f"//{ONION}./").net is Net.ONION


@given(st.text(max_size=60), st.sampled_from(["", "http://", "http://host.example", "//"]))
def test_an_address_is_read_the_same_way_again(text: str, begin: str):
    for parse in (read, lambda url: moved(read("http://host.example/a/b"), url)):
        try:
            address = parse(begin + text)
        except FetchError as error:
            code = error.code
        else:
            code = ""
            assert read(address.url) == address
            assert address.url.isascii()
            assert not set(address.host) & set("/\\@?#%: ") or address.host.count(":") > 1
        assert code in {"", "bad_address"}


@given(st.ip_addresses(v=4))
def test_ipv4_in_any_clothes_is_not_public(ip: object):
    assert not is_public(f"::ffff:{ip}")
    assert not is_public(f"64:ff9b::{ip}")


@given(st.ip_addresses())
def test_only_public_addresses_pass(ip: object):
    code = ""
    try:
        check_ip(Clear(), str(ip))
    except FetchError as error:
        code = error.code
    if getattr(ip, "is_private", False) or getattr(ip, "is_multicast", False):
        assert code == "addresses"


@asynccontextmanager
async def socks(reply: bytes | None, where: str, asked: list[bytes]) -> AsyncIterator[str]:
    """A SOCKS port that gives this reply, or hangs."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            methods = await reader.readexactly(2)
            await reader.readexactly(methods[1])
            writer.write(b"\x05\x02")
            name = await reader.readexactly(2)
            asked.append(await reader.readexactly(name[1]))
            await reader.readexactly((await reader.readexactly(1))[0])
            writer.write(b"\x01\x00")
            head = await reader.readexactly(5)
            asked.append(await reader.readexactly(head[4] + 2))
            if reply is None:
                await asyncio.sleep(5)
            elif reply:
                writer.write(reply + b"\x00\x01" + bytes(6))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    if where.startswith("unix:"):
        server = await asyncio.start_unix_server(talk, where.removeprefix("unix:"))
    else:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        where = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield where
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


REPLIES = {
    0x01: "unreachable",
    0x02: "net",
    0x03: "unreachable",
    0x04: "unreachable",
    0x05: "refused",
    0x06: "timeout",
    0x07: "unreachable",
    0xF0: "no_descriptor",
    0xF1: "no_descriptor",
    0xF2: "unreachable",
    0xF3: "unreachable",
    0xF4: "needs_auth",
    0xF5: "needs_auth",
    0xF6: "bad_address",
    0xF7: "timeout",
    0xEE: "unreachable",
}


def through(reply: bytes | None, where: str) -> tuple[Outcome, list[bytes]]:
    asked: list[bytes] = []

    async def run() -> Outcome:
        async with socks(reply, where, asked) as port, Client(tor(onion=port), BOUNDS) as client:
            return await fetched(client, f"http://{ONION}:8080/", Outcome())

    return asyncio.run(run()), asked


@pytest.mark.parametrize("reply", REPLIES)
def test_each_reply_of_tor_has_its_code(reply: int):
    outcome, asked = through(bytes([5, reply]), "")
    assert outcome.code == REPLIES[reply]
    assert ONION not in outcome.sentence
    assert asked[0].decode() == tor().socks_name(read(f"http://{ONION}/").host)
    assert asked[1] == ONION.encode() + (8080).to_bytes(2)


def test_a_unix_socket_is_asked_as_well(tmp_path: Path):
    assert through(bytes([5, 0xF0]), f"unix:{tmp_path / 'socks'}")[0].code == "no_descriptor"


def test_a_circuit_that_hangs_is_given_up():
    outcome, _ = through(None, "")
    assert outcome.code == "timeout"
    assert outcome.seconds < 2


def test_a_port_that_ends_in_between_is_no_tor():
    assert through(b"", "")[0].code == "tor_down"


@pytest.mark.parametrize("where", ["127.0.0.1:1", "unix:/nowhere/socks"])
def test_no_tor_at_all(where: str):
    async def run() -> Outcome:
        async with Client(tor(onion=where), BOUNDS) as client:
            return await fetched(client, f"http://{ONION}/", Outcome())

    assert asyncio.run(run()).code == "tor_down"
