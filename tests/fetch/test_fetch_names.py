"""A name is resolved once, and what was checked is what is connected to."""

from __future__ import annotations

import asyncio
import socket

import pytest
from fetch_servers import LOOPBACK, QUICK, Outcome, fetched, says, serving

from tutela.fetch.stream import Client
from tutela.fetch.way import Clear

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the resolver says, look-up by look-up."""
    said: list[list[str]] = []

    def look_up(_: object, port: int, *_args: object, **_kwargs: object) -> list[object]:
        kind = socket.SOCK_STREAM
        return [(socket.AF_INET, kind, 6, "", (ip, port)) for ip in said.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return said


def ask_site(way: Clear) -> tuple[Outcome, int]:
    async def run() -> tuple[Outcome, int]:
        requests: list[bytes] = []
        async with serving(says(PAGE), requests) as port, Client(way, QUICK) as client:
            url = f"http://site.example:{port}/"
            return await fetched(client, url, Outcome()), len(requests)

    return asyncio.run(run())


def test_a_name_that_changes_its_mind_is_asked_once(answers: list[list[str]]):
    answers += [["127.0.0.1"], ["10.0.0.1"]]
    outcome, requests = ask_site(LOOPBACK)
    assert (outcome.body, requests) == (b"page", 1)
    assert answers == [["10.0.0.1"]]


@pytest.mark.parametrize("found", [["127.0.0.1"], ["192.0.2.1", "127.0.0.1"], ["10.1.2.3"]])
def test_one_address_of_ours_makes_all_of_them_suspect(answers: list[list[str]], found: list[str]):
    answers.append(found)
    outcome, requests = ask_site(Clear())
    assert (outcome.code, requests) == ("addresses", 0)
    assert "site.example" not in outcome.sentence


def test_an_onion_name_is_never_looked_up(answers: list[list[str]]):
    async def run() -> Outcome:
        async with Client(LOOPBACK, QUICK) as client:
            return await fetched(client, f"http://{'a' * 56}.onion/", Outcome())

    assert asyncio.run(run()).code == "net"
    assert answers == []
