"""Crawling: what was ordered, which URLs wait, how hosts are treated, what was left alone."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tutela.store.columns import Key, Table, refers


class CrawlOrder(Table):
    """A legal order to crawl, asked by one account and granted by another.

    It is worked on between `valid_from` and `valid_until`, once started, unless paused or revoked.
    `page_budget` pages are leased at most; `pages_taken` and `media_taken` were. URLs and hosts are
    written into logs as MACs under `tag_key`, 32 random bytes of this order.
    """

    __tablename__ = "crawl_orders"
    __table_args__ = (CheckConstraint("asked_by <> granted_by", name="two_persons"),)

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    approval_id: Mapped[int] = mapped_column(ForeignKey("approvals.id"), unique=True)
    asked_by: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    granted_by: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    legal_basis: Mapped[str]
    reference: Mapped[str]
    issuing_authority: Mapped[str]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime]
    robots_override: Mapped[bool]
    robots_reason: Mapped[str]
    page_budget: Mapped[int]
    pages_taken: Mapped[int]
    media_taken: Mapped[int]
    tag_key: Mapped[bytes]
    made_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class CrawlHost(Table):
    """A host, whatever order it is crawled under: how soon and how often it may be asked.

    Mirrors share one pace: `gate_id` is the host of their group whose row counts, the own one where
    there is no group. `next_at`, `in_flight`, `waiting`, `backoff` and `trouble` are those of the
    gate. `delay_ms` is what its robots.txt asks for, null for nothing; `backoff` counts how often
    in a row it was overloaded or silent, `trouble` is the last code of that. `net` is `clear` or
    `onion`.
    """

    __tablename__ = "crawl_hosts"
    __table_args__ = (
        Index(
            "ix_crawl_hosts_next",
            "next_at",
            sqlite_where=text("waiting > 0"),
            postgresql_where=text("waiting > 0"),
        ),
    )

    id: Mapped[Key]
    host: Mapped[str] = mapped_column(unique=True)
    net: Mapped[str]
    loopback: Mapped[bool]
    gate_id: Mapped[int] = mapped_column(info=refers("crawl_hosts.id"), index=True)
    next_at: Mapped[datetime]
    in_flight: Mapped[int]
    waiting: Mapped[int]
    delay_ms: Mapped[int | None]
    backoff: Mapped[int]
    trouble: Mapped[str]


class CrawlScope(Table):
    """What an order allows of one host: URLs under `path`, `depth` links deep at most.

    `waiting` counts its URLs that wait. `dropped_at` says since when it is not crawled any more.
    """

    __tablename__ = "crawl_scopes"
    __table_args__ = (UniqueConstraint("order_id", "host_id", "path"),)

    id: Mapped[Key]
    order_id: Mapped[int] = mapped_column(ForeignKey("crawl_orders.id"))
    host_id: Mapped[int] = mapped_column(ForeignKey("crawl_hosts.id"), index=True)
    gate_id: Mapped[int] = mapped_column(info=refers("crawl_hosts.id"), index=True)
    path: Mapped[str]
    depth: Mapped[int]
    page_budget: Mapped[int]
    pages_taken: Mapped[int]
    media_taken: Mapped[int]
    waiting: Mapped[int]
    leased_at: Mapped[datetime]
    dropped_at: Mapped[datetime | None]


class CrawlUrl(Table):
    """One URL of an order.

    `state` is `waiting`, `leased`, `done`, `failed`, `refused` (by our own rules) or `skipped` (not
    worth a request), `reason` the code of why. `tag` is its MAC. `turns` counts its leases, `tries`
    those that failed. `status` is what the server last said, 0 for nothing; `same_as` the MAC of a
    URL with the same content.
    """

    __tablename__ = "crawl_urls"
    __table_args__ = (
        Index("ix_crawl_urls_next", "scope_id", "state", "kind", "priority", "id"),
        Index(
            "ix_crawl_urls_leased",
            "leased_until",
            sqlite_where=text("leased_until IS NOT NULL"),
            postgresql_where=text("leased_until IS NOT NULL"),
        ),
        UniqueConstraint("order_id", "tag"),
    )

    id: Mapped[Key]
    order_id: Mapped[int] = mapped_column(info=refers("crawl_orders.id"))
    scope_id: Mapped[int] = mapped_column(info=refers("crawl_scopes.id"))
    url: Mapped[str]
    tag: Mapped[bytes]
    kind: Mapped[str]
    depth: Mapped[int]
    shape: Mapped[int]
    priority: Mapped[int]
    state: Mapped[str]
    reason: Mapped[str]
    found_at: Mapped[datetime]
    next_at: Mapped[datetime]
    turns: Mapped[int]
    tries: Mapped[int]
    leased_by: Mapped[str | None]
    leased_until: Mapped[datetime | None]
    status: Mapped[int]
    size_bytes: Mapped[int]
    same_as: Mapped[bytes | None]
    ended_at: Mapped[datetime | None]


class CrawlShape(Table):
    """URLs of one scope that differ in numbers only: how many there are, and whether it is enough.

    `stem` is the shape without its query. `simhash` is that of the text of the last page, `near`
    how many in a row were nearly equal; `ended` is the code of why no more are taken, or empty.
    """

    __tablename__ = "crawl_shapes"
    __table_args__ = (Index("ix_crawl_shapes_stem", "scope_id", "stem"),)

    scope_id: Mapped[int] = mapped_column(primary_key=True, info=refers("crawl_scopes.id"))
    shape: Mapped[int] = mapped_column(primary_key=True)
    stem: Mapped[int]
    found: Mapped[int]
    simhash: Mapped[int | None]
    near: Mapped[int]
    ended: Mapped[str]


class CrawlLeft(Table):
    """Links that became no URL, by the code of why, such as `outside` or `depth`: how many."""

    __tablename__ = "crawl_left"

    order_id: Mapped[int] = mapped_column(ForeignKey("crawl_orders.id"), primary_key=True)
    reason: Mapped[str] = mapped_column(primary_key=True)
    links: Mapped[int]


class CrawlOutside(Table):
    """A host outside the scope of an order, as its MAC: for a person to authorise, never asked."""

    __tablename__ = "crawl_outside"

    order_id: Mapped[int] = mapped_column(ForeignKey("crawl_orders.id"), primary_key=True)
    tag: Mapped[bytes] = mapped_column(primary_key=True)
    net: Mapped[str]
    links: Mapped[int]
    first_seen_at: Mapped[datetime]


class CrawlRobots(Table):
    """The robots.txt of an origin (scheme, host and port) as it was read last.

    `status` is what the server said, 0 where it did not answer; `body` at most 512 KiB.
    """

    __tablename__ = "crawl_robots"

    host_id: Mapped[int] = mapped_column(ForeignKey("crawl_hosts.id"), primary_key=True)
    origin: Mapped[str] = mapped_column(primary_key=True)
    read_at: Mapped[datetime]
    status: Mapped[int]
    body: Mapped[bytes]


class CrawlSwitch(Table):
    """The kill switch: one row, `id` 1. While `raised_at` is set nothing is leased."""

    __tablename__ = "crawl_switch"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    raised_at: Mapped[datetime | None]
    raised_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
