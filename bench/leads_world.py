"""What the ranker is shown of a generated world, and what its answer is worth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from math import log2

import numpy as np

from tutela.actors import blind
from tutela.actors.model import Account, Known, Named, Observed, Post, Shown
from tutela.observation.model import EntityKind, EventKind, MediaRole
from world import corpus, shape

KEY = b"a key of the generated world only"
# The ten accounts that did most harm, the next twenty, the next fifty, all others who did any.
GRADES = ((10, 15.0), (30, 7.0), (80, 3.0))
ANY = 1.0


def observed(world: shape.World, unseen: float = 0.0, seed: int = 0) -> Observed:
    """Return what was seen of a world, when a part of the posts was not."""
    rng = np.random.default_rng([17, seed])
    kept = rng.random(len(world.posts)) >= unseen
    posts = [_post(post) for post, keep in zip(world.posts, kept, strict=True) if keep]
    accounts = tuple(
        Account(each.id, each.site, each.handle, role=each.role, says_minor=each.says_minor)
        for each in world.accounts
    )
    return Observed(
        accounts=accounts,
        posts=tuple(posts),
        known={str(item): tuple(map(_known, entries)) for item, entries in world.listed.items()},
        until=shape.EPOCH + timedelta(days=world.days),
        protected=frozenset(
            blind.token(KEY, "handle", world.accounts[told].handle, str(world.accounts[told].site))
            for told in world.told
        ),
        token_key=KEY,
    )


def _post(post: shape.Post) -> Post:
    return Post(
        id=post.id,
        account=post.account,
        at=shape.EPOCH + timedelta(days=post.at_days),
        shown=tuple(Shown(str(item), MediaRole(how.value)) for item, how in post.media),
        views=post.views,
        events=tuple(EventKind(act) for act in post.acts),
        answers=() if post.about is None else (post.about,),
        named=tuple(
            Named(
                EntityKind(each.kind),
                each.value,
                each.quoted,
                checked=True,
                verified=each.verified,
                statement=each.statement,
                names_author=each.names_author,
            )
            for each in post.named
        ),
        text=corpus.text(post.voice, post.words),
    )


def _known(entry: shape.Listed) -> Known:
    return Known(
        f"thing {entry.entity}",
        entry.source,
        entry.severity,
        exact=not entry.perceptual,
        self_generated=entry.self_generated,
    )


def gains(world: shape.World) -> dict[int, float]:
    """Return what it is worth to name each account: by the harm that its owner did through it."""
    harm = {account: value for account, value in world.truth.harm_here.items() if value > 0}
    ordered = sorted(harm, key=lambda account: -harm[account])
    worth = {}
    for place, account in enumerate(ordered):
        worth[account] = next((gain for end, gain in GRADES if place < end), ANY)
    return worth


def ndcg(named: Sequence[int], worth: dict[int, float], k: int = 30) -> float:
    """Return nDCG@k of accounts in order, with linear graded gains and log2 discounts."""
    ideal = sorted(worth.values(), reverse=True)[:k]
    best = sum(gain / log2(place + 2) for place, gain in enumerate(ideal))
    got = sum(worth.get(each, 0.0) / log2(place + 2) for place, each in enumerate(named[:k]))
    return got / best if best else 0.0


def precision(named: Sequence[int], worth: dict[int, float], k: int = 30) -> float:
    """Return which part of the first k is among the k that did most harm."""
    best = set(sorted(worth, key=lambda account: -worth[account])[:k])
    return sum(each in best for each in named[:k]) / k


def flat(groups: Sequence[Sequence[int]]) -> list[int]:
    """Return the accounts of leads in order: who merges takes more places, not more credit."""
    return [account for accounts in groups for account in accounts]


def guilty_only(groups: Sequence[Sequence[int]], innocent: frozenset[int]) -> float:
    """Return which part of leads contains no innocent account."""
    return sum(not innocent.intersection(each) for each in groups) / max(1, len(groups))
