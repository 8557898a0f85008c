"""What a person is looking at: the order of a filtered grid stays as it was while they work on it.

A view is an array of media ids, computed once; its pages are slices, so the end is as near as the
beginning and nothing moves under a grader's hand. A view that was forgotten (restart, too many
others) is computed again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tutela.core.ids import AccountId, CaseId

KEPT = 64


class Key(NamedTuple):
    """One view: whose, of what, and when it was opened (`token` is made by the page)."""

    account_id: AccountId | None
    case_id: CaseId
    query: str
    token: str


class Views:
    """The views of all persons, the ones used last; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, NDArray[np.int64]] = OrderedDict()

    def ids(self, key: Key, compute: Callable[[], NDArray[np.int64]]) -> NDArray[np.int64]:
        """Return the media ids of a view, int64[n] in its order."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        computed = compute()
        with self._lock:
            self._kept[key] = computed
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return computed
