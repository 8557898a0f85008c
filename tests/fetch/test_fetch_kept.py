"""Connections are kept for the next request to a host, and no request is sent twice for it."""

from __future__ import annotations

import asyncio

from fetch_servers import LOOPBACK, QUICK, Outcome, fetched, keeping

from tutela.fetch.stream import Client

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


async def answers(_: int, writer: asyncio.StreamWriter) -> None:
    writer.write(ANSWER + b"page")


def several(
    respond, *turns: int, keep_s: float = 3.0, ready: asyncio.Event | None = None
) -> tuple[list[Outcome], list[int]]:
    """Ask one after the other; the next once `ready` is set and what was sent has been read."""
    connections: list[int] = []

    async def run() -> list[Outcome]:
        async with (
            keeping(respond, connections) as port,
            Client(LOOPBACK, QUICK, keep_s=keep_s) as client,
        ):
            outcomes = []
            for turn in turns:
                url = f"http://127.0.0.1:{port}/"
                outcomes.append(await fetched(client, url, Outcome(), turn=turn))
                if ready is not None:
                    await ready.wait()
                    ready.clear()
                await asyncio.sleep(0.02)  # server and client share this loop: it has been read
            return outcomes

    return asyncio.run(run()), connections


def test_a_connection_is_kept():
    outcomes, connections = several(answers, 0, 0, 0)
    assert [one.body for one in outcomes] == [b"page"] * 3
    assert connections == [3]


def test_another_turn_has_another_connection():
    assert several(answers, 0, 1, 0)[1] == [2, 1]


def test_none_is_kept_where_none_shall_be():
    assert several(answers, 0, 0, keep_s=0)[1] == [1, 1]


def test_a_request_whose_kept_connection_is_closed_is_not_sent_again():
    async def once(number: int, writer: asyncio.StreamWriter) -> None:
        if number == 1:
            await answers(number, writer)
        else:
            writer.close()

    outcomes, connections = several(once, 0, 0)
    assert [one.code for one in outcomes] == ["", "closed"]
    assert connections == [2]


def test_what_was_closed_meanwhile_is_not_used():
    async def closing(number: int, writer: asyncio.StreamWriter) -> None:
        await answers(number, writer)
        await writer.drain()
        writer.close()

    outcomes, connections = several(closing, 0, 0)
    assert [one.code for one in outcomes] == ["", ""]
    assert connections == [1, 1]


def test_an_answer_that_nobody_asked_for_is_not_that_to_the_next_request():
    for pause_s in (0.0, 0.01):
        written = asyncio.Event()

        async def twice(number: int, writer: asyncio.StreamWriter) -> None:
            await answers(number, writer)
            await writer.drain()
            await asyncio.sleep(pause_s)  # noqa: B023 called within this round
            writer.write(ANSWER + b"evil")
            written.set()  # noqa: B023 likewise

        outcomes, _ = several(twice, 0, 0, ready=written)
        assert [(one.code, one.body) for one in outcomes] == [("", b"page")] * 2
