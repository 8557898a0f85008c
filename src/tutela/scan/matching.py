"""Asks the hash lists of a library about what was scanned."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

from tutela.core.hit import Hit
from tutela.hashlist.library import Library
from tutela.hashlist.model import ListInfo
from tutela.scan.wire import Outcome


class LibraryMatcher:
    """Some lists of one library, at a radius.

    `identity` changes when the answers may: with the lists, what is in them, or the radius.
    """

    def __init__(self, library: Library, lists: Collection[ListInfo], radius_bits: int) -> None:
        self._library = library
        self._numbers = frozenset(info.number for info in lists)
        self._radius_bits = radius_bits
        key = [(info.number, info.source_sha256, info.role) for info in lists]
        self.identity = hashlib.sha256(f"{sorted(key)} {radius_bits}".encode()).hexdigest()

    def hits(self, outcomes: Sequence[Outcome]) -> list[list[Hit]]:
        """Return the hits of each outcome, in the same order."""
        if not outcomes:
            return []
        return self._library.find_many(
            [(outcome.digests, outcome.fingerprints) for outcome in outcomes],
            radius_bits=self._radius_bits,
            lists=self._numbers,
        )


class NoLists:
    """Matches nothing: a scan without lists still hashes and accounts for everything."""

    identity = "none"

    def hits(self, outcomes: Sequence[Outcome]) -> list[list[Hit]]:
        """Return an empty list for each outcome."""
        return [[] for _ in outcomes]
