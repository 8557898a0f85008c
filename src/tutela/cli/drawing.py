"""One line of progress on standard error, where a person watches."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

REDRAW_SECONDS = 0.25


@contextlib.contextmanager
def drawn() -> Iterator[Callable[[str], None]]:
    """Yield what draws words a few times a second at most, and take the line away at the end."""
    shown, last = sys.stderr.isatty(), 0.0

    def draw(words: str) -> None:
        nonlocal last
        if shown and time.monotonic() - last >= REDRAW_SECONDS:
            last = time.monotonic()
            sys.stderr.write(f"\r\x1b[2K{words}")
            sys.stderr.flush()

    try:
        yield draw
    finally:
        if shown:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
