"""Asks for one URL, and says what came of it. Nothing of a media stays: it is hashed and dropped.

What a URL was found as does not decide what it is: pages hide behind addresses of pictures, and
pictures behind those of pages.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from tutela.core.errors import FetchError, InputError, TutelaError
from tutela.core.media import Digests
from tutela.crawl.decoding import PAGE_BYTES
from tutela.crawl.manners import Manners
from tutela.crawl.model import Kind, Lease, Link, Net, Outcome, State
from tutela.crawl.reader import Reader
from tutela.crawl.urls import canonical
from tutela.fetch import sniff
from tutela.fetch.address import may_follow, read
from tutela.fetch.answer import Head
from tutela.fetch.sniff import FIRST_BYTES, hides_page
from tutela.fetch.stream import Answer, Bounds, Client
from tutela.observation.keep import Read
from tutela.observation.model import Layout, MediaRole, MediaSeen, PageSeen
from tutela.observation.places import Hashed
from tutela.scan.hasher import Hasher

PICTURE_BYTES = 32 << 20
DIGESTED_BYTES = 512 << 20  # of what has digests alone: videos, and pictures that are too large
_LARGE_BYTES = 1 << 20
_LARGE_AT_ONCE = 8
BOUNDS = Bounds(size_bytes=DIGESTED_BYTES)

# The host is in trouble, or cannot be reached: it is left alone for a while.
_SILENT = frozenset(
    {"unreachable", "timeout", "slow", "refused", "closed", "no_descriptor", "addresses_unknown"}
    | {"robots_closed"}
)
_FOR_EVER = frozenset(
    {"bad_address", "addresses", "net", "needs_auth", "bomb", "encoding", "damaged", "too_large"}
    | {"headers", "tls"}
)
_GONE = frozenset({404, 410})
_TOO_MANY = 429
_SERVER_FAILS = 500
_OK = 200
T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 no error: crawling ends
    """The request was not sent, or cut off: for the kill switch, a pause, or the end of tor."""

    tor_is_down = False


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one lease: how it ends, and what is to be kept.

    Attributes:
        lease: The lease.
        outcome: How it ends.
        links: Where a redirect leads; what a page links to stands in `read`.
        read: The page, where it was one.
        hashed: The media, where it was one, or why it could not be had.
        moved_to: Where a media is really, for the places that point at this URL.
    """

    lease: Lease
    outcome: Outcome
    links: tuple[Link, ...] = ()
    read: Read | None = None
    hashed: Hashed | None = None
    moved_to: str = ""


@dataclass
class Means:
    """What a visit works with.

    Attributes:
        reader: Reads pages, confined.
        hasher: Fingerprints media, confined.
        stopped: Tells whether the kill switch is raised; asked before every request.
        run: Runs what waits for a confined process in a thread.
        manners: What sites ask of robots.
        large: Keeps down how many large pictures are held at a time.
    """

    reader: Reader
    hasher: Hasher
    stopped: Callable[[], bool]
    run: Callable[[Callable[[], T]], Awaitable[T]]
    manners: Manners
    large: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LARGE_AT_ONCE))


async def visit(lease: Lease, client: Client, means: Means) -> Visit:
    """Ask for the URL of a lease, once.

    Raises:
        Stopped: nothing may be asked any more; the lease is given back.
    """
    if means.stopped():
        raise Stopped
    try:
        if not await means.manners.allow(lease, client):
            outcome = Outcome(state=State.REFUSED, reason="robots")
            return Visit(lease=lease, outcome=outcome, hashed=_trouble(lease, "robots"))
        if means.stopped():
            raise Stopped
        async with client.get(
            lease.url, BOUNDS, turn=lease.tries, any_certificate=lease.net is Net.ONION
        ) as answer:
            return await _answered(lease, answer, means)
    except FetchError as error:
        if error.code in {"stopped", "tor_down"}:
            stopped = Stopped()
            stopped.tor_is_down = error.code == "tor_down"
            raise stopped from error
        return _failed(lease, error)


def _failed(lease: Lease, error: FetchError) -> Visit:
    silent = error.code in _SILENT
    state = State.FAILED if error.code in _FOR_EVER else State.WAITING
    outcome = Outcome(state=state, reason=error.code, status=error.status, overloaded=silent)
    return Visit(lease=lease, outcome=outcome, hashed=_trouble(lease, error.code))


def _trouble(lease: Lease, code: str) -> Hashed | None:
    """Return why a media could not be had; of a page there is nothing to say."""
    return Hashed(url=lease.url, trouble=code) if lease.kind is Kind.MEDIA else None


async def _answered(lease: Lease, answer: Answer, means: Means) -> Visit:
    head = answer.head
    if head.location is not None:
        return _moved(lease, head)
    if head.status == _TOO_MANY or head.status >= _SERVER_FAILS:
        outcome = Outcome(
            state=State.WAITING,
            reason="busy",
            status=head.status,
            overloaded=True,
            wait_s=float(head.retry_after_s or 0),
        )
        return Visit(lease=lease, outcome=outcome, hashed=_trouble(lease, "busy"))
    if head.status != _OK:
        reason = "not_found" if head.status in _GONE else "status"
        outcome = Outcome(state=State.FAILED, reason=reason, status=head.status)
        return Visit(lease=lease, outcome=outcome, hashed=_trouble(lease, reason))
    return await _body(lease, head, answer.pieces(), means)


def _moved(lease: Lease, head: Head) -> Visit:
    target = head.location
    assert target is not None
    if not may_follow(read(lease.url), target):
        outcome = Outcome(state=State.REFUSED, reason="redirect", status=head.status)
        return Visit(lease=lease, outcome=outcome, hashed=_trouble(lease, "redirect"))
    try:
        url = canonical(target.url).url
    except InputError as error:
        outcome = Outcome(state=State.REFUSED, reason=error.code, status=head.status)
        return Visit(lease=lease, outcome=outcome, hashed=_trouble(lease, error.code))
    if url == lease.url:  # it counts visitors, or wants a cookie: there is nothing to be had
        outcome = Outcome(state=State.FAILED, reason="redirect_loop", status=head.status)
        return Visit(lease=lease, outcome=outcome, hashed=_trouble(lease, "redirect_loop"))
    outcome = Outcome(state=State.DONE, reason="moved", status=head.status)
    link = Link(url, lease.kind, redirect=True)
    moved_to = url if lease.kind is Kind.MEDIA else ""
    return Visit(lease=lease, outcome=outcome, links=(link,), moved_to=moved_to)


@dataclass
class _Body:
    """What has come of a body: its beginning, or all of it, and digests of all of it."""

    data: bytearray
    size_bytes: int = 0
    whole: bool = True

    def __post_init__(self) -> None:
        self.md5 = hashlib.md5(usedforsecurity=False)
        self.sha1 = hashlib.sha1(usedforsecurity=False)
        self.sha256 = hashlib.sha256()

    def take(self, piece: bytes, most_bytes: int) -> None:
        self.size_bytes += len(piece)
        for digest in (self.md5, self.sha1, self.sha256):
            digest.update(piece)
        if self.size_bytes <= most_bytes:
            self.data += piece
        elif self.whole:
            self.whole = False
            self.data.clear()

    @property
    def digests(self) -> Digests:
        return Digests(md5=self.md5.digest(), sha1=self.sha1.digest(), sha256=self.sha256.digest())


async def _body(lease: Lease, head: Head, pieces: AsyncIterator[bytes], means: Means) -> Visit:
    body = _Body(bytearray())
    async for piece in pieces:
        body.take(piece, PICTURE_BYTES)
        if body.size_bytes >= FIRST_BYTES:
            break
    first = bytes(body.data[:FIRST_BYTES])
    kind = sniff.sniff(first, head.content_type)
    try:
        if kind in {sniff.Kind.HTML, sniff.Kind.TEXT}:
            return await _page(lease, head, (body, pieces), means)
        both = hides_page(first, head.content_type)
        if lease.kind is Kind.PAGE and kind is sniff.Kind.OTHER:
            return _done(lease, head, body, reason="no_page")
        return await _media(lease, head, (body, pieces), kind, means, both=both)
    finally:
        body.data[:] = bytes(len(body.data))


async def _page(
    lease: Lease, head: Head, coming: tuple[_Body, AsyncIterator[bytes]], means: Means
) -> Visit:
    """Read a page. What lies beyond 4 MiB is not waited for."""
    body, pieces = coming
    if body.size_bytes <= PAGE_BYTES:
        async for piece in pieces:
            body.take(piece, PICTURE_BYTES)
            if body.size_bytes > PAGE_BYTES:
                break
    return await _looked_at(lease, head, body, means)


async def _looked_at(lease: Lease, head: Head, body: _Body, means: Means) -> Visit:
    data = bytes(body.data)
    try:
        seen = await means.run(lambda: means.reader.read(data, lease.url, head.content_type))
    except TutelaError as error:
        outcome = Outcome(
            state=State.FAILED,
            reason=f"page_{error.code}",
            status=head.status,
            size_bytes=body.size_bytes,
        )
        return Visit(lease=lease, outcome=outcome, hashed=_trouble(lease, "page"))
    done = _done(lease, head, body, reason="ok", simhash=seen.text_hash)
    return msgspec.structs.replace(
        done, read=_read(lease, seen, body), hashed=_trouble(lease, "page")
    )


async def _media(  # noqa: PLR0913 what is known of what comes
    lease: Lease,
    head: Head,
    coming: tuple[_Body, AsyncIterator[bytes]],
    kind: sniff.Kind,
    means: Means,
    *,
    both: bool,
) -> Visit:
    body, pieces = coming
    most = PICTURE_BYTES if kind is sniff.Kind.IMAGE else 0
    if kind is not sniff.Kind.IMAGE:
        body.whole = False
        body.data.clear()
    hashed = await _hashed(lease, (body, pieces), (kind, most), means)
    itself = MediaSeen(lease.url, MediaRole.POSTED)
    done = msgspec.structs.replace(_done(lease, head, body, reason=kind.value), hashed=hashed)
    if both and body.whole:
        looked_at = await _looked_at(lease, head, body, means)
        if looked_at.read is not None:
            return msgspec.structs.replace(
                looked_at, hashed=hashed, read=_showing(looked_at.read, itself)
            )
    if lease.kind is Kind.PAGE:
        page = PageSeen(layout=Layout.GENERIC, confidence=0.0, why=("media",), media=(itself,))
        return msgspec.structs.replace(done, read=_read(lease, page, body))
    return done


def _showing(read: Read, itself: MediaSeen) -> Read:
    """Return a page that is a media too, with itself among what it shows."""
    page = read.page
    return msgspec.structs.replace(
        read, page=msgspec.structs.replace(page, media=(*page.media, itself))
    )


async def _hashed(
    lease: Lease,
    coming: tuple[_Body, AsyncIterator[bytes]],
    wanted: tuple[sniff.Kind, int],
    means: Means,
) -> Hashed:
    body, pieces = coming
    kind, most = wanted
    async for piece in pieces:
        body.take(piece, most)
        if body.size_bytes > _LARGE_BYTES and body.whole:
            break
    if body.whole and body.size_bytes > _LARGE_BYTES:
        async with means.large:  # pictures that are held whole, so that memory stays bounded
            async for piece in pieces:
                body.take(piece, most)
            return await _fingerprinted(lease, body, kind, means)
    async for piece in pieces:
        body.take(piece, most)
    return await _fingerprinted(lease, body, kind, means)


async def _fingerprinted(lease: Lease, body: _Body, kind: sniff.Kind, means: Means) -> Hashed:
    hashed = Hashed(
        url=lease.url, digests=body.digests, size_bytes=body.size_bytes, kind=kind.value
    )
    if kind is not sniff.Kind.IMAGE:
        return msgspec.structs.replace(hashed, trouble=f"digests_only_{kind.value}")
    if not body.whole:
        return msgspec.structs.replace(hashed, trouble="too_large")
    data = bytes(body.data)
    (_, found), file = await means.run(lambda: means.hasher.known(data))
    return msgspec.structs.replace(hashed, fingerprints=tuple(found), trouble=file.reason)


def _done(
    lease: Lease, head: Head, body: _Body, *, reason: str, simhash: int | None = None
) -> Visit:
    outcome = Outcome(
        state=State.DONE,
        reason=reason,
        status=head.status,
        size_bytes=body.size_bytes,
        simhash=simhash,
    )
    return Visit(lease=lease, outcome=outcome)


def _read(lease: Lease, seen: PageSeen, body: _Body) -> Read:
    return Read(
        url=lease.url,
        host=lease.host,
        net=lease.net.value,
        page=seen,
        body_sha256=body.sha256.digest(),
    )
