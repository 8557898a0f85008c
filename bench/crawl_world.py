"""The sites of the benchmark of a crawl: forums of stamps, whose every page and picture is known.

    python bench/crawl_world.py PORT WORLD ASKED

serves them from memory on PORT of 127.0.0.2 and so on, one for each site and a last one that nobody
may ask, and writes what was asked to ASKED when it is ended.

A page has 20 posts by known authors and three pictures of some 40 KB. Of every fifth page the first
picture is one that a list has: as it is, smaller and mirrored in turn. Each page links to the next
ones, to authors that robots.txt forbids, and to the site outside.
"""

from __future__ import annotations

import asyncio
import io
import signal
import sys
import time
from functools import partial
from pathlib import Path
from random import Random

import msgspec
from PIL import Image

from tutela.cli.demo.draw import landscape

POSTS = 20
PICTURES = 3
PLANTED_EVERY = 5
HOW = ("same", "smaller", "mirrored")
DRAWN = 24  # pictures that are no list's, each shown many times with other bytes
QUALITY = 90
AUTHORS = 40
ROBOTS = b"User-agent: *\nDisallow: /member\n"
_PARTS = ("ba", "del", "fi", "gor", "ha", "jin", "ku", "lom", "ne", "pas", "ri", "sto", "tu", "vel")
_PAGE = (
    "<!DOCTYPE html><html><head><title>Stamps {number}</title></head><body>"
    '<h2 class="topic-title">Stamps {number}</h2>{posts}<p>{links}</p></body></html>'
)


class World(msgspec.Struct):
    """What every site serves by its path, what lists have, and where that stands."""

    sites: list[dict[str, tuple[str, bytes]]]
    listed: list[bytes]
    planted: list[list[str]]


class Asked(msgspec.Struct):
    """What a server was asked: site and first line of each; connections; processor's seconds."""

    lines: list[tuple[int, bytes]]
    connections: int
    cpu_s: float


def make(sites: int, pages: int, outside: str) -> World:
    """Draw and write all of it; `outside` is the address of the site that nobody may ask."""
    drawn = [_jpeg(_drawn(seed)) for seed in range(DRAWN)]
    world = World([], [], [])
    for site in range(sites):
        served: dict[str, tuple[str, bytes]] = {"/robots.txt": ("text/plain", ROBOTS)}
        links = " ".join(f'<a href="/thread/{n}">Stamps {n}</a>' for n in range(pages))
        served["/"] = ("text/html", f"<html><body><h1>Stamps</h1>{links}</body></html>".encode())
        planted = []
        for page in range(pages):
            served[f"/thread/{page}"] = ("text/html", _page(site, page, pages, outside))
            for place in range(PICTURES):
                path = f"/picture/{page}/{place}"
                number = (site * pages + page) * PICTURES + place
                if place == 0 and page % PLANTED_EVERY == 0:
                    picture = _drawn(10_000 + number)
                    world.listed.append(_jpeg(picture))
                    body = _shown(picture, HOW[(page // PLANTED_EVERY) % len(HOW)])
                    planted.append(path)
                else:
                    body = _other_bytes(drawn[number % DRAWN], number)
                served[path] = ("image/jpeg", body)
        world.sites.append(served)
        world.planted.append(planted)
    return world


def _drawn(seed: int) -> Image.Image:
    return landscape(seed).resize((640, 480))


def _jpeg(picture: Image.Image, quality: int = QUALITY) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _shown(picture: Image.Image, how: str) -> bytes:
    if how == "smaller":
        return _jpeg(picture.resize((400, 300)))
    if how == "mirrored":
        return _jpeg(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    return _jpeg(picture)


def _other_bytes(jpeg: bytes, number: int) -> bytes:
    """Return the same picture as another file, by a comment behind its first marker."""
    return jpeg[:2] + b"\xff\xfe\x00\x0a" + number.to_bytes(8) + jpeg[2:]


def _page(site: int, page: int, pages: int, outside: str) -> bytes:
    posts = "".join(_post(site, page, place) for place in range(POSTS))
    near = [f'<a href="/thread/{(page + n) % pages}">next {n}</a>' for n in range(1, 8)]
    links = " ".join([*near, f'<a href="http://{outside}/">friends</a>'])
    return _PAGE.format(number=page, posts=posts, links=links).encode()


def _post(site: int, page: int, place: int) -> str:
    number, who = page * 100 + place, (page * 7 + place * 3 + site) % AUTHORS
    random = Random(number * 1_000 + site)
    words = " ".join("".join(random.choices(_PARTS, k=3)) for _ in range(40))
    picture = f'<img src="/picture/{page}/{place}">' if place < PICTURES else ""
    quote = "<blockquote><cite>Ada wrote:</cite>I have a blue one.</blockquote>" * (place % 7 == 1)
    named = f'<a href="/member?u={who}" class="username">member{who}</a>'
    return f"""<div id="p{number}" class="post"><div class="inner"><dl class="postprofile"><dt>
{named}</dt></dl><div class="postbody"><p class="author"><a href="#p{number}">Post</a> by {named}
&raquo; 2026-{1 + page % 9:02d}-{1 + place:02d} 10:{place:02d}</p><div class="content">{quote}
Stamp {number} of site {site}: {words}. {picture}</div></div></div></div>"""


class _Server(asyncio.Protocol):
    def __init__(self, site: int, bodies: dict[bytes, bytes], asked: Asked) -> None:
        self._site, self._bodies, self._asked, self._rest = site, bodies, asked, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._asked.connections += 1

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for request in requests:
            line = request.partition(b"\r\n")[0].rpartition(b" ")[0]
            self._asked.lines.append((self._site, line))
            self._transport.write(self._bodies.get(line) or self._bodies[b""])


def host_of(number: int) -> str:
    """Return the address of a site."""
    return f"127.0.0.{number + 2}"


async def serve(port: int, world: World) -> Asked:
    """Serve until a signal, each site on an address of loopback of its own."""
    asked = Asked([], 0, 0.0)
    loop = asyncio.get_running_loop()
    for number, served in enumerate([*world.sites, {}]):
        bodies = {f"GET {path}".encode(): _answer(200, *what) for path, what in served.items()}
        bodies[b""] = _answer(404, "text/plain", b"nothing")
        made = partial(_Server, number, bodies, asked)
        await loop.create_server(made, host_of(number), port, backlog=512)
    print(flush=True)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    asked.cpu_s = time.process_time()
    return asked


def _answer(status: int, kind: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} -\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


if __name__ == "__main__":
    what = msgspec.msgpack.decode(Path(sys.argv[2]).read_bytes(), type=World)
    said = asyncio.run(serve(int(sys.argv[1]), what))
    Path(sys.argv[3]).write_bytes(msgspec.msgpack.encode(said))
