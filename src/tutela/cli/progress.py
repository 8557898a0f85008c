"""Progress of a scan on standard error, only where a person watches."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from tutela.scan.pipeline import State

REDRAW_SECONDS = 0.25


@contextlib.contextmanager
def shown() -> Iterator[Callable[[State], None]]:
    """Yield a function to call with each new state; it draws a line if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _state: None
        return
    line = _Line()
    try:
        yield line.draw
    finally:
        line.clear()


class _Line:
    def __init__(self) -> None:
        self._started = self._drawn = time.monotonic()
        self._first_bytes: int | None = None

    def draw(self, state: State) -> None:
        now = time.monotonic()
        if now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = now
        sys.stderr.write("\r\x1b[2K" + self._words(state, now - self._started))
        sys.stderr.flush()

    def clear(self) -> None:
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()

    def _words(self, state: State, seconds: float) -> str:
        rate = state.bytes_done / seconds
        found = max(state.files_found, state.contents_done)
        parts = [
            f"{state.contents_done:,} files of {found:,}{'' if state.walked else '+'}",
            f"{state.bytes_done / 1e9:.2f} GB, {rate / 1e6:.0f} MB/s",
        ]
        left = state.bytes_found - state.bytes_done
        if state.walked and rate and left > 0:
            parts.append(f"{_duration(left / rate)} left")
        parts.append(f"{state.alerts:,} with an alert")
        if state.failed:
            parts.append(f"{state.failed:,} failed")
        return " | ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
