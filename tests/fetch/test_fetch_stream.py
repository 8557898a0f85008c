"""What the client asks, what it tells of an answer, and how it is stopped."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from fetch_servers import LOOPBACK, QUICK, Outcome, ask, endless, fetched, says, serving

from tutela.core.errors import UsageError
from tutela.fetch.stream import Bounds, Client
from tutela.fetch.way import Clear, Tor

PAGE = b"<html>page</html>"


def answer(*headers: str, status: str = "200 OK", body: bytes = PAGE) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def test_a_page_comes_whole_with_what_its_head_says():
    outcome = ask(says(answer("Content-Type: text/html; charset=x", "Content-Length: 17")))
    assert outcome.body == PAGE
    assert outcome.head is not None
    assert outcome.head.status == 200
    assert outcome.head.content_type == "text/html; charset=x"
    assert outcome.head.content_length == 17
    assert outcome.head.location is None


def test_a_request_says_nothing_of_us():
    request = ask(says(answer()), path="/a%20b?q=1").requests[0].decode()
    first, *lines = request.strip().split("\r\n")
    assert first == "GET /a%20b?q=1 HTTP/1.1"
    assert {line.partition(":")[0] for line in lines} == {
        "Host",
        "User-Agent",
        "Accept",
        "Accept-Language",
        "Accept-Encoding",
    }
    assert "python" not in request.lower()
    assert "tutela" not in request.lower()


def test_no_cookie_is_kept_and_a_given_one_is_sent_once():
    async def run() -> list[bytes]:
        requests: list[bytes] = []
        async with (
            serving(says(answer("Set-Cookie: a=b; Path=/")), requests) as port,
            Client(LOOPBACK, QUICK) as client,
        ):
            url = f"http://127.0.0.1:{port}/"
            await fetched(client, url, Outcome())
            await fetched(client, url, Outcome(), cookie="session=mine")
            await fetched(client, url, Outcome())
        return requests

    sent = [b"cookie" in request.lower() for request in asyncio.run(run())]
    assert sent == [False, True, False]


def test_a_head_is_asked_without_a_body():
    async def run() -> tuple[int | None, list[bytes], list[bytes]]:
        requests: list[bytes] = []
        long = answer("Content-Length: 99999999999", "Content-Encoding: gzip", body=b"")
        async with (
            serving(says(long), requests) as port,
            Client(LOOPBACK, QUICK) as client,
            client.head(f"http://127.0.0.1:{port}/") as asked,
        ):
            return asked.head.content_length, [p async for p in asked.pieces()], requests

    length, pieces, requests = asyncio.run(run())
    assert (length, pieces) == (99999999999, [])
    assert requests[0].startswith(b"HEAD / ")


def test_what_is_compressed_is_expanded():
    body = gzip.compress(PAGE * 1000)
    assert ask(says(answer("Content-Encoding: gzip", body=body))).body == PAGE * 1000


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("120", 120), ("9" * 30, 86400), ("soon", None), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)],
)
def test_how_long_to_wait(said: str, seconds: int | None):
    outcome = ask(says(answer(f"Retry-After: {said}", status="429 Too Many")))
    assert outcome.head is not None
    assert (outcome.head.status, outcome.head.retry_after_s) == (429, seconds)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/next", "http://127.0.0.1:{port}/next"),
        ("next?a=b#c", "http://127.0.0.1:{port}/dir/next?a=b"),
        ("?a", "http://127.0.0.1:{port}/dir/page?a"),
        ("//other.example/", "http://other.example/"),
        ("HTTPS://Other.Example:443/x", "https://other.example/x"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://name.example./", "http://name.example/"),
        ("/dir/page", "http://127.0.0.1:{port}/dir/page"),
    ],
)
def test_where_a_redirect_leads_is_told_and_not_followed(location: str, target: str):
    outcome = ask(says(answer(f"Location: {location}", status="302 Found")), path="/dir/page")
    assert outcome.head is not None
    assert outcome.head.location is not None
    port = outcome.requests[0].split(b"127.0.0.1:")[1].split(b"\r\n")[0].decode()
    assert outcome.head.location.url == target.replace("{port}", port)
    assert len(outcome.requests) == 1


@pytest.mark.parametrize(
    "location",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://host.example/",
        "http://user@host.example/",
        "http://host.example:pw@other.example/",
        "http://host.example\\@other.example/",
        "http://host.example:99999/",
        "http://host.example:0/",
        "http://host.example%00.other.example/",
        "http://host.example%2f@other.example/",
        "http://[::1/",
        "http:///path",
        "http://-bad-.example/",
        "http://ho st.example/",
        "/a\tb",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://0177.0.0.1/",
        "http://" + "a" * 64 + ".example/",
        "/" + "a" * 5000,
    ],
)
def test_a_redirect_to_no_address_is_an_error(location: str):
    outcome = ask(says(answer(f"Location: {location}", status="301 Moved")))
    assert outcome.code == "bad_address"
    assert "example" not in outcome.sentence


def test_what_is_told_to_come_can_be_bounded_anew_once_its_type_is_known():
    async def run() -> int:
        async with (
            serving(says(answer(body=bytes(3 << 20))), []) as port,
            Client(LOOPBACK, Bounds(size_bytes=1000)) as client,
            client.get(f"http://127.0.0.1:{port}/") as asked,
        ):
            return sum([len(p) async for p in asked.pieces(4 << 20)])

    assert asyncio.run(run()) == 3 << 20


def test_a_slow_reader_is_not_the_servers_fault():
    async def run() -> int:
        came = 0
        async with (
            serving(says(answer(body=bytes(1 << 20))), []) as port,
            Client(LOOPBACK, Bounds(silence_s=0.2, rate_bytes_s=1 << 22)) as client,
            client.get(f"http://127.0.0.1:{port}/") as asked,
        ):
            async for piece in asked.pieces():
                came += len(piece)
                await asyncio.sleep(0.05)
        return came

    assert asyncio.run(run()) == 1 << 20


def test_stop_ends_all_requests_at_once_and_lets_none_begin():
    async def run() -> tuple[list[Outcome], float]:
        outcomes = [Outcome() for _ in range(4)]
        async with (
            serving(endless(answer(body=b""), b"x" * 9, 0.05), []) as port,
            serving(endless(b"", b"", 0.05), []) as silent,
            Client(LOOPBACK) as client,
        ):
            urls = [f"http://127.0.0.1:{one}/" for one in (port, port, silent)]
            tasks = [
                asyncio.create_task(fetched(client, url, outcome))
                for url, outcome in zip(urls, outcomes, strict=False)
            ]
            await asyncio.sleep(0.3)
            begin = asyncio.get_running_loop().time()
            client.stop()
            await asyncio.gather(*tasks)
            await fetched(client, urls[0], outcomes[3])
            return outcomes, asyncio.get_running_loop().time() - begin

    outcomes, seconds = asyncio.run(run())
    assert [outcome.code for outcome in outcomes] == ["stopped"] * 4
    assert outcomes[0].body.startswith(b"xx")
    assert seconds < 0.5


def test_a_reader_that_leaves_ends_the_connection():
    ended = asyncio.Event()

    async def respond(writer: asyncio.StreamWriter) -> None:
        try:
            await endless(answer(body=b""), b"x" * 9999)(writer)
        finally:
            ended.set()

    async def run() -> None:
        async with serving(respond, []) as port, Client(LOOPBACK) as client:
            async with client.get(f"http://127.0.0.1:{port}/") as asked:
                async for piece in asked.pieces():
                    assert piece
                    break
            await asyncio.wait_for(ended.wait(), 2)

    asyncio.run(run())


def refused(url: str, way: Clear | Tor, **options: object) -> str:
    async def run() -> Outcome:
        async with Client(way, QUICK) as client:
            return await fetched(client, url, Outcome(), **options)

    return asyncio.run(run()).code


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:8.8.8.8]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fc00::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[2001:db8::1]",
    ],
)
def test_no_machine_of_ours_is_asked(host: str):
    assert refused(f"http://{host}/", Clear()) == "addresses"


def test_a_port_where_nothing_listens_and_a_name_that_is_none():
    assert refused("http://127.0.0.1:1/", LOOPBACK) == "refused"
    assert refused("http://nothing.invalid/", LOOPBACK) == "unreachable"
    assert refused("gopher://host.example/", LOOPBACK) == "bad_address"


def test_only_an_onion_service_may_have_any_certificate():
    async def run() -> None:
        async with Client(Clear()) as client:
            with pytest.raises(UsageError):
                async with client.get("https://host.example/", any_certificate=True):
                    pass

    asyncio.run(run())


def test_an_answer_after_the_end_of_the_deadline_is_late():
    async def respond(writer: asyncio.StreamWriter) -> None:
        await endless(answer(body=b""), b"x" * 1000, 0.01)(writer)

    outcome = ask(respond, Bounds(total_s=0.5))
    assert outcome.code == "timeout"
    assert 0.4 < outcome.seconds < 1
