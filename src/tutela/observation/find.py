"""What was read of the sites of a case, for those who work on leads: no words and no media.

Words of posts are opened by `observation.show`, one request and one entry in the log at a time.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, extract, func, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework.among import among
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.observation.model import MediaRole
from tutela.store.tables.observation import (
    Entity,
    ExchangeEvent,
    MediaPlace,
    Mention,
    Post,
    SeenHit,
    SeenMedia,
    Site,
    SiteAccount,
    SitePage,
)

HIT: Final = "hit"  # what `Day.counts` calls a known media that was found


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


class AccountInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An account on a site; `known` are distinct known media that it posted itself."""

    id: int
    site_id: int
    host: str
    handle: str
    skeleton: str
    role: str
    posts: int
    known: int
    first_seen_at: datetime
    last_seen_at: datetime


class PostInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A post without its words; `readable` until their week is over.

    `events` are what its author did in it, `known` how many known media stand in it as posted.
    """

    id: int
    thread: str
    key: str
    posted_at: datetime | None
    seen_at: datetime
    views: int | None
    characters: int
    readable: bool
    events: tuple[str, ...]
    known: int


class NameInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A name that stands in posts of an account: in how many, and how many of them quote it."""

    entity_id: int
    kind: str
    value: str
    posts: int
    quoted: int
    checked: bool
    verified: bool


class Day(msgspec.Struct, frozen=True):
    """What happened on a day (UTC): exchange events by kind, and `hit` for known media found."""

    day: date
    counts: dict[str, int]


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
    known = _counts(
        tx,
        _known_places(Post.thread, MediaPlace.role == MediaRole.POSTED)
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


def accounts(
    tx: Connection, who: Principal, case_id: CaseId, account_ids: list[int] | None = None
) -> dict[int, AccountInfo]:
    """Return accounts of a case by their numbers, all where none are named.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    asked = select(SiteAccount.__table__, Site.host).join(Site, Site.id == SiteAccount.site_id)
    asked = asked.where(SiteAccount.case_id == case_id)
    posts: Any = select(Post.account_id, func.count(Post.id)).where(Post.case_id == case_id)
    known: Any = (
        _known_places(Post.account_id, MediaPlace.role == MediaRole.POSTED)
        .join(Post, Post.id == MediaPlace.post)
        .where(Post.case_id == case_id)
    )
    if account_ids is not None:
        asked = asked.where(among(tx, SiteAccount.id, account_ids))
        mine = among(tx, Post.account_id, account_ids)
        posts, known = posts.where(mine), known.where(mine)
    counted, met = _counts(tx, posts.group_by(Post.account_id)), _counts(tx, known)
    return {
        row.id: _account(row, counted[row.id], met[row.id])
        for row in tx.execute(asked.order_by(SiteAccount.id))
    }


def account(tx: Connection, who: Principal, case_id: CaseId, account_id: int) -> AccountInfo:
    """Return one account.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: code `not_found`: it is not of this case.
    """
    found = accounts(tx, who, case_id, [account_id])
    if account_id not in found:
        raise UsageError("there is no such account in this case", code="not_found")
    return found[account_id]


def posts_of(
    tx: Connection, who: Principal, case_id: CaseId, account_id: int, limit: int = 100
) -> list[PostInfo]:
    """Return posts of an account, the newest first, without their words.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    rows = tx.execute(
        select(Post.__table__)
        .where(Post.case_id == case_id, Post.account_id == account_id)
        .order_by(func.coalesce(Post.posted_at, Post.seen_at).desc(), Post.id.desc())
        .limit(limit)
    ).all()
    numbers = [row.id for row in rows]
    events: dict[int, set[str]] = {}
    for post, kind in tx.execute(
        select(ExchangeEvent.post_id, ExchangeEvent.kind).where(
            among(tx, ExchangeEvent.post_id, numbers)
        )
    ):
        events.setdefault(post, set()).add(kind)
    known = _counts(
        tx,
        _known_places(MediaPlace.post, MediaPlace.role == MediaRole.POSTED).where(
            among(tx, MediaPlace.post, numbers)
        ),
    )
    return [_post(row, events.get(row.id, set()), known[row.id]) for row in rows]


def names_of(
    tx: Connection, who: Principal, case_id: CaseId, account_id: int, limit: int = 100
) -> list[NameInfo]:
    """Return names that stand in posts of an account, those of most posts first.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    rows = tx.execute(
        select(Entity.id, Entity.kind, Entity.value, Mention.__table__)
        .join(Mention, Mention.entity_id == Entity.id)
        .join(Post, Post.id == Mention.post_id)
        .where(Mention.case_id == case_id, Post.account_id == account_id)
        .order_by(Entity.id)
    ).all()
    grouped: dict[int, list[Row[Any]]] = {}
    for row in rows:
        grouped.setdefault(row.entity_id, []).append(row)
    found = [
        NameInfo(
            entity_id=number,
            kind=some[0].kind,
            value=some[0].value,
            posts=len(some),
            quoted=sum(one.quoted for one in some),
            checked=any(one.checked for one in some),
            verified=any(one.verified and not one.quoted for one in some),
        )
        for number, some in grouped.items()
    ]
    return sorted(found, key=lambda one: (one.quoted - one.posts, one.entity_id))[:limit]


def days(
    tx: Connection, who: Principal, case_id: CaseId, account_id: int | None = None
) -> list[Day]:
    """Return what happened day by day, in a case or by one account; empty days are left out.

    A post is of the day that its site says, else of the day on which it was read first. A known
    media counts on the day of its post, or when its place was seen where it stands in none.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    moment = func.coalesce(Post.posted_at, Post.seen_at)
    of_account = [] if account_id is None else [Post.account_id == account_id]
    counted: dict[date, Counter[str]] = {}
    events: Any = (
        select(*_day(moment), ExchangeEvent.kind, func.count())
        .select_from(ExchangeEvent)
        .join(Post, Post.id == ExchangeEvent.post_id)
        .where(ExchangeEvent.case_id == case_id, *of_account)
        .group_by(*_day(moment), ExchangeEvent.kind)
    )
    for year, month, day, kind, count in tx.execute(events):
        counted.setdefault(date(int(year), int(month), int(day)), Counter())[kind] += count
    when = func.coalesce(Post.posted_at, Post.seen_at, MediaPlace.seen_at)
    hits: Any = (
        select(*_day(when), func.count(MediaPlace.id))
        .select_from(MediaPlace)
        .join(SeenMedia, SeenMedia.id == MediaPlace.media_id)
        .outerjoin(Post, Post.id == MediaPlace.post)
        .where(MediaPlace.case_id == case_id, SeenMedia.listed.is_(True), *of_account)
        .group_by(*_day(when))
    )
    for year, month, day, count in tx.execute(hits):
        counted.setdefault(date(int(year), int(month), int(day)), Counter())[HIT] += count
    return [Day(day, dict(counts)) for day, counts in sorted(counted.items())]


def shared_names(
    tx: Connection, who: Principal, case_id: CaseId, account_ids: list[int]
) -> list[tuple[int, NameInfo]]:
    """Return names outside quotes that at least two of these accounts give, with each account.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    rows: Any = tx.execute(
        select(Post.account_id, Entity.id, Entity.kind, Entity.value, func.count(Post.id))
        .join(Mention, Mention.post_id == Post.id)
        .join(Entity, Entity.id == Mention.entity_id)
        .where(
            Post.case_id == case_id,
            among(tx, Post.account_id, account_ids),
            Mention.quoted.is_(False),
            Mention.checked.is_(True),
        )
        .group_by(Post.account_id, Entity.id, Entity.kind, Entity.value)
        .order_by(Entity.id, Post.account_id)
    ).all()
    shared = {number for number, count in Counter(row.id for row in rows).items() if count > 1}
    return [
        (
            account_id,
            NameInfo(
                entity_id=number,
                kind=kind,
                value=value,
                posts=count,
                quoted=0,
                checked=True,
                verified=False,
            ),
        )
        for account_id, number, kind, value, count in rows
        if number in shared
    ]


def _day(moment: ColumnElement[Any]) -> list[Any]:
    return [extract("year", moment), extract("month", moment), extract("day", moment)]


def _known_places(by: Any, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Count distinct media that an alert list has, by a column."""
    return (
        select(by, func.count(MediaPlace.media_id.distinct()))
        .select_from(MediaPlace)
        .join(SeenMedia, SeenMedia.id == MediaPlace.media_id)
        .where(SeenMedia.listed.is_(True), *conditions)
        .group_by(by)
    )


def _counts(tx: Connection, asked: Any) -> Counter[Any]:
    return Counter(dict(tx.execute(asked).all()))


def _sites(tx: Connection, which: ColumnElement[bool]) -> list[SiteInfo]:
    rows = tx.execute(select(Site.__table__).where(which)).all()
    numbers = [row.id for row in rows]
    pages_, posts, accounts_ = (
        _counts(
            tx,
            select(table.site_id, func.count(table.id))
            .where(among(tx, table.site_id, numbers))
            .group_by(table.site_id),
        )
        for table in (SitePage, Post, SiteAccount)
    )
    known = _counts(
        tx, _known_places(MediaPlace.site_id).where(among(tx, MediaPlace.site_id, numbers))
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


def _account(row: Row[Any], posts: int, known: int) -> AccountInfo:
    return AccountInfo(
        id=row.id,
        site_id=row.site_id,
        host=row.host,
        handle=row.handle,
        skeleton=row.skeleton,
        role=row.role,
        posts=posts,
        known=known,
        first_seen_at=row.first_seen_at,
        last_seen_at=row.last_seen_at,
    )


def _post(row: Row[Any], events: set[str], known: int) -> PostInfo:
    return PostInfo(
        id=row.id,
        thread=row.thread,
        key=row.key,
        posted_at=row.posted_at,
        seen_at=row.seen_at,
        views=row.views,
        characters=row.characters,
        readable=row.words is not None,
        events=tuple(sorted(events)),
        known=known,
    )
