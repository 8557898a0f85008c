"""Which known things are an account's own, and who was first with them.

A thing is an account's own where it stands in a post of its own words. What is quoted is not; nor
is what stands in an answer to a post that shows the same thing, or to a post that was never seen:
it may be a quote that the reader of the page took for the author's. Such things count nothing and
are kept as unsure credit. A post without a time counts nothing either: nobody can say what came
before it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import log1p
from typing import NamedTuple

from tutela.actors.model import Account, Known, Observed, Post
from tutela.observation.model import MediaRole

OWN = frozenset({MediaRole.POSTED, MediaRole.LINKED})


class Holding(NamedTuple):
    """A known thing in a post of an account; `views` is None where the site shows none."""

    post: int
    account: int
    at: datetime
    known: tuple[Known, ...]
    linked: bool
    views: int | None

    @property
    def entity(self) -> str:
        """What thing it is."""
        return self.known[0].entity


class Evidence:
    """What was seen, in the form that scores are made of. Build it by `collect`."""

    def __init__(self, observed: Observed) -> None:
        self.observed = observed
        self.accounts: Mapping[int, Account] = {each.id: each for each in observed.accounts}
        self.posts: dict[int, list[Post]] = defaultdict(list)
        self.holdings: dict[int, list[Holding]] = defaultdict(list)
        self.unsure: dict[int, list[int]] = defaultdict(list)
        self.seen: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
        self.known_since: dict[str, datetime] = {}
        self.views: list[int] = []
        self._usual: dict[float, float] = {}

    def candidates(self) -> list[int]:
        """Return the accounts with a known thing of their own, in the order of their numbers."""
        return sorted(self.holdings)

    def usual_reach(self, unit: float) -> float | None:
        """Return log(1 + views / unit) as posts of known things have it on the average.

        None where no site shows views.
        """
        if not self.views:
            return None
        if unit not in self._usual:
            self._usual[unit] = sum(log1p(each / unit) for each in self.views) / len(self.views)
        return self._usual[unit]

    def first(self, entity: str, accounts: frozenset[int], ahead: timedelta) -> bool:
        """Say whether these accounts were seen with a thing before all others, and any list."""
        ours = theirs = None
        for at, account in self.seen[entity]:
            if account in accounts:
                ours = ours or at
            else:
                theirs = theirs or at
            if ours and theirs:
                break
        since = self.known_since.get(entity)
        if ours is None or (since is not None and since < ours):
            return False
        return theirs is None or theirs - ours >= ahead

    def since_others(self, holding: Holding) -> timedelta | None:
        """Return how long before this post somebody else was last seen with the thing."""
        there = self.seen[holding.entity]
        for at, account in reversed(there[: bisect_right(there, (holding.at, 1 << 62))]):
            if account != holding.account and at < holding.at:
                return holding.at - at
        return None


def collect(observed: Observed) -> Evidence:
    """Return what was seen as evidence; the order of accounts and posts does not matter."""
    evidence = Evidence(observed)
    entities_of = {post.id: _entities(observed.known, post) for post in observed.posts}
    for post in observed.posts:
        if post.account not in evidence.accounts:
            continue
        evidence.posts[post.account].append(post)
        if entities_of[post.id]:
            _take(evidence, post, entities_of)
    for each in evidence.seen.values():
        each.sort()
    for held in evidence.holdings.values():
        held.sort(key=lambda holding: (holding.at, holding.post, holding.entity))
    for entries in observed.known.values():
        _dates(evidence, entries)
    evidence.views.sort()
    return evidence


def _entities(known: Mapping[str, tuple[Known, ...]], post: Post) -> frozenset[str]:
    return frozenset(known[each.media][0].entity for each in post.shown if known.get(each.media))


def _take(evidence: Evidence, post: Post, entities_of: Mapping[int, frozenset[str]]) -> None:
    known = evidence.observed.known
    quoting = _quoting(post, entities_of)
    for each in post.shown:
        entries = known.get(each.media, ())
        if not entries or each.role is MediaRole.AVATAR:
            continue
        entity = entries[0].entity
        if post.at is not None:
            evidence.seen[entity].append((post.at, post.account))
        if each.role not in OWN:
            continue
        if post.at is None or quoting is None or entity in quoting:
            evidence.unsure[post.account].append(post.id)
            continue
        if post.views is not None:
            evidence.views.append(post.views)
        linked = each.role is MediaRole.LINKED
        evidence.holdings[post.account].append(
            Holding(post.id, post.account, post.at, entries, linked, post.views)
        )


def _quoting(post: Post, entities_of: Mapping[int, frozenset[str]]) -> frozenset[str] | None:
    """Return the things of the posts that it answers, or None where one of them was not seen."""
    found: frozenset[str] = frozenset()
    for answered in post.answers:
        if answered not in entities_of:
            return None
        found |= entities_of[answered]
    return found


def _dates(evidence: Evidence, entries: Iterable[Known]) -> None:
    for entry in entries:
        if entry.known_since is not None:
            before = evidence.known_since.get(entry.entity, entry.known_since)
            evidence.known_since[entry.entity] = min(before, entry.known_since)
