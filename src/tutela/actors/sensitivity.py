"""How much a rank hangs on one list, one link, or the posts that we happened to see."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import msgspec
import numpy as np

from tutela.actors.model import Known, Lead, Link, Observed
from tutela.actors.rank import Pair, rank
from tutela.actors.weighing import Weights

DRAWS = 5
UNSEEN = 0.3


class Varied(msgspec.Struct, frozen=True):
    """One variation, and the rank under it; None where it is no lead then."""

    what: str
    rank: int | None


class Sensitivity(msgspec.Struct, frozen=True):
    """The rank of an account as it is, under each variation, and between what it lies."""

    account: int
    rank: int | None
    varied: tuple[Varied, ...]

    @property
    def best(self) -> int | None:
        """The best rank; None where it is never a lead."""
        return min((rank for rank in self._ranks() if rank is not None), default=None)

    @property
    def worst(self) -> int | None:
        """The worst rank; None where it is no lead under some variation."""
        ranks = [rank for rank in self._ranks() if rank is not None]
        return max(ranks) if len(ranks) == len(self._ranks()) else None

    def _ranks(self) -> list[int | None]:
        return [self.rank, *(each.rank for each in self.varied)]


def sensitivity(
    observed: Observed,
    weights: Weights,
    accounts: tuple[int, ...],
    *,
    undone: Collection[Pair] = (),
    seed: int = 0,
) -> dict[int, Sensitivity]:
    """Return how the ranks of accounts move; one ranking for each variation, of all accounts.

    Left out in turn are each list, each link that merges one of these accounts, and 30 % of all
    posts, five times. `undone` are pairs that a person took apart. The same for the same seed.
    """
    base = rank(observed, weights, undone=undone)
    places = _places(base.leads)
    varied: list[tuple[str, dict[int, int]]] = []
    for source in sorted({entry.source for all_ in observed.known.values() for entry in all_}):
        left = _without(observed.known, source)
        less = msgspec.structs.replace(observed, known=left)
        ranking = rank(less, weights, undone=undone)
        varied.append((f"without the list {source}", _places(ranking.leads)))
    for link in _of(base.merged, accounts):
        ranking = rank(observed, weights, undone=[*undone, (link.first, link.second)])
        what = f"without the link of {link.first} and {link.second}"
        varied.append((what, _places(ranking.leads)))
    for number, thinned in enumerate(_thinned(observed, seed), 1):
        varied.append(
            (
                f"30 % of posts unseen, {number}",
                _places(rank(thinned, weights, undone=undone).leads),
            )
        )
    return {
        account: Sensitivity(
            account,
            places.get(account),
            tuple(Varied(what, there.get(account)) for what, there in varied),
        )
        for account in accounts
    }


def _places(leads: tuple[Lead, ...]) -> dict[int, int]:
    return {account: place for place, lead in enumerate(leads, 1) for account in lead.accounts}


def _of(merged: tuple[Link, ...], accounts: tuple[int, ...]) -> list[Link]:
    wanted = set(accounts)
    return [link for link in merged if wanted & {link.first, link.second}]


def _without(known: Mapping[str, tuple[Known, ...]], source: str) -> dict[str, tuple[Known, ...]]:
    left = {
        media: tuple(entry for entry in entries if entry.source != source)
        for media, entries in known.items()
    }
    return {media: entries for media, entries in left.items() if entries}


def _thinned(observed: Observed, seed: int) -> Iterator[Observed]:
    rng = np.random.default_rng(seed)
    # Which posts go must not depend on the order in which they came.
    order = sorted(observed.posts, key=lambda post: post.id)
    for _ in range(DRAWS):
        kept = rng.random(len(order)) >= UNSEEN
        posts = tuple(post for post, keep in zip(order, kept, strict=True) if keep)
        yield msgspec.structs.replace(observed, posts=posts)
