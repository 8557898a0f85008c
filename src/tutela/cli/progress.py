"""Progress of a scan on standard error, only where a person watches."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator

from tutela.scan.pipeline import State

REDRAW_SECONDS = 0.25
_GIGABYTE = 1_000_000_000


class Watch:
    """Draws a line for each new state, if standard error is a terminal; `clear` removes it."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._started = time.monotonic()
        self._drawn = 0.0

    def __call__(self, state: State) -> None:
        """Draw the state, a few times a second at most."""
        now = time.monotonic()
        if self._shown and now - self._drawn >= REDRAW_SECONDS:
            self._drawn = now
            sys.stderr.write("\r\x1b[2K" + _words(state, now - self._started))
            sys.stderr.flush()

    def clear(self) -> None:
        """Remove the line, so that something else can be printed."""
        if self._shown and self._drawn:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._drawn = 0.0


@contextlib.contextmanager
def shown() -> Iterator[Watch]:
    """Yield a watch, whose line is gone at the end."""
    watch = Watch()
    try:
        yield watch
    finally:
        watch.clear()


def _words(state: State, seconds: float) -> str:
    rate = state.bytes_done / seconds if seconds else 0.0
    done = state.bytes_done
    size = f"{done / 1e9:.2f} GB" if done >= _GIGABYTE else f"{done / 1e6:.0f} MB"
    parts = [
        f"{state.contents_done:,} files of {state.files_found:,}{'' if state.walked else '+'}",
        f"{size}, {rate / 1e6:.0f} MB/s",
    ]
    left = state.bytes_found - state.bytes_done
    if state.walked and rate and left > 0:
        parts.append(f"about {_duration(left / rate)} left")
    parts.append(f"{state.alerts:,} with an alert")
    if state.failed:
        parts.append(f"{state.failed:,} failed")
    return " | ".join(parts)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
