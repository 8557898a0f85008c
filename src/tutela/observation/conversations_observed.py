"""Conversations that were read of sites: posts by thread, with their words while they last.

The words are not copied: what is kept of such a conversation names its posts
(`conversation_model.Spoken.post`), and they go when the week in which they were read is over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, func, select, tuple_

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.store.tables.observation import Post, Site, SiteAccount

_AT_ONCE: Final = 500

Opened = Callable[[Connection, Sequence[int]], dict[int, str | None]]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A post as a line of a conversation.

    Attributes:
        site: The site's host.
        thread: By which the site knows the thread.
        post: The number of the post here.
        key: By which the site knows it.
        author: By which the account is known, `site account 7`; "" where there is none.
        handle: Of the account, as it shows itself.
        at: What the site says, else when it was read.
        text: None where its week is over.
        replies_to: Keys of posts of the thread.
    """

    site: str
    thread: str
    post: int
    key: str
    author: str
    handle: str
    at: datetime
    text: str | None
    replies_to: tuple[str, ...]


def said(
    tx: Connection, who: Principal, case_id: CaseId, opened: Opened, host: str = ""
) -> Iterator[Said]:
    """Yield posts of a case, or of one site, thread by thread in the order of time.

    Args:
        tx: A transaction that reads, open while this is gone through.
        who: Who reads.
        case_id: The case.
        opened: What opens sealed words: `observation.sealing.Words(vault).opened`.
        host: Of a site; empty for all.

    Raises:
        AccessError: `who` may not take conversations into this case, or not see what was read.
    """
    _allowed(tx, who, case_id)
    moment = func.coalesce(Post.posted_at, Post.seen_at)
    place = (Post.site_id, Post.thread, moment, Post.id)
    asked = (
        select(Post.__table__, moment.label("moment"), Site.host, SiteAccount.handle)
        .join(Site, Site.id == Post.site_id)
        .outerjoin(SiteAccount, SiteAccount.id == Post.account_id)
        .where(*_of(case_id, host))
        .order_by(*place)
        .limit(_AT_ONCE)
    )
    after: tuple[Any, ...] | None = None
    while True:
        part = asked if after is None else asked.where(tuple_(*place) > tuple_(*after))
        rows = tx.execute(part).all()
        words = opened(tx, [row.id for row in rows])
        for row in rows:
            yield _said(row, words.get(row.id))
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1]
        after = (last.site_id, last.thread, last.moment, last.id)


def digest(tx: Connection, who: Principal, case_id: CaseId, host: str = "") -> bytes:
    """Return 32 bytes that stand for what is read of sites in a case, however much that is.

    So what was read since goes on with the same conversations (`conversations.begin`).

    Raises:
        AccessError: as `said`.
    """
    _allowed(tx, who, case_id)
    return hashlib.sha256(f"observed\0{case_id}\0{host}".encode()).digest()


def count(tx: Connection, who: Principal, case_id: CaseId, host: str = "") -> int:
    """Return how many posts `said` yields.

    Raises:
        AccessError: as `said`.
    """
    _allowed(tx, who, case_id)
    asked = select(func.count(Post.id)).join(Site, Site.id == Post.site_id)
    found: int = tx.execute(asked.where(*_of(case_id, host))).scalar_one()
    return found


def _allowed(tx: Connection, who: Principal, case_id: CaseId) -> None:
    require(tx, who, Permission.CONVERSATIONS_WORK, case_id)
    require(tx, who, Permission.LEADS, case_id)


def _of(case_id: CaseId, host: str) -> list[Any]:
    return [Post.case_id == case_id, *([Site.host == host] if host else [])]


def _said(row: Any, text: str | None) -> Said:
    return Said(
        site=row.host,
        thread=row.thread,
        post=row.id,
        key=row.key,
        author="" if row.account_id is None else f"site account {row.account_id}",
        handle=row.handle or "",
        at=row.moment,
        text=text,
        replies_to=tuple(map(str, row.replies_to)),
    )
