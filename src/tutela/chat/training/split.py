"""Divides authors so that no figure is measured on somebody whom it was learnt from.

Authors who spoke in one conversation stay together: what one says is half of what the other hears.
So the folds are made of groups, those of all who are linked through conversations.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence

from tutela.core.errors import InputError


class Groups:
    """Who is linked with whom, as it is read (disjoint sets, with paths halved)."""

    def __init__(self) -> None:
        self._parent: list[int] = []

    def link(self, author: int, other: int) -> None:
        """Note that two authors, by number, spoke in one conversation; they may be the same."""
        top, second = self.of(author), self.of(other)
        # The lower number leads, so that a corpus has the same groups each time.
        self._parent[max(top, second)] = min(top, second)

    def of(self, author: int) -> int:
        """Return the number that stands for the group of an author."""
        self._parent.extend(range(len(self._parent), author + 1))
        while self._parent[author] != author:
            self._parent[author] = self._parent[self._parent[author]]
            author = self._parent[author]
        return author


def folds(groups: Sequence[int], flagged: Sequence[bool], number: int, seed: int) -> list[int]:
    """Return the fold, from 0, of each author.

    Groups with the most flagged authors go first, each to the fold that has the fewest of them,
    then the fewest authors. `seed` decides between equals.

    Raises:
        InputError: code `not_divisible`: a fold would have no flagged author.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for author, group in enumerate(groups):
        members[group].append(author)
    draw = random.Random(seed)  # noqa: S311 reproducible, not secret
    order = [
        (sum(flagged[one] for one in members[group]), len(members[group]), draw.random(), group)
        for group in sorted(members)
    ]
    have = [(0, 0)] * number
    found = [0] * len(groups)
    for positive, size, _, group in sorted(order, reverse=True):
        # Groups without any fill up by size alone.
        fewest = min(range(number), key=lambda n: have[n] if positive else (have[n][1], 0))
        have[fewest] = have[fewest][0] + positive, have[fewest][1] + size
        for author in members[group]:
            found[author] = fewest
    if any(not positive for positive, _ in have):
        raise InputError(
            f"flagged authors cannot be divided into {number} folds",
            code="not_divisible",
            hint="too many of them are linked through conversations",
        )
    return found


def touched(groups: Sequence[int], authors: Iterable[int]) -> set[int]:
    """Return all authors of the groups of some."""
    wanted = {groups[author] for author in authors}
    return {author for author, group in enumerate(groups) if group in wanted}
