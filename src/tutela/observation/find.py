"""What was read of the sites of a case, for those who work on leads: no words and no media.

Words of posts are opened by `observation.show`, one request and one entry in the log at a time.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, extract, func, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework.among import among
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.observation.known import counts, known_places
from tutela.observation.model import MediaRole
from tutela.store.tables.observation import (
    Entity,
    ExchangeEvent,
    MediaPlace,
    Mention,
    Post,
    SeenMedia,
    Site,
    SiteAccount,
)

HIT: Final = "hit"  # what `Day.counts` calls a known media that was found


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
        known_places(Post.account_id, MediaPlace.role == MediaRole.POSTED)
        .join(Post, Post.id == MediaPlace.post)
        .where(Post.case_id == case_id)
    )
    if account_ids is not None:
        asked = asked.where(among(tx, SiteAccount.id, account_ids))
        mine = among(tx, Post.account_id, account_ids)
        posts, known = posts.where(mine), known.where(mine)
    counted, met = counts(tx, posts.group_by(Post.account_id)), counts(tx, known)
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
    known = counts(
        tx,
        known_places(MediaPlace.post, MediaPlace.role == MediaRole.POSTED).where(
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
