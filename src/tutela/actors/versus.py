"""Why one account stands above another: kind by kind of what their scores are made of."""

from __future__ import annotations

from typing import Any

import msgspec

from tutela.actors.ranking import RankedInfo


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one kind of term each has: points, and how many terms they come from."""

    kind: str
    one_points: float
    other_points: float
    one_terms: int
    other_terms: int

    @property
    def points(self) -> float:
        """By how many points the first is ahead."""
        return self.one_points - self.other_points


def versus(one: RankedInfo, other: RankedInfo) -> list[Difference]:
    """Return the differences, the largest first; the bound that ranks is the last of them.

    Points of terms are added up; the bound weighs how many of them there are and how spread.
    """
    mine, theirs = _by_kind(one), _by_kind(other)
    found = [
        Difference(
            kind=kind,
            one_points=sum(mine.get(kind, ())),
            other_points=sum(theirs.get(kind, ())),
            one_terms=len(mine.get(kind, ())),
            other_terms=len(theirs.get(kind, ())),
        )
        for kind in sorted(mine.keys() | theirs.keys())
    ]
    found.sort(key=lambda each: -abs(each.points))
    bound = Difference(
        kind="bound",
        one_points=one.lower,
        other_points=other.lower,
        one_terms=len(one.explanation["terms"]),
        other_terms=len(other.explanation["terms"]),
    )
    return [*found, bound]


def _by_kind(one: RankedInfo) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    term: dict[str, Any]
    for term in one.explanation["terms"]:
        found.setdefault(term["kind"], []).append(term["points"])
    return found
