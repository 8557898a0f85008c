"""Simpler rankers, as literature and practice know them; each gives accounts in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence

import numpy as np

from tutela.actors import weighing
from tutela.actors.evidence import collect
from tutela.actors.model import Observed
from tutela.actors.score import things
from tutela.observation.model import EntityKind, MediaRole

# A key on more accounts than this is a site's, and merges nobody.
PUBLIC_KEY = 10
DAMPING, ROUNDS = 0.85, 40

Leads = Sequence[tuple[int, ...]]


def _ordered(worth: Mapping[int, float]) -> Leads:
    ranked = sorted(worth, key=lambda account: (-worth[account], account))
    return [(account,) for account in ranked if worth[account] > 0]


def post_count(seen: Observed) -> Leads:
    """Order by the number of posts."""
    return _ordered(Counter(post.account for post in seen.posts))


def _answers(seen: Observed) -> list[tuple[int, int]]:
    author = {post.id: post.account for post in seen.posts}
    return [
        (post.account, author[about])
        for post in seen.posts
        for about in post.answers
        if about in author and author[about] != post.account
    ]


def degree(seen: Observed) -> Leads:
    """Order by the number of accounts that they answered or that answered them."""
    others: dict[int, set[int]] = defaultdict(set)
    for one, other in _answers(seen):
        others[one].add(other)
        others[other].add(one)
    return _ordered({account: float(len(each)) for account, each in others.items()})


def page_rank(seen: Observed) -> Leads:
    """Order by PageRank in the graph of who answers whom."""
    size = len(seen.accounts)
    edges = np.array(_answers(seen) or [(0, 0)])
    out = np.maximum(np.bincount(edges[:, 0], minlength=size), 1)
    ranks = np.full(size, 1 / size)
    for _ in range(ROUNDS):
        given = np.bincount(edges[:, 1], ranks[edges[:, 0]] / out[edges[:, 0]], minlength=size)
        ranks = (1 - DAMPING) / size + DAMPING * given
    return _ordered({account: float(ranks[account]) for account in range(size)})


def hits(seen: Observed) -> Leads:
    """Order by the number of known media that are not quoted."""
    counted: Counter[int] = Counter()
    for post in seen.posts:
        for shown in post.shown:
            if shown.role is not MediaRole.QUOTED and shown.media in seen.known:
                counted[post.account] += 1
    return _ordered(counted)


def any_shared_key(seen: Observed) -> Leads:
    """Order by our own points, without bound or abstention, merged on any key that two show."""
    evidence, weights = collect(seen), weighing.load()
    holders: dict[Hashable, set[int]] = defaultdict(set)
    for post in seen.posts:
        for named in post.named:
            if named.kind is EntityKind.PGP_KEY and not named.quoted:
                holders[named.value].add(post.account)
    group = {account.id: account.id for account in seen.accounts}
    for accounts in holders.values():
        if len(accounts) <= PUBLIC_KEY:
            low = min(group[account] for account in accounts)
            old = {group[account] for account in accounts}
            group = {account: low if root in old else root for account, root in group.items()}
    members: dict[int, list[int]] = defaultdict(list)
    for account, root in group.items():
        members[root].append(account)
    points = {
        tuple(accounts): sum(thing.points for thing in things(evidence, accounts, weights))
        for accounts in members.values()
    }
    ranked = sorted(points, key=lambda accounts: -points[accounts])
    return [accounts for accounts in ranked if points[accounts] > 0]


PEERS: dict[str, Callable[[Observed], Leads]] = {
    "number of posts": post_count,
    "degree": degree,
    "PageRank": page_rank,
    "hits per handle": hits,
    "merged on any shared key": any_shared_key,
}
