"""Reading pages: what one costs, beside the bare parser that only returns all text.

The pages are forum threads made here, with quotes, pictures, links and contact names. CPU time
of one thread; confined, the processes on both sides and what passes between them count.
"""

from __future__ import annotations

import os
import time

from selectolax.lexbor import LexborHTMLParser

from measure import Figure, Options, cpu_rounds
from tutela.crawl.events import Terms
from tutela.crawl.reader import Reader
from tutela.crawl.reading import read

PEER = "selectolax, parse and text"
URL = "http://board.test/viewtopic.php?t=7"
TYPE = "text/html; charset=utf-8"
TERMS = Terms(offer=tuple(f"swap stamp number {n}" for n in range(200)), thanks=("thank you",))
# Of the issue: 100 pages/s on two cores, where tor and the database run too.
GOALS_MS = {20: 3.0, 100: 10.0}

_WORDS = "I have looked through the old albums and found some blue ones that nobody wants. "
_POST = """<div id="p{n}" class="post bg2"><div class="inner"><dl class="postprofile"
id="profile{n}"><dt><a href="./memberlist.php?mode=viewprofile&amp;u={u}"
class="username">user{u}</a></dt>
<dd>Posts: 12</dd><dd><strong>Joined:</strong> Mon Jan 01, 2024 10:00 am</dd></dl>
<div class="postbody"><h3><a href="#p{n}">Re: stamps</a></h3><p class="author">
<a href="./viewtopic.php?p={n}#p{n}">Post</a> by <strong>user{u}</strong> &raquo;
Wed Jan 03, 2024 10:{m:02} am</p><div class="content">{quote}{words}<br>
See <a href="https://album.test/{n}">this album</a> <img src="/files/{n}.png" alt=""> {name}</div>
<div class="signature">Old stamps only</div></div></div></div>"""
_QUOTE = "<blockquote><div><cite>user3 wrote:</cite>does anybody have blue ones?</div></blockquote>"


def thread(posts: int) -> bytes:
    """Return a page of a forum with so many posts, of some 900 bytes each."""
    body = "".join(
        _POST.format(
            n=n,
            u=n % 17,
            m=n % 60,
            quote=_QUOTE if n % 3 == 0 else "",
            words=_WORDS * (1 + n % 3),
            name=f"user{n}@mail.test" if n % 10 == 0 else "",
        )
        for n in range(posts)
    )
    head = "<!DOCTYPE html><html><head><title>Stamps - A board</title></head><body>"
    return f"{head}{body}<p>All times are UTC</p></body></html>".encode()


def run(options: Options) -> list[Figure]:
    """Measure pages of 20 and of 100 posts, and reading them confined."""
    figures: list[Figure] = []
    for posts, goal_ms in GOALS_MS.items():
        figures += _bare(posts, goal_ms, options)
    figures.append(_confined(options))
    return figures


def _bare(posts: int, goal_ms: float, options: Options) -> list[Figure]:
    page = thread(posts)
    times = 2 if options.quick else 40

    def ours() -> None:
        for _ in range(times):
            read(page, URL, TYPE, TERMS)

    def peer() -> None:
        for _ in range(times):
            LexborHTMLParser(page).text()

    best = cpu_rounds({"ours": ours, "peer": peer}, rounds=1 if options.quick else 7)
    ms, peer_ms = (best[name] * 1_000 / times for name in ("ours", "peer"))
    name = f"a page of {posts} posts, {len(page) // 1_000} KB"
    return [
        Figure(
            name, ms, "ms CPU", PEER, peer_ms, peer_ms / ms, f"<= {goal_ms:g} ms", ms <= goal_ms
        ),
        Figure(f"{name}: pages", 1_000 / ms, "pages/s CPU", PEER, 1_000 / peer_ms, peer_ms / ms),
    ]


def _confined(options: Options) -> Figure:
    """Measure all that reading in another process costs, on both sides of the wall."""
    page = thread(20)
    times = 5 if options.quick else 400
    before = os.times()
    begin = time.process_time()
    with Reader(TERMS) as reader:
        for _ in range(times):
            reader.read(page, URL, TYPE)
        ours = time.process_time() - begin
    after = os.times()
    theirs = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    ms = (ours + theirs) * 1_000 / times
    return Figure("a page of 20 posts, confined, both sides", ms, "ms CPU", goal="", holds=None)
