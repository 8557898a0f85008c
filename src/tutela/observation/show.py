"""Opens the words of posts for a person who asks: few at a time, and each time in the log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection, func, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework.among import among
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.store.tables.observation import Post

# What is read at once is what one reads; who wants everything has to ask often, and is seen to.
MOST: Final = 50

Opened = Callable[[Connection, Sequence[int]], dict[int, str | None]]


def words(  # noqa: PLR0913, PLR0917 whose words, for whom, opened by what
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    account_id: int,
    post_ids: Sequence[int],
    opened: Opened,
) -> dict[int, str | None]:
    """Return the words of posts of one account, None where their week is over; it is logged.

    Args:
        tx: A transaction that writes.
        who: Who reads.
        case_id: The case.
        account_id: The account of all these posts.
        post_ids: At most `MOST` posts.
        opened: What opens sealed words: `observation.sealing.Words(vault).opened`.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: too many are asked for, or one is not of the account.
    """
    require(tx, who, Permission.LEADS, case_id)
    wanted = sorted({int(one) for one in post_ids})
    if not 0 < len(wanted) <= MOST:
        raise UsageError(f"between 1 and {MOST} posts are read at once")
    there = select(func.count(Post.id)).where(
        Post.case_id == case_id, Post.account_id == account_id, among(tx, Post.id, wanted)
    )
    if tx.execute(there).scalar_one() != len(wanted):
        raise UsageError("a post named is not of this account", code="not_found")
    found = opened(tx, wanted)
    gone = sum(text is None for text in found.values())
    log.record(
        tx, who, "post.read", f"site-account:{account_id}", case=case_id, posts=wanted, gone=gone
    )
    return found
