"""Sites of a case as they were read: pages, threads, known media by list. No words and no media."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework.among import among
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.observation.known import counts, known_places
from tutela.observation.model import MediaRole
from tutela.store.tables.observation import (
    MediaPlace,
    Post,
    SeenHit,
    Site,
    SiteAccount,
    SitePage,
)


class SiteInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A site and how much of it was read; `known` are distinct media on it that a list has."""

    id: int
    net: str
    host: str
    title: str
    pages: int
    posts: int
    accounts: int
    known: int
    mirror_of: int | None
    mirror_why: str
    judged: bool
    first_seen_at: datetime
    last_seen_at: datetime


class PageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A page as it was read last; `confidence` of its layout in thousandths."""

    id: int
    url: str
    layout: str
    confidence: int
    thread: str
    posts: int
    truncated: tuple[str, ...]
    last_seen_at: datetime
    changed: int


class ThreadInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A thread: its posts, the accounts that wrote them, and distinct known media in them."""

    thread: str
    posts: int
    accounts: int
    known: int


class ListHits(msgspec.Struct, frozen=True, kw_only=True):
    """What of one list was found: distinct media and entries, by role and strength."""

    list_name: str
    role: str
    strength: str
    media: int
    entries: int


def sites(tx: Connection, who: Principal, case_id: CaseId) -> list[SiteInfo]:
    """Return the sites of a case, those with most known media first.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    found = _sites(tx, Site.case_id == case_id)
    return sorted(found, key=lambda one: (-one.known, -one.posts, one.id))


def site(tx: Connection, who: Principal, case_id: CaseId, site_id: int) -> SiteInfo:
    """Return one site.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: code `not_found`: it is not of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    found = _sites(tx, (Site.case_id == case_id) & (Site.id == site_id))
    if not found:
        raise UsageError("there is no such site in this case", code="not_found")
    return found[0]


def pages(
    tx: Connection, who: Principal, case_id: CaseId, site_id: int, limit: int = 200
) -> list[PageInfo]:
    """Return pages of a site, those read last first.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    rows = tx.execute(
        select(SitePage.__table__)
        .where(SitePage.case_id == case_id, SitePage.site_id == site_id)
        .order_by(SitePage.last_seen_at.desc(), SitePage.id)
        .limit(limit)
    )
    return [
        PageInfo(
            id=row.id,
            url=row.url,
            layout=row.layout,
            confidence=row.confidence,
            thread=row.thread,
            posts=row.posts,
            truncated=tuple(row.truncated),
            last_seen_at=row.last_seen_at,
            changed=row.changed,
        )
        for row in rows
    ]


def threads(
    tx: Connection, who: Principal, case_id: CaseId, site_id: int, limit: int = 200
) -> list[ThreadInfo]:
    """Return threads of a site, those with most posts first.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    posts = func.count(Post.id)
    rows = tx.execute(
        select(Post.thread, posts, func.count(Post.account_id.distinct()))
        .where(Post.case_id == case_id, Post.site_id == site_id)
        .group_by(Post.thread)
        .order_by(posts.desc(), Post.thread)
        .limit(limit)
    )
    known = counts(
        tx,
        known_places(Post.thread, MediaPlace.role == MediaRole.POSTED)
        .join(Post, Post.id == MediaPlace.post)
        .where(Post.site_id == site_id),
    )
    return [
        ThreadInfo(thread=name, posts=count, accounts=accounts, known=known[name])
        for name, count, accounts in rows
    ]


def hits_by_list(
    tx: Connection, who: Principal, case_id: CaseId, site_id: int | None = None
) -> list[ListHits]:
    """Return what was found of each list, on one site or on all of the case.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    asked = select(
        SeenHit.list_name,
        SeenHit.role,
        SeenHit.strength,
        func.count(SeenHit.media_id.distinct()),
        func.count(SeenHit.entry.distinct()),
    ).where(SeenHit.case_id == case_id)
    if site_id is not None:
        here = select(MediaPlace.media_id).where(
            MediaPlace.site_id == site_id, MediaPlace.media_id.is_not(None)
        )
        asked = asked.where(SeenHit.media_id.in_(here))
    rows = tx.execute(
        asked.group_by(SeenHit.list_name, SeenHit.role, SeenHit.strength).order_by(
            SeenHit.list_name, SeenHit.strength
        )
    )
    return [
        ListHits(list_name=name, role=role, strength=strength, media=media, entries=entries)
        for name, role, strength, media, entries in rows
    ]


def _sites(tx: Connection, which: ColumnElement[bool]) -> list[SiteInfo]:
    rows = tx.execute(select(Site.__table__).where(which)).all()
    numbers = [row.id for row in rows]
    pages_, posts, accounts_ = (
        counts(
            tx,
            select(table.site_id, func.count(table.id))
            .where(among(tx, table.site_id, numbers))
            .group_by(table.site_id),
        )
        for table in (SitePage, Post, SiteAccount)
    )
    known = counts(
        tx, known_places(MediaPlace.site_id).where(among(tx, MediaPlace.site_id, numbers))
    )
    return [
        SiteInfo(
            id=row.id,
            net=row.net,
            host=row.host,
            title=row.title,
            pages=pages_[row.id],
            posts=posts[row.id],
            accounts=accounts_[row.id],
            known=known[row.id],
            mirror_of=row.mirror_of,
            mirror_why=row.mirror_why,
            judged=row.judged_by is not None,
            first_seen_at=row.first_seen_at,
            last_seen_at=row.last_seen_at,
        )
        for row in rows
    ]
