"""What every benchmark shares: a figure with its peer, and interleaved timing by CPU time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How a benchmark runs: `quick` is a smoke run in seconds, whose figures mean nothing."""

    quick: bool = False


@dataclass(frozen=True)
class Figure:
    """One measured value, with the peer's beside it where there is one.

    `ratio` is how many times better we are than the peer; `holds` compares with the issue's `goal`
    and is None where the issue states none.
    """

    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None
    goal: str = ""
    holds: bool | None = None


def cpu_rounds(calls: dict[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Return the least CPU seconds of each call over `rounds` interleaved rounds.

    Interleaving lets a noisy neighbour hurt all alike; the minimum is the least disturbed run.
    """
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            gc.collect()
            begin = time.process_time()
            call()
            best[name] = min(best[name], time.process_time() - begin)
    return best
