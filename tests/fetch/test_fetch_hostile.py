"""Servers that want to hurt us: each ends with its code, soon, and takes no memory."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import brotli
import pytest
from backports import zstd
from fetch_servers import QUICK, Respond, ask, endless, says
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.fetch.stream import Bounds

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = OK + b"Content-Length: 1000000000\r\n\r\n"
ZEROS = bytes(64 << 20)
BOMBS = {
    "gzip": gzip.compress(ZEROS),
    "deflate": zlib.compress(ZEROS),
    "br": brotli.compress(ZEROS, quality=4),
    "zstd": zstd.compress(ZEROS),
}
LARGE = Bounds(size_bytes=32 << 20, total_s=2.0, first_s=1.0, silence_s=0.4)


def packed(encoding: str, body: bytes) -> tuple[bytes, bytes]:
    return OK + f"Content-Encoding: {encoding}\r\n\r\n".encode(), body


HOSTILE: dict[str, tuple[Respond, str]] = {
    "gzip bomb": (says(*packed("gzip", BOMBS["gzip"])), "bomb"),
    "deflate bomb": (says(*packed("deflate", BOMBS["deflate"])), "bomb"),
    "br bomb": (says(*packed("br", BOMBS["br"])), "bomb"),
    "zstd bomb": (says(*packed("zstd", BOMBS["zstd"])), "bomb"),
    "two layers": (says(*packed("gzip, gzip", gzip.compress(BOMBS["gzip"]))), "encoding"),
    "two layers in two headers": (
        says(OK, b"Content-Encoding: gzip\r\nContent-Encoding: br\r\n\r\n", BOMBS["gzip"]),
        "encoding",
    ),
    "an unknown layer": (says(*packed("lzma", b"x")), "encoding"),
    "compressed it is not": (says(*packed("gzip", b"<html>page</html>")), "damaged"),
    "compressed half": (says(*packed("gzip", gzip.compress(b"page" * 99)[:20])), "damaged"),
    "empty compressed parts for ever": (
        endless(OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"")),
        "bomb",
    ),
    "compressed nothing for ever": (
        endless(OK + b"Content-Encoding: deflate\r\n\r\n", b"\x00\x00\x00\xff\xff" * 1000),
        "too_large",
    ),
    "an endless page": (endless(OK + b"\r\n", b"<p>more</p>" * 1000), "too_large"),
    "an endless chunked page": (endless(CHUNKED, b"400\r\n" + b"x" * 1024 + b"\r\n"), "too_large"),
    "one byte in each chunk": (endless(CHUNKED, b"1\r\nx\r\n" * 1000), "damaged"),
    "a page that says it is too long": (says(LONG, b"x"), "too_large"),
    "endless headers": (endless(OK, b"X-More: " + b"y" * 100 + b"\r\n"), "headers"),
    "one endless header": (endless(OK + b"X-More: ", b"y" * 1000), "headers"),
    "an endless status": (endless(b"HTTP/1.1 200 ", b"O" * 1000), "headers"),
    "interim answers for ever": (endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 99), "headers"),
    "an endless extension of a chunk": (endless(CHUNKED + b"5;a=", b"b" * 1000), "damaged"),
    "endless trailers": (endless(CHUNKED + b"0\r\n", b"X: " + b"y" * 100 + b"\r\n"), "damaged"),
    "headers that drip": (endless(OK, b"X: y\r\n", 0.1), "timeout"),
    "a page that drips": (endless(OK + b"\r\n", b"x", 0.05), "slow"),
    "a page that stops": (endless(OK + b"\r\n<html>", b"", 0.1), "slow"),
    "silence": (endless(b"", b"", 0.1), "timeout"),
    "nothing": (says(), "closed"),
    "half a head": (says(b"HTTP/1.1 200 OK\r\nContent-"), "closed"),
    "a body that is too short": (says(OK + b"Content-Length: 10\r\n\r\nshort"), "closed"),
    "two lengths": (
        says(OK + b"Content-Length: 4\r\nContent-Length: 9\r\n\r\npage<html>"),
        "headers",
    ),
    "a length below nothing": (says(OK + b"Content-Length: -5\r\n\r\npage"), "headers"),
    "a chunk of no size": (says(CHUNKED + b"zz\r\npage\r\n0\r\n\r\n"), "damaged"),
    "a chunk of a huge size": (says(CHUNKED + b"F" * 17 + b"\r\npage\r\n0\r\n\r\n"), "damaged"),
    "a chunk that lies": (says(CHUNKED + b"2\r\npage\r\n0\r\n\r\n"), "damaged"),
    "chunks without an end": (says(CHUNKED + b"4\r\npage\r\n"), "closed"),
    "zeros in a header": (says(OK + b"X-Zero: a\x00b\r\n\r\npage"), "headers"),
    "zeros for a head": (says(bytes(1000)), "headers"),
    "no HTTP": (says(b"220 mail.example ESMTP\r\n"), "headers"),
    "no head": (says(b"<html>an old server</html>"), "headers"),
    "another protocol": (
        says(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        "headers",
    ),
    "a status of no kind": (says(b"HTTP/1.1 999 Denied\r\n\r\n"), "headers"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_server_ends_with_its_code(name: str):
    respond, code = HOSTILE[name]
    outcome = ask(respond, LARGE if "bomb" in name else QUICK)
    assert outcome.code == code, (outcome.code, outcome.body[:99])
    assert outcome.seconds < 2.5
    assert outcome.grown_bytes < 64 << 20
    assert len(outcome.requests) == 1
    assert "127.0.0.1" not in outcome.sentence


def test_zeros_in_a_page_are_part_of_the_page():
    outcome = ask(says(OK + b"\r\n<html>\x00\x00</html>"))
    assert (outcome.code, outcome.body) == ("", b"<html>\x00\x00</html>")


@pytest.mark.parametrize("more", [b"<html>more</html>", b"x" * 100_000, OK + b"\r\nmore"])
def test_what_follows_a_page_is_not_of_it(more: bytes):
    outcome = ask(says(OK + b"Content-Length: 4\r\n\r\npage" + more))
    assert (outcome.code, outcome.body) == ("", b"page")


@pytest.mark.parametrize("closing", ["at once", "in the head", "by reset"])
def test_a_request_is_sent_once_also_when_the_connection_is_closed(closing: str):
    async def respond(writer: asyncio.StreamWriter) -> None:
        if closing == "in the head":
            writer.write(OK)
            await writer.drain()
        if closing == "by reset":
            writer.transport.abort()

    outcome = ask(respond)
    assert outcome.code == "closed"
    assert len(outcome.requests) == 1


PARTS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 302 Found\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"Content-Length: 9\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Location: //host\xff.example/\xfe\r\n",
        b"Retry-After: Thu, 99 Foo 99999 99:99:99 -9999\r\n",
        b"Content-Type: \xff\xfe\r\n",
        b"\r\n",
        b"5\r\nsmall\r\n",
        b"0\r\n\r\n",
        gzip.compress(b"small"),
    ]
)


@settings(deadline=None)
@given(st.lists(st.one_of(PARTS, st.binary(max_size=9)), max_size=9), st.sampled_from([b"", OK]))
def test_whatever_is_answered_ends_as_a_page_or_with_a_code(parts: list[bytes], begin: bytes):

    outcome = ask(says(begin + b"".join(parts)))
    assert outcome.code in {"", "headers", "damaged", "closed", "encoding", "bad_address"}
    assert (outcome.head is None) <= bool(outcome.code)


def test_a_large_page_is_taken_with_little_memory():
    body = b"<p>a line of a long page</p>\n" * (1 << 18)
    bounds = Bounds(size_bytes=16 << 20, total_s=20)

    async def respond(writer: asyncio.StreamWriter) -> None:
        await says(OK + b"\r\n", body)(writer)

    outcome = ask(respond, bounds)
    assert outcome.body == body
