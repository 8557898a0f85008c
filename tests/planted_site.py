"""A forum made by code, with pictures planted on it: what a crawl is to find is known beforehand.

Run as a script it serves one: `planted_site.py PORT LOG NAME THREADS [OTHER]`; each request is a
line of LOG as it comes. Pictures are drawn, words are about stamps.

Of every thread three pictures are known to `listed()`: as they are, smaller, and mirrored; one is
unknown. `OTHER` is the address of another site, which has the first picture of this one too.
"""

from __future__ import annotations

import gzip
import io
import json
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from PIL import Image

from tutela.cli.demo.draw import landscape

HOW = ("same", "smaller", "mirrored", "unknown")
POSTS = 5
# The first post of every thread is by the first of them, with a picture as it is listed.
PEOPLE = ("Ada", "Bo", "Cleo", "Dov", "Eli", "Fay")
FIRST_DAY = datetime(2026, 1, 3, 10, tzinfo=UTC)
_UNKNOWN = 10_000
_NOTHING = " ".join(f"{one}{other}" for one in "abcdefgh" for other in ("lbum", "ir", "rea"))
_PAGE = "<!DOCTYPE html><html><head><title>{title}</title></head><body>{body}</body></html>"


def seed_of(name: str, thread: int, place: int) -> int:
    """Return the seed of a picture; no two sites share one."""
    return sum(name.encode()) * 1_000_003 + thread * 10 + place


@lru_cache(maxsize=4096)
def original(seed: int) -> bytes:
    """Return a picture as whoever listed it has it."""
    return _jpeg(landscape(seed).resize((640, 480)))


@lru_cache(maxsize=4096)
def shown(seed: int, how: str) -> bytes:
    """Return a picture as the site has it."""
    if how in {"same", "unknown"}:
        return original(seed)
    picture = Image.open(io.BytesIO(original(seed)))
    if how == "smaller":
        return _jpeg(picture.resize((400, 300)), 80)
    return _jpeg(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT))


def listed(name: str, threads: int) -> list[bytes]:
    """Return the pictures that a hash list knows."""
    return [
        original(seed_of(name, thread, place))
        for thread in range(threads)
        for place, how in enumerate(HOW)
        if how != "unknown"
    ]


def _jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


class Site:
    """Answers as a function of the path; traps stand beside the forum."""

    def __init__(self, name: str, threads: int, other: str = "") -> None:
        self.name = name
        self.threads = threads
        self.other = other

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body."""
        if path == "/robots.txt":
            return 200, {"Content-Type": "text/plain"}, b"User-agent: *\nDisallow: /private/\n"
        parts = path.strip("/").split("/")
        kinds: dict[str, Callable[[list[str]], tuple[int, dict[str, str], bytes]]] = {
            "": self._index,
            "thread": self._thread,
            "picture": self._picture,
            "trap": self._trap,
        }
        return kinds.get(parts[0], _nothing)(parts)

    def _index(self, _: list[str]) -> tuple[int, dict[str, str], bytes]:
        links = [f'<a href="/thread/{n}">Stamps {n}</a>' for n in range(self.threads)]
        links += [f'<a href="/trap/{kind}">{kind}</a>' for kind in TRAPS]
        links += ['<a href="/private/x">private</a>', '<a href="http://elsewhere.test/">away</a>']
        if self.other:
            links.append(f'<a href="http://{self.other}/">friends</a>')
        return _html(f"Stamps of {self.name}", "<p>" + " ".join(links) + "</p>")

    def _thread(self, parts: list[str]) -> tuple[int, dict[str, str], bytes]:
        number = int(parts[1])
        posts = [self._post(number, place) for place in range(POSTS)]
        title = f'<h2 class="topic-title">Stamps {number}</h2>'
        title += f"<div>(Read {1_900 + 50 * number:,} times)</div>"
        return _html(f"Stamps {number}", title + "".join(posts))

    def _post(self, thread: int, place: int) -> str:
        number = thread * 100 + place
        who = place
        posted = FIRST_DAY + timedelta(days=13 * thread, minutes=7 * thread + place)
        picture = f'<img src="/picture/{thread}/{place}">' if place < len(HOW) else ""
        if place == 0 and thread == 0 and self.other:
            picture += f'<a href="http://{self.other}/picture/0/0">the same</a>'
        quote = "<blockquote><cite>Ada wrote:</cite>I have a blue one.</blockquote>" * (place == 1)
        return f"""<div id="p{number}" class="post"><div class="inner"><dl class="postprofile"><dt>
<a href="/member?u={who}" class="username">{PEOPLE[who]}</a></dt></dl><div class="postbody">
<p class="author"><a href="#p{number}">Post</a> by <a class="username" href="/member?u={who}">
{PEOPLE[who]}</a> &raquo; {posted:%Y-%m-%d %H:%M}</p><div class="content">{quote}
Stamp {number} of my album, swapped at the market of {self.name}. {picture}</div></div></div>
</div>"""

    def _picture(self, parts: list[str]) -> tuple[int, dict[str, str], bytes]:
        thread, place = int(parts[1]), int(parts[2])
        body = shown(seed_of(self.name, thread, place), HOW[place])
        return 200, {"Content-Type": "image/jpeg"}, body

    def _trap(self, parts: list[str]) -> tuple[int, dict[str, str], bytes]:
        return TRAPS[parts[1]](parts)


def _html(title: str, body: str) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "text/html"}, _PAGE.format(title=title, body=body).encode()


def _nothing(_: list[str]) -> tuple[int, dict[str, str], bytes]:
    return 404, {}, b""


def _bomb(_: list[str]) -> tuple[int, dict[str, str], bytes]:
    body = gzip.compress(b"<html><body>" + b" " * (64 << 20), 9)
    return 200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, body


def _calendar(parts: list[str]) -> tuple[int, dict[str, str], bytes]:
    day = int(parts[2]) if len(parts) > 2 else 1
    links = f'<a href="/trap/calendar/{day + 1}">tomorrow</a>'
    return _html("Calendar", f"<p>Nothing happens on day {day}. {links} {_NOTHING}</p>")


def _loop(parts: list[str]) -> tuple[int, dict[str, str], bytes]:
    step = int(parts[2]) if len(parts) > 2 else 0
    return 302, {"Location": f"/trap/loop/{(step + 1) % 3}"}, b""


def _away(_: list[str]) -> tuple[int, dict[str, str], bytes]:
    return 302, {"Location": "http://elsewhere.test/x"}, b""


def _lie(_: list[str]) -> tuple[int, dict[str, str], bytes]:
    """Show a picture as a page."""
    return 200, {"Content-Type": "text/html"}, original(_UNKNOWN)


def _broken(_: list[str]) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "image/jpeg"}, original(_UNKNOWN)[:900]


def _fails(_: list[str]) -> tuple[int, dict[str, str], bytes]:
    return 503, {"Retry-After": "3600"}, b""


TRAPS = {
    "bomb": _bomb,
    "calendar": _calendar,
    "loop": _loop,
    "away": _away,
    "lie": _lie,
    "broken": _broken,
}


class Server:
    """Serves a site on loopback, in threads; `asked` holds moment, method and path of each."""

    def __init__(
        self, site: Site, port: int = 0, log: Path | None = None, delay_s: float = 0
    ) -> None:
        self.site = site
        self.asked: list[tuple[float, str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append((time.monotonic(), self.command, self.path))
                if log is not None:
                    with log.open("a") as stream:
                        host = self.headers.get("Host", "")
                        stream.write(
                            json.dumps([time.time(), self.command, host, self.path]) + "\n"
                        )
                if delay_s:
                    time.sleep(delay_s)
                status, headers, body = outer.site.answer(self.path)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_HEAD = do_POST = do_GET  # noqa: N815 the names of the library

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_: object) -> None:
                pass  # whoever asked went away

        self._server = Quiet(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self) -> None:
        self._server.serve_forever()


if __name__ == "__main__":
    number, place, called, count, *friend = sys.argv[1:]
    Server(Site(called, int(count), *friend), int(number), Path(place)).serve()
