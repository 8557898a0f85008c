"""Counts what entries answer, in memory: how often for whom, and how many contents they resemble.

The path of a request writes no SQL; `Tally.taken` gives what came together, for one writing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from tutela.core.ids import ListId, OrganisationId

# Entries whose contents are told apart at one time; beyond it a window begins anew.
_ENTRIES = 50_000
# So many entries and organisations are told apart between two turns; in a flood the rest is counted
# as that of their lists, for writing them must not cost more than answering.
_TOLD_APART = 10_000
OTHERS = 0  # the number of no entry

Place = tuple[ListId, int]  # a list and the number of an entry on it


class Fired(NamedTuple):
    """An entry answered for a content, which `content` stands for."""

    place: Place
    exact: bool
    content: int


class Counted(NamedTuple):
    """How often an entry answered an organisation."""

    exact: int
    indicative: int


class Tally:
    """Counts answers. Threads may share it.

    Args:
        window_s: How long contents are counted together.
        limit: So many different contents that an entry resembles within a window make it noisy;
            0 for never.
        clock: Gives seconds that only grow.
    """

    def __init__(
        self, window_s: float, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._window_s, self._limit, self._clock = window_s, limit, clock
        self._lock = threading.Lock()
        self._ends_s = 0.0
        self._contents: dict[Place, set[int]] = {}
        self._exact: Counter[tuple[Place, OrganisationId]] = Counter()
        self._indicative: Counter[tuple[Place, OrganisationId]] = Counter()

    def note(
        self,
        organisation_id: OrganisationId,
        fired: Iterable[Fired],
        releases: Mapping[Place, int],
    ) -> list[tuple[Place, int]]:
        """Count the answers of one request; return entries that became noisy by it, and how much.

        An exact answer is counted and makes no entry noisy: else who uploads a known content often
        enough would silence it. Each release of an entry doubles what it takes.
        """
        noisy = []
        with self._lock:
            self._begin_window()
            for place, exact, content in fired:
                counter = self._exact if exact else self._indicative
                key = place, organisation_id
                if key not in counter and len(counter) >= _TOLD_APART:
                    key = (place[0], OTHERS), organisation_id
                counter[key] += 1
                if exact:
                    continue
                limit = self._limit << releases.get(place, 0)
                if not limit:
                    continue
                contents = self._contents.setdefault(place, set())
                if len(contents) < limit:
                    contents.add(content)
                    if len(contents) == limit:
                        noisy.append((place, limit))
        return noisy

    def _begin_window(self) -> None:
        now_s = self._clock()
        if now_s >= self._ends_s or len(self._contents) > _ENTRIES:
            self._ends_s = now_s + self._window_s
            self._contents.clear()

    def taken(self) -> dict[tuple[Place, OrganisationId], Counted]:
        """Return what was counted since the last call, and forget it."""
        with self._lock:
            exact, self._exact = self._exact, Counter()
            indicative, self._indicative = self._indicative, Counter()
        return {
            key: Counted(exact[key], indicative[key]) for key in exact.keys() | indicative.keys()
        }

    def give_back(self, counts: Mapping[tuple[Place, OrganisationId], Counted]) -> None:
        """Count again what could not be written."""
        with self._lock:
            for key, counted in counts.items():
                self._exact[key] += counted.exact
                self._indicative[key] += counted.indicative
