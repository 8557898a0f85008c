"""Up to which number the rows of a table are surely all there.

Numbers are given before a transaction is committed: a row may appear below one that was seen. Who
reads what is new by number begins a little earlier.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_SLACK = 100_000  # numbers that transactions under way may have taken, at the first look
_PATIENCE_S = 600.0  # no transaction is open for longer


class Horizon:
    """Moves on as somebody looks, and stays behind what they see."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mark, self._at = 0, -1.0
        self.settled = 0

    def saw(self, newest: int) -> None:
        """Say what the highest number was just now, before rows beyond `settled` are read next."""
        moment = self._clock()
        if self._at < 0:
            self.settled = max(0, newest - _SLACK)
        elif moment - self._at < _PATIENCE_S:
            return
        else:
            self.settled = max(self.settled, self._mark)
        self._mark, self._at = newest, moment
