"""Asks hash lists about what was scanned."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tutela.core.entry import Role
from tutela.core.hit import Hit, Strength
from tutela.hashlist.library import Library
from tutela.hashlist.model import ListInfo
from tutela.scan.wire import Outcome


class ListMatcher:
    """Some lists of one or more libraries, at a radius; none at all matches nothing.

    `identity` changes when the answers may: with the lists, what is in them, or the radius.
    """

    def __init__(self, lists: Sequence[tuple[Library, ListInfo]], radius_bits: int) -> None:
        self._asked: dict[Library, set[int]] = {}
        for library, info in lists:
            self._asked.setdefault(library, set()).add(info.number)
        self._radius_bits = radius_bits
        key = sorted((info.name, info.number, info.source_sha256, info.role) for _, info in lists)
        self.identity = hashlib.sha256(f"{key} {radius_bits}".encode()).hexdigest()

    def hits(self, outcomes: Sequence[Outcome]) -> list[list[Hit]]:
        """Return the hits of each outcome, in the same order, the strongest first."""
        found: list[list[Hit]] = [[] for _ in outcomes]
        if not outcomes:
            return found
        queries = [(outcome.digests, outcome.fingerprints) for outcome in outcomes]
        for library, numbers in self._asked.items():
            answers = library.find_many(queries, radius_bits=self._radius_bits, lists=numbers)
            for place, more in enumerate(answers):
                found[place] += more
        return [sorted(hits, key=_rank) for hits in found] if len(self._asked) > 1 else found


def _rank(hit: Hit) -> tuple[bool, bool, int, str, int]:
    exact_alert = hit.role is Role.ALERT and hit.strength is Strength.EXACT
    indicative = hit.strength is Strength.INDICATIVE
    return not exact_alert, indicative, hit.distance_bits, hit.list, hit.entry_number
