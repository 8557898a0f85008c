"""Keeps what pages show: sites, pages, accounts, posts, names in them, and where media stand.

Many pages are kept in one transaction. What was seen before is not kept again: a page read twice,
or a post that stands on two pages, has one row, with the words as they were read first. Workers who
keep pages of one site at once wait for each other.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, select, tuple_

from tutela.casework.among import among
from tutela.casework.contents import among_digests
from tutela.core.ids import CaseId
from tutela.observation import handles, places
from tutela.observation.model import Author, MediaSeen, PageSeen, PostSeen
from tutela.observation.places import Stand, place_of
from tutela.observation.plain import plain
from tutela.observation.sealing import WeekKey, Words, about
from tutela.store.bulk import insert_rows, update_rows
from tutela.store.tables.observation import (
    Entity,
    ExchangeEvent,
    Mention,
    Post,
    Site,
    SiteAccount,
    SitePage,
)

MOST_VIEWS = 10**12
TOGETHER = 200  # composite keys in one statement
_FRESH = timedelta(minutes=1)  # a site seen within is not written again: workers would queue for it


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """A page as it was read.

    Attributes:
        url: Its canonical URL.
        host: Its host.
        net: `clear` or `onion`.
        page: What it shows.
        body_sha256: Of the bytes that came.
    """

    url: str
    host: str
    net: str
    page: PageSeen
    body_sha256: bytes


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """How a page was kept: its rows, what of it is new, and media that nobody had yet."""

    site_id: int
    page_id: int
    first: bool
    changed: bool
    posts: int
    new_posts: int
    unfetched: tuple[str, ...]


class Source(msgspec.Struct, frozen=True):
    """Under what something is read: a case, and within it such as `crawl order 3`.

    `keep` is how long words are kept after the week in which they were read.
    """

    case_id: CaseId
    name: str
    keep: timedelta


def identity(author: Author) -> str:
    """Return what tells an account from others of its site."""
    return f"key:{author.key}" if author.key else f"handle:{handles.normal(author.handle)}"


def pages(
    tx: Connection, words: Words, source: Source, reads: Sequence[Read], moment: datetime
) -> list[Kept]:
    """Keep what pages show, and return how, in their order. Asks nobody's permission.

    Call `words.committed` after the commit, so that the key of the week is not looked up again.

    Args:
        tx: A transaction that writes.
        words: Seals the words of posts.
        source: Under what they were read.
        reads: The pages; one that is there twice counts once.
        moment: When they were read.

    Raises:
        UsageError: code `shredded`: words of this week are destroyed already.
    """
    if not reads:
        return []
    reads = [plain(read) for read in reads]
    at = _At(source.case_id, moment)
    sites = _sites(tx, at, reads)
    page_ids, states = _pages(tx, at, sites, reads)
    found = _Found(sites, page_ids, _accounts(tx, at, sites, reads))
    key = words.key(tx, source.case_id, source.name, moment, source.keep)
    new, post_ids = _posts(tx, at, key, found, reads)
    fresh = {post_ids[place]: post for place, post in new.items()}
    _mentions(tx, at, fresh)
    _events(tx, at, fresh)
    unfetched = places.keep(tx, at.case_id, moment, _stands(found, post_ids, reads))
    return [
        Kept(
            site_id=sites[read.host],
            page_id=page_ids[_page_key(sites, read)],
            first=states[_page_key(sites, read)] is _State.FIRST,
            changed=states[_page_key(sites, read)] is _State.CHANGED,
            posts=len(read.page.posts),
            new_posts=sum(place in new for place, _ in _places(sites, read)),
            unfetched=tuple(
                url for url in dict.fromkeys(one.url for one in media_of(read)) if url in unfetched
            ),
        )
        for read in reads
    ]


class _At(NamedTuple):
    case_id: CaseId
    moment: datetime


class _State(enum.Enum):
    FIRST = 1
    CHANGED = 2
    SAME = 3


_PageKey = tuple[int, bytes]  # site, SHA-256 of the URL
_PostKey = tuple[int, str, str]  # site, thread, key


class _Found(NamedTuple):
    """Rows of sites by host, of pages by site and URL, of accounts by site and identity."""

    sites: Mapping[str, int]
    pages: Mapping[_PageKey, int]
    accounts: Mapping[tuple[int, str], int]


def _sites(tx: Connection, at: _At, reads: Sequence[Read]) -> dict[str, int]:
    by_host = {read.host: read for read in reads}
    wanted = select(Site.id, Site.host, Site.title, Site.last_seen_at).where(
        Site.case_id == at.case_id, Site.host.in_(sorted(by_host))
    )
    there = tx.execute(wanted).all()
    missing = sorted(by_host.keys() - {row.host for row in there})
    if missing:
        rows = [
            {
                "case_id": at.case_id,
                "net": by_host[host].net,
                "host": host,
                "title": by_host[host].page.title,
                "first_seen_at": at.moment,
                "last_seen_at": at.moment,
                "mirror_of": None,
                "mirror_why": "",
                "judged_by": None,
            }
            for host in missing
        ]
        insert_rows(tx, Site, rows, ignore_existing=True)
        there = tx.execute(wanted).all()
    # Whatever is of a site is written by one at a time: rows of it are looked up and then written,
    # and two who do so in different order would lock each other out.
    ids = {row.id for row in there}
    tx.execute(select(Site.id).where(among(tx, Site.id, ids)).order_by(Site.id).with_for_update())
    stale = [row.id for row in there if at.moment - row.last_seen_at > _FRESH]
    rows = [{"id": number, "last_seen_at": at.moment} for number in sorted(stale)]
    update_rows(tx, Site, rows)
    return {row.host: row.id for row in there}


def _page_key(sites: Mapping[str, int], read: Read) -> _PageKey:
    return sites[read.host], place_of(read.url)


def _pages(
    tx: Connection, at: _At, sites: Mapping[str, int], reads: Sequence[Read]
) -> tuple[dict[_PageKey, int], dict[_PageKey, _State]]:
    by_key = {_page_key(sites, read): read for read in reads}
    columns = (SitePage.id, SitePage.site_id, SitePage.place, SitePage.body_sha256)
    wanted = select(*columns, SitePage.changed).where(
        among_digests(tx, SitePage.place, {place for _, place in by_key}),
        among(tx, SitePage.site_id, {site for site, _ in by_key}),
    )
    there = {(row.site_id, row.place): row for row in tx.execute(wanted)}
    states = dict.fromkeys(by_key, _State.FIRST)
    changed: list[dict[str, Any]] = []
    for key, row in sorted(there.items()):
        if key in by_key:
            same = row.body_sha256 == by_key[key].body_sha256
            states[key] = _State.SAME if same else _State.CHANGED
            told = _page(by_key[key], at) | {"id": row.id, "changed": row.changed + (not same)}
            changed.append(told)
    update_rows(tx, SitePage, changed)
    new = [
        {"case_id": at.case_id, "site_id": key[0], "place": key[1], "url": by_key[key].url}
        | {"first_seen_at": at.moment, "changed": 0, **_page(by_key[key], at)}
        for key in sorted(by_key.keys() - there.keys())
    ]
    if new:
        insert_rows(tx, SitePage, new, ignore_existing=True)
        there = {(row.site_id, row.place): row for row in tx.execute(wanted)}
    return {key: there[key].id for key in by_key}, states


def _page(read: Read, at: _At) -> dict[str, Any]:
    page = read.page
    return {
        "layout": page.layout.value,
        "confidence": _permille(page.confidence),
        "thread": page.thread,
        "body_sha256": read.body_sha256,
        "text_hash": (page.text_hash or 0).to_bytes(8, signed=True),
        "posts": len(page.posts),
        "truncated": list(page.truncated),
        "last_seen_at": at.moment,
    }


def _permille(share: float) -> int:
    return round(min(max(share, 0.0), 1.0) * 1000) if math.isfinite(share) else 0


def _views(said: int | None) -> int | None:
    """Return what a site says, within reason: it may say anything."""
    return None if said is None else min(max(said, 0), MOST_VIEWS)


def _accounts(
    tx: Connection, at: _At, sites: Mapping[str, int], reads: Sequence[Read]
) -> dict[tuple[int, str], int]:
    """Keep the authors; a role that a site shows of an account is kept, whoever it shows it to."""
    authors: dict[tuple[int, str], Author] = {}
    for read in reads:
        for post in read.page.posts:
            if post.author is not None:
                key = (sites[read.host], identity(post.author))
                known = authors.get(key)
                if known is None or (post.author.role and not known.role):
                    authors[key] = post.author
    columns = (SiteAccount.site_id, SiteAccount.identity)
    extra = (SiteAccount.role, SiteAccount.last_seen_at)
    there = _by_keys(tx, SiteAccount.id, columns, authors, extra)
    missing = sorted(authors.keys() - there.keys())
    if missing:
        insert_rows(
            tx,
            SiteAccount,
            [_account(at, site, name, authors[site, name]) for site, name in missing],
            ignore_existing=True,
        )
        there |= _by_keys(tx, SiteAccount.id, columns, missing, extra)
    stale = [
        {"id": row.id, "last_seen_at": at.moment, "role": authors[key].role or row.role}
        for key, row in sorted(there.items())
        if at.moment - row.last_seen_at > _FRESH or (authors[key].role and not row.role)
    ]
    update_rows(tx, SiteAccount, stale)
    return {key: row.id for key, row in there.items()}


def _account(at: _At, site_id: int, name: str, author: Author) -> dict[str, Any]:
    return {
        "case_id": at.case_id,
        "site_id": site_id,
        "identity": name,
        "handle": author.handle,
        "skeleton": handles.skeleton(author.handle),
        "role": author.role,
        "first_seen_at": at.moment,
        "last_seen_at": at.moment,
    }


def _places(sites: Mapping[str, int], read: Read) -> Iterator[tuple[_PostKey, PostSeen]]:
    for post in read.page.posts:
        yield (sites[read.host], read.page.thread, post.key), post


def _posts(
    tx: Connection, at: _At, key: WeekKey, found: _Found, reads: Sequence[Read]
) -> tuple[dict[_PostKey, PostSeen], dict[_PostKey, int]]:
    """Return the posts that are new, and the rows of all."""
    seen: dict[_PostKey, tuple[PostSeen, Read]] = {}
    for read in reads:
        for place, post in _places(found.sites, read):
            seen.setdefault(place, (post, read))
    columns = (Post.site_id, Post.thread, Post.key)
    there = _by_keys(tx, Post.id, columns, seen, (Post.views,))
    missing = sorted(seen.keys() - there.keys())
    more = [
        {"id": row.id, "views": _views(seen[place][0].views)}
        for place, row in sorted(there.items())
        if (_views(seen[place][0].views) or 0) > (row.views or 0)
    ]
    update_rows(tx, Post, more)
    if missing:
        rows = [_post(at, key, found, place, *seen[place]) for place in missing]
        insert_rows(tx, Post, rows, ignore_existing=True)
        there |= _by_keys(tx, Post.id, columns, missing, (Post.views,))
    new = {place: seen[place][0] for place in missing}
    return new, {place: row.id for place, row in there.items()}


def _post(  # noqa: PLR0913, PLR0917 what a row is made of
    at: _At, key: WeekKey, found: _Found, place: _PostKey, post: PostSeen, read: Read
) -> dict[str, Any]:
    site_id, thread, name = place
    author = None if post.author is None else (site_id, identity(post.author))
    return {
        "case_id": at.case_id,
        "site_id": site_id,
        "page_id": found.pages[_page_key(found.sites, read)],
        "thread": thread,
        "key": name,
        "account_id": None if author is None else found.accounts[author],
        "posted_at": post.posted_at,
        "seen_at": at.moment,
        "views": _views(post.views if post.views is not None else read.page.views),
        "replies_to": list(post.replies_to),
        "characters": len(post.text),
        "words": key.seal(post.text, about(*place)),
        "text_key_id": key.id,
    }


def _mentions(tx: Connection, at: _At, posts: Mapping[int, PostSeen]) -> None:
    """Keep names in posts; one that its author writes and also quotes counts as written."""
    names = {
        (at.case_id, one.kind.value, one.value) for post in posts.values() for one in post.entities
    }
    columns = (Entity.case_id, Entity.kind, Entity.value)
    there = _by_keys(tx, Entity.id, columns, names)
    missing = sorted(names - there.keys())
    if missing:
        rows = [dict(zip(("case_id", "kind", "value"), one, strict=True)) for one in missing]
        insert_rows(tx, Entity, rows, ignore_existing=True)
        there |= _by_keys(tx, Entity.id, columns, missing)
    mentions: dict[tuple[int, int], dict[str, Any]] = {}
    for post_id, post in sorted(posts.items()):
        for one in post.entities:
            entity_id = there[at.case_id, one.kind.value, one.value].id
            known = mentions.get((post_id, entity_id))
            signs = one.verified and not one.quoted
            mentions[post_id, entity_id] = {
                "post_id": post_id,
                "entity_id": entity_id,
                "case_id": at.case_id,
                "quoted": one.quoted and (known is None or known["quoted"]),
                "checked": one.checked or (known is not None and known["checked"]),
                "verified": signs or (known is not None and known["verified"]),
                "names_author": (signs and one.names_author)
                or (known is not None and known["names_author"]),
                "statement": (one.statement if signs else "")
                or (known["statement"] if known is not None else ""),
            }
    insert_rows(tx, Mention, list(mentions.values()), ignore_existing=True)


def _events(tx: Connection, at: _At, posts: Mapping[int, PostSeen]) -> None:
    rows = [
        {
            "case_id": at.case_id,
            "post_id": post_id,
            "kind": one.kind.value,
            "about": one.about,
            "reason": one.reason,
        }
        for post_id, post in posts.items()
        for one in post.events
    ]
    insert_rows(tx, ExchangeEvent, rows)


def media_of(read: Read) -> Iterator[MediaSeen]:
    """Yield all media that a page points at."""
    yield from read.page.media
    for post in read.page.posts:
        yield from post.media


def _stands(
    found: _Found, post_ids: Mapping[_PostKey, int], reads: Sequence[Read]
) -> Iterator[Stand]:
    for read in reads:
        site_id = found.sites[read.host]
        page_id = found.pages[_page_key(found.sites, read)]
        for media in read.page.media:
            yield Stand(site_id, page_id, 0, media)
        for place, post in _places(found.sites, read):
            for media in post.media:
                yield Stand(site_id, page_id, post_ids[place], media)


def _by_keys(
    tx: Connection,
    number: Any,
    columns: Sequence[Any],
    keys: Iterable[tuple[Any, ...]],
    extra: Sequence[Any] = (),
) -> dict[tuple[Any, ...], Row[Any]]:
    """Return rows by the values that they have in some columns."""
    found: dict[tuple[Any, ...], Row[Any]] = {}
    ordered = sorted(keys)
    for start in range(0, len(ordered), TOGETHER):
        some = ordered[start : start + TOGETHER]
        wanted = select(number.label("id"), *columns, *extra)
        for row in tx.execute(wanted.where(tuple_(*columns).in_(some))):
            found[tuple(row[1 : 1 + len(columns)])] = row
    return found
