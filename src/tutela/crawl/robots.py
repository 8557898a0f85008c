"""What robots.txt says to us (RFC 9309), and what it said when it was read last.

A rule is matched as its octets; of several that match the longest counts, and allows where two are
as long. A server that answers 4xx has no rules; one that fails is not asked for anything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import msgspec
from sqlalchemy import Connection, select, update

from tutela.audit import log
from tutela.core.principal import SYSTEM
from tutela.core.time import now
from tutela.crawl import tags
from tutela.crawl.model import Lease
from tutela.crawl.urls import Address, pattern
from tutela.store.bulk import upsert_rows
from tutela.store.tables.crawl import CrawlHost, CrawlOrder, CrawlRobots

PRODUCT: Final = "tutela"
MOST_BYTES: Final = 512 * 1024  # RFC 9309, section 2.5, asks for 500 KiB at least
GOOD_FOR: Final = timedelta(days=1)  # likewise, section 2.4
CLOSED_FOR: Final = timedelta(
    minutes=10
)  # a server that failed is asked again, see section 2.3.1.4
MOST_RULES: Final = 10_000
LONGEST_DELAY_S: Final = 120.0
_TOO_MANY_REQUESTS: Final = 429
_UNAVAILABLE: Final = range(400, 500)
_ANSWERED: Final = range(200, 300)


class Rule(msgspec.Struct, frozen=True):
    """A pattern of paths, and whether it allows them."""

    path: str
    allows: bool


class Robots(msgspec.Struct, frozen=True):
    """What applies to us: the rules, longest first, and how long to wait between two requests."""

    rules: tuple[Rule, ...] = ()
    delay_s: float | None = None
    closed: bool = False

    def allows(self, address: Address) -> bool:
        """Tell whether a URL may be asked for; robots.txt itself always may."""
        if address.path == "/robots.txt":
            return True
        if self.closed:
            return False
        whole = address.path + (f"?{address.query}" if address.query else "")
        return next((rule.allows for rule in self.rules if _matches(rule.path, whole)), True)


def read(status: int, body: bytes) -> Robots:
    """Return what an answer means; a status of 0 stands for no answer.

    Args:
        status: Of the answer, after redirects.
        body: Its body; what goes beyond 512 KiB is not read.
    """
    if status in _ANSWERED:
        return parse(body)
    return Robots(closed=status not in _UNAVAILABLE or status == _TOO_MANY_REQUESTS)


def parse(body: bytes) -> Robots:
    """Return what a robots.txt says to us, or else to everybody."""
    ours: list[Rule] = []
    theirs: list[Rule] = []
    delays: dict[bool, float] = {}
    named = own = common = False  # whether the group has rules yet, and whom it is for
    is_ours = False
    for key, value in _lines(body):
        if key == "user-agent":
            if named:
                named = own = common = False
            agent = value.partition("/")[0].strip().lower()
            own, common = own or agent == PRODUCT, common or agent == "*"
            is_ours = is_ours or agent == PRODUCT
            continue
        named = True
        if key in {"allow", "disallow"}:
            if value and len(ours) + len(theirs) < MOST_RULES:
                rule = Rule(pattern(value), key == "allow")
                if own:
                    ours.append(rule)
                if common:
                    theirs.append(rule)
        elif key == "crawl-delay" and (delay_s := _seconds(value)) is not None:
            delays |= dict.fromkeys([True] * own + [False] * common, delay_s)
    rules = sorted(ours if is_ours else theirs, key=lambda rule: (-len(rule.path), not rule.allows))
    return Robots(tuple(rules), delays.get(is_ours))


def known(tx: Connection, host_id: int, origin: str) -> Robots | None:
    """Return what an origin's robots.txt said lately, None where it is to be read."""
    row = tx.execute(
        select(CrawlRobots.status, CrawlRobots.body, CrawlRobots.read_at).where(
            CrawlRobots.host_id == host_id,
            CrawlRobots.origin == origin,
            CrawlRobots.read_at > now() - GOOD_FOR,
        )
    ).one_or_none()
    if row is None:
        return None
    said = read(row.status, row.body)
    return None if said.closed and row.read_at <= now() - CLOSED_FOR else said


def record(tx: Connection, lease: Lease, origin: str, status: int, body: bytes) -> Robots:
    """Keep what an origin's robots.txt said, and heed the pause that it asks for.

    A transaction of its own: it takes the lock of the host and of the log.

    Args:
        tx: A transaction that writes.
        lease: Under which it was read.
        origin: Scheme, host and port.
        status: What the server said, 0 where it did not answer.
        body: What came, at most 512 KiB of it.
    """
    kept = body[:MOST_BYTES]
    said = read(status, kept)
    row = {
        "host_id": lease.host_id,
        "origin": origin,
        "read_at": now(),
        "status": status,
        "body": kept,
    }
    gate = select(CrawlHost.gate_id).where(CrawlHost.id == lease.host_id).scalar_subquery()
    tx.execute(
        update(CrawlHost)
        .where(CrawlHost.id == gate)
        .values(delay_ms=None if said.delay_s is None else round(said.delay_s * 1000))
    )
    upsert_rows(tx, CrawlRobots, [row])
    key = tx.execute(select(CrawlOrder.tag_key).where(CrawlOrder.id == lease.order_id)).scalar_one()
    log.record(
        tx,
        SYSTEM,
        "crawl.robots",
        f"crawl:{lease.order_id}",
        host=tags.of_host(key, lease.host).hex(),
        status=status,
        sha256=hashlib.sha256(kept).hexdigest(),
    )
    return said


def _lines(body: bytes) -> Iterator[tuple[str, str]]:
    text = body[:MOST_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")
    for line in text.replace("\r", "\n").split("\n"):
        key, found, value = line.partition("#")[0].partition(":")
        if found:
            yield key.strip().lower(), value.strip()


def _seconds(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return min(found, LONGEST_DELAY_S) if found >= 0 else None


def _matches(wanted: str, whole: str) -> bool:
    """Match `*` as anything and a `$` at the end as the end, without going back."""
    ends = wanted.endswith("$")
    first, *rest = wanted.removesuffix("$").split("*")
    if not whole.startswith(first):
        return False
    at = len(first)
    last = rest.pop() if ends and rest else None
    for piece in rest:
        found = whole.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    if last is not None:
        return len(whole) - len(last) >= at and whole.endswith(last)
    return not ends or at == len(whole)
