"""Sites that are copies of another: guessed by the posts that both have, judged by a person.

A guess is shown and changes nothing else: whoever copies a site could add to it what they like.
Only what a person judged is counted as one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations
from typing import Any, Final

from sqlalchemy import Connection, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework.belonging import line
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.store.tables.observation import Post, Site, SiteAccount

REASON_CHARACTERS: Final = 1000
SHARED_POSTS: Final = 10
SHARED_PART: Final = 0.5  # of the posts of the smaller one
SITES_MOST: Final = 8  # a post on more sites than this is everybody's


def guess(tx: Connection, case_id: CaseId) -> int:
    """Note which sites look like copies of another, the one seen first; return how many.

    Two posts are the same where thread, key, time and look of the handle are. What a person judged
    stays as it is.
    """
    rows = tx.execute(select(Site.__table__).where(Site.case_id == case_id)).all()
    sites = {row.id: row for row in rows}
    posts, shared = _shared(tx, case_id)
    found: dict[int, tuple[int, int]] = {}
    for (one, other), count in shared.items():
        if count < max(SHARED_POSTS, SHARED_PART * min(posts[one], posts[other])):
            continue
        copy, original = sorted(
            (one, other), key=lambda n: (sites[n].first_seen_at, n), reverse=True
        )
        if count > found.get(copy, (0, 0))[0]:
            found[copy] = (count, original)
    guessed = 0
    for copy, (count, original) in sorted(found.items()):
        if sites[copy].judged_by is None:
            why = f"{count} of {posts[copy]} posts are the same"
            _set(tx, copy, {"mirror_of": original, "mirror_why": why})
            guessed += 1
    return guessed


def judge(  # noqa: PLR0913, PLR0917 who says what of which, and why
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    site_id: int,
    original_id: int | None,
    reason: str,
) -> None:
    """Say that a site is a copy of another of the case, or of none; it can be said anew.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: a site is not of the case, is its own copy, or no reason is given.
    """
    require(tx, who, Permission.LEADS, case_id)
    why = line(reason, REASON_CHARACTERS, "a reason")
    wanted = {site_id} if original_id is None else {site_id, original_id}
    here = select(Site.id).where(Site.case_id == case_id, Site.id.in_(wanted))
    if set(tx.execute(here).scalars()) != wanted:
        raise UsageError("there is no such site in this case", code="not_found")
    if original_id == site_id:
        raise UsageError("a site is no copy of itself")
    values = {"mirror_of": original_id, "mirror_why": why, "judged_by": who.account_id}
    _set(tx, site_id, values)
    subject, texts = f"site:{site_id}", {"reason": why}
    log.record(tx, who, "site.judged", subject, texts=texts, case=case_id, original=original_id)


def _shared(tx: Connection, case_id: CaseId) -> tuple[Counter[int], Counter[tuple[int, int]]]:
    """Return how many posts each site has, and each pair of sites has in common."""
    where: dict[Any, set[int]] = defaultdict(set)
    rows = tx.execute(
        select(Post.site_id, Post.thread, Post.key, Post.posted_at, SiteAccount.skeleton)
        .join(SiteAccount, SiteAccount.id == Post.account_id)
        .where(Post.case_id == case_id, Post.posted_at.is_not(None))
    )
    posts: Counter[int] = Counter()
    for row in rows:
        posts[row.site_id] += 1
        where[row.thread, row.key, row.posted_at, row.skeleton].add(row.site_id)
    shared: Counter[tuple[int, int]] = Counter()
    for some in where.values():
        if 1 < len(some) <= SITES_MOST:
            shared.update(combinations(sorted(some), 2))
    return posts, shared


def _set(tx: Connection, site_id: int, values: dict[str, Any]) -> None:
    tx.execute(update(Site).where(Site.id == site_id).values(**values))
