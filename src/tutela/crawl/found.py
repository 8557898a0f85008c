"""Links of pages, sorted: in scope and new, outside, too deep, or of a trap.

What is in scope becomes a URL once; what is not is counted, and of hosts outside only a MAC is
kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select, tuple_

from tutela.core.errors import InputError
from tutela.crawl import tags, traps, urls
from tutela.crawl.gates import Locked
from tutela.crawl.model import Kind, Link, State
from tutela.crawl.urls import Address
from tutela.store.bulk import add_rows, insert_rows, upsert_rows
from tutela.store.tables.crawl import (
    CrawlHost,
    CrawlLeft,
    CrawlOutside,
    CrawlScope,
    CrawlShape,
    CrawlUrl,
)

MOST_LINKS: Final = 5_000  # of one page
MEDIA_STEPS: Final = 5  # from the media that a page shows, by redirects and pages in its place
_AT_ONCE: Final = 5_000


class From(msgspec.Struct, frozen=True):
    """Links of one page of an order, how deep that page was, and what it was found as."""

    order_id: int
    depth: int
    links: tuple[Link, ...]
    kind: Kind = Kind.PAGE


class Reach(msgspec.Struct, frozen=True):
    """A scope that links may lead into."""

    id: int
    order_id: int
    host: str
    path: str
    depth: int


@dataclass
class Sorted:
    """What a batch of pages links to.

    `inside` is keyed by order and tag: each has its scope, address, kind and depth.
    """

    inside: dict[tuple[int, bytes], tuple[int, Address, Kind, int]] = field(default_factory=dict)
    left: Counter[tuple[int, str]] = field(default_factory=Counter)
    outside: dict[tuple[int, bytes], list[Any]] = field(default_factory=dict)

    def scope_ids(self) -> set[int]:
        """Return the scopes that URLs are found in."""
        return {found[0] for found in self.inside.values()}


def priority(kind: Kind, depth: int, tries: int) -> int:
    """Return in which order URLs of a scope are leased, the smallest first."""
    return 10 * depth + (kind is Kind.MEDIA) + 1000 * tries


def reaches_to(scope_depth: int, kind: Kind, depth: int) -> bool:
    """Tell whether a URL of a depth is not too deep for a scope."""
    return depth <= scope_depth + (MEDIA_STEPS if kind is Kind.MEDIA else 0)


def sort(tx: Connection, pages: Iterable[From], keys: Mapping[int, bytes]) -> Sorted:
    """Sort links; `keys` are those of the orders."""
    made = Sorted()
    read: list[tuple[From, Link, Address]] = []
    for page in pages:
        for link in page.links[:MOST_LINKS]:
            try:
                read.append((page, link, _canonical(link.url)))
            except InputError as error:
                made.left[page.order_id, error.code] += 1
        if len(page.links) > MOST_LINKS:
            made.left[page.order_id, "too_many"] += len(page.links) - MOST_LINKS
    reaches = _reaches(tx, {(page.order_id, address.host) for page, _, address in read})
    for page, link, address in read:
        _place(made, page, link, address, reaches, keys[page.order_id])
    return made


def insert(
    tx: Connection,
    found: Sorted,
    locked: Locked,
    shapes: Shapes,
    moment: datetime,
) -> int:
    """Make URLs of what is new, count the rest; return how many are new."""
    known = _known(tx, found.inside)
    rows = []
    for (order_id, tag), (scope_id, address, kind, depth) in found.inside.items():
        if (order_id, tag) in known:
            continue
        shape = traps.shape_of(address)
        # Media are of a page's making, and end with its pages.
        if kind is Kind.PAGE and (code := shapes.take(scope_id, shape)):
            found.left[order_id, code] += 1
            continue
        rows.append(_row(order_id, tag, scope_id, address, kind, depth, shape.shape, moment))
        locked.wait(scope_id, 1)
    insert_rows(tx, CrawlUrl, rows)
    return len(rows)


def leave(tx: Connection, found: Sorted, moment: datetime) -> None:
    """Count what was left alone."""
    rows = [
        {"order_id": order_id, "reason": reason, "links": count}
        for (order_id, reason), count in found.left.items()
    ]
    add_rows(tx, CrawlLeft, rows, ["links"])
    hosts = [
        {"order_id": order_id, "tag": tag, "net": net, "links": count, "first_seen_at": moment}
        for (order_id, tag), (net, count) in found.outside.items()
    ]
    add_rows(tx, CrawlOutside, hosts, ["links"])


class Shapes:
    """How many URLs of each shape there are; read once, changed here, written once.

    Only for scopes whose gates are locked.
    """

    def __init__(
        self, tx: Connection, wanted: Iterable[tuple[int, int]], limits: traps.Limits
    ) -> None:
        self._tx = tx
        self._limits = limits
        self._rows: dict[tuple[int, int], dict[str, Any]] = {}
        self._changed: set[tuple[int, int]] = set()
        self._stems: dict[tuple[int, int], int] = {}
        pairs = sorted(set(wanted))
        for start in range(0, len(pairs), _AT_ONCE):
            part = pairs[start : start + _AT_ONCE]
            asked = select(CrawlShape.__table__).where(
                tuple_(CrawlShape.scope_id, CrawlShape.shape).in_(part)
            )
            for row in tx.execute(asked):
                self._rows[row.scope_id, row.shape] = dict(row._mapping)  # noqa: SLF001 SQLAlchemy's public name

    def take(self, scope_id: int, shape: traps.Shape) -> str:
        """Count one more URL of a shape, or return the code of why no more are taken."""
        row = self._rows.get((scope_id, shape.shape))
        if row is None:
            if self._of_stem(scope_id, shape.stem) >= self._limits.queries:
                return "trap_queries"
            row = self._new(scope_id, shape)
        most = self._limits.calendar_urls if shape.calendar else self._limits.shape_urls
        if row["ended"]:
            return str(row["ended"])
        if row["found"] >= most:
            return "trap_calendar" if shape.calendar else "trap_shape"
        row["found"] += 1
        self._changed.add((scope_id, shape.shape))
        return ""

    def saw(self, scope_id: int, shape: int, simhash: int) -> bool:
        """Hold the text of a page against the one before; tell whether its shape ends by that."""
        row = self._rows.get((scope_id, shape))
        if row is None or row["ended"]:
            return False
        before = row["simhash"]
        same = before is not None and traps.distance_bits(before, simhash) <= self._limits.near_bits
        row["near"] = row["near"] + 1 if same else 0
        row["simhash"] = simhash
        self._changed.add((scope_id, shape))
        if row["near"] < self._limits.near_pages:
            return False
        row["ended"] = "trap_same_text"
        return True

    def write(self) -> None:
        """Write what has changed."""
        upsert_rows(self._tx, CrawlShape, [self._rows[key] for key in sorted(self._changed)])

    def _new(self, scope_id: int, shape: traps.Shape) -> dict[str, Any]:
        row = {
            "scope_id": scope_id,
            "shape": shape.shape,
            "stem": shape.stem,
            "found": 0,
            "simhash": None,
            "near": 0,
            "ended": "",
        }
        self._rows[scope_id, shape.shape] = row
        self._stems[scope_id, shape.stem] += 1
        return row

    def _of_stem(self, scope_id: int, stem: int) -> int:
        key = scope_id, stem
        if key not in self._stems:
            counted = select(func.count()).where(
                CrawlShape.scope_id == scope_id, CrawlShape.stem == stem
            )
            self._stems[key] = self._tx.execute(counted).scalar_one()
        return self._stems[key]


def shapes_of(found: Sorted) -> set[tuple[int, int]]:
    """Return the scope and shape of each page that may be new."""
    return {
        (scope_id, traps.shape_of(address).shape)
        for scope_id, address, kind, _ in found.inside.values()
        if kind is Kind.PAGE
    }


@lru_cache(maxsize=16_384)
def _canonical(url: str) -> Address:
    """The links of a site's pages are mostly the same."""
    return urls.canonical(url)


def _reaches(tx: Connection, wanted: set[tuple[int, str]]) -> dict[tuple[int, str], list[Reach]]:
    """Return the scopes of orders on hosts, those of the longest path first."""
    hosts = sorted({host for _, host in wanted})
    orders = sorted({order_id for order_id, _ in wanted})
    made: dict[tuple[int, str], list[Reach]] = {}
    for start in range(0, len(hosts), _AT_ONCE):
        rows = tx.execute(
            select(
                CrawlScope.id,
                CrawlScope.order_id,
                CrawlHost.host,
                CrawlScope.path,
                CrawlScope.depth,
            )
            .join(CrawlHost, CrawlHost.id == CrawlScope.host_id)
            .where(
                CrawlHost.host.in_(hosts[start : start + _AT_ONCE]),
                CrawlScope.order_id.in_(orders),
                CrawlScope.dropped_at.is_(None),
            )
        )
        for row in rows:
            made.setdefault((row.order_id, row.host), []).append(Reach(*row))
    for found in made.values():
        found.sort(key=lambda reach: -len(reach.path))
    return made


def _place(  # noqa: PLR0913, PLR0917 a link, its page, and what it is held against
    made: Sorted,
    page: From,
    link: Link,
    address: Address,
    reaches: Mapping[tuple[int, str], list[Reach]],
    key: bytes,
) -> None:
    order_id = page.order_id
    there = reaches.get((order_id, address.host), [])
    reach = next((one for one in there if urls.under(address.path, one.path)), None)
    if reach is None:
        made.left[order_id, "path" if there else "outside"] += 1
        if not there:
            seen = made.outside.setdefault(
                (order_id, tags.of_host(key, address.host)), [address.net, 0]
            )
            seen[1] += 1
        return
    # A media belongs to the page that shows it, and is as deep. One that leads to another is no
    # media, and they could go on for ever: no budget counts them.
    led = link.kind is Kind.MEDIA and page.kind is Kind.MEDIA
    depth = page.depth + (led or (link.kind is Kind.PAGE and not link.redirect))
    code = "" if reaches_to(reach.depth, link.kind, depth) else "depth"
    code = code or traps.look(address, traps.Limits())
    if code:
        made.left[order_id, code] += 1
        return
    inside = made.inside.setdefault(
        (order_id, tags.of_url(key, address.url)), (reach.id, address, link.kind, depth)
    )
    if depth < inside[3]:
        made.inside[order_id, tags.of_url(key, address.url)] = (*inside[:3], depth)


def _known(tx: Connection, wanted: Iterable[tuple[int, bytes]]) -> set[tuple[int, bytes]]:
    by_order: dict[int, list[bytes]] = {}
    for order_id, tag in wanted:
        by_order.setdefault(order_id, []).append(tag)
    known: set[tuple[int, bytes]] = set()
    for order_id, found in by_order.items():
        for start in range(0, len(found), _AT_ONCE):
            asked = select(CrawlUrl.tag).where(
                CrawlUrl.order_id == order_id, CrawlUrl.tag.in_(found[start : start + _AT_ONCE])
            )
            known.update((order_id, tag) for tag in tx.execute(asked).scalars())
    return known


def _row(  # noqa: PLR0913, PLR0917 the values of a row
    order_id: int,
    tag: bytes,
    scope_id: int,
    address: Address,
    kind: Kind,
    depth: int,
    shape: int,
    moment: datetime,
) -> dict[str, Any]:
    return {
        "order_id": order_id,
        "scope_id": scope_id,
        "url": address.url,
        "tag": tag,
        "kind": kind.value,
        "depth": depth,
        "shape": shape,
        "priority": priority(kind, depth, 0),
        "state": State.WAITING.value,
        "reason": "",
        "found_at": moment,
        "next_at": moment,
        "turns": 0,
        "tries": 0,
        "leased_by": None,
        "leased_until": None,
        "status": 0,
        "size_bytes": 0,
        "same_as": None,
        "ended_at": None,
    }
