"""Writes what the matching service counted, every few seconds and at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Self

import structlog

log = structlog.get_logger("tutela.match")

# How often counts are written and the word of owners and members is heard.
TURN_S = 5.0


class Keeper:
    """Settles in a thread of its own; a context manager."""

    def __init__(self, settle: Sequence[Callable[[], None]], turn_s: float = TURN_S) -> None:
        self._settle = settle
        self._turn_s = turn_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="matching", daemon=True)

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, and settle once more."""
        self._ended.set()
        self._thread.join()
        self._turn()

    def _keep(self) -> None:
        while not self._ended.wait(self._turn_s):
            self._turn()

    def _turn(self) -> None:
        for settle in self._settle:
            try:
                settle()
            except Exception as error:  # noqa: BLE001 whatever it was, the next turn comes
                log.warning("not_settled", error=type(error).__name__)
