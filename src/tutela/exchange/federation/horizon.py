"""Up to which number the rows of a table are surely all there.

Numbers are given before a transaction is committed: a row may appear below one that was seen. Who
reads what is new by number begins a little earlier.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_SLACK = 100_000  # numbers that transactions under way may have taken, at the first look
_PATIENCE_S = 600.0  # no transaction is open for longer
_WHOLE_S = 3600.0


class Horizon:
    """Moves on as somebody looks, and stays behind what they see.

    Once an hour it goes back to the beginning: rows that were seen may have been completed since.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._mark, self._at, self._whole_at = 0, 0.0, 0.0
        self._whole = True  # the next look is at everything
        self.settled = 0

    def saw(self, newest: int) -> None:
        """Say what the highest number was when rows beyond `settled` were read."""
        moment = self._clock()
        if self._whole:
            self._whole, self._whole_at = False, moment
            self.settled = max(0, newest - _SLACK)
        elif moment - self._whole_at > _WHOLE_S:
            self._whole, self.settled = True, 0
            return
        elif moment - self._at < _PATIENCE_S:
            return
        else:
            self.settled = max(self.settled, self._mark)
        self._mark, self._at = newest, moment
