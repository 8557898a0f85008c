"""How far cases are: counting a large one is not done again for every page and every person.

Counting reads an index of the whole case: 20 ms for 100,000 media. So a count of a large case is
kept as long as its generation is the same, and while many grade at once for half a second anyway:
less than a page waits before it asks (`review.js`), so that everybody sees their own decisions.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from tutela.casework import case as cases
from tutela.casework.model import CaseInfo
from tutela.core.ids import CaseId
from tutela.core.principal import Principal

# Smaller cases are counted in a millisecond.
LARGE = 10_000
KEPT = 1024
SHARED_S = 0.5
# An import in pieces changes the generation at its end only.
UNCHANGED_S = 10.0


class _Count(NamedTuple):
    states: Mapping[str, int]
    generation: int
    at: float


class Counts:
    """The counts of the cases asked for last; threads may share it."""

    def __init__(self, large: int = LARGE) -> None:
        self._large = large
        self._lock = threading.Lock()
        self._kept: OrderedDict[CaseId, _Count] = OrderedDict()

    def states(self, tx: Connection, who: Principal, case: CaseInfo) -> Mapping[str, int]:
        """Return how many media of a case stand in each state.

        `case` was read in the same transaction, by somebody who may: nobody is asked again. It
        must be one that only reads: what is kept here is what others see too.
        """
        now = time.monotonic()
        with self._lock:
            kept = self._kept.get(case.id)
        if kept is not None:
            unchanged = kept.generation == case.generation
            if now - kept.at < (UNCHANGED_S if unchanged else SHARED_S):
                return kept.states
        states = cases.progress(tx, who, case.id)
        if sum(states.values()) >= self._large:
            with self._lock:
                self._kept[case.id] = _Count(states, case.generation, now)
                self._kept.move_to_end(case.id)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        return states
