"""At what hours an account writes: focus, and how far two sets of hours lie apart.

Circular statistics as in Mardia and Jupp, Directional Statistics (2000), chapters 2 and 7. Hours
are of the day in UTC, 0 to 24; no time zone is ever guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

DRAWS = 400


def hour(at: datetime) -> float:
    """Return the hour of the day, with its fraction."""
    return at.hour + at.minute / 60 + at.second / 3600


def focus(hours: Sequence[float]) -> float:
    """Return the mean resultant length: 1 where all are one hour, near 0 where all over."""
    return float(np.abs(_turned(hours).mean())) if len(hours) else 0.0


def apart_hours(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how many hours, 0 to 12, the mean directions of two sets lie apart."""
    turn = np.angle(_turned(first).mean() * np.conj(_turned(second).mean()))
    return float(abs(turn) * 12 / np.pi)


def chance(first: Sequence[float], second: Sequence[float], seed: int = 0) -> float:
    """Return the chance of so great a difference if one person wrote both (a permutation test).

    The statistic is the gain in resultant length when the two are taken apart, as in the
    Watson-Williams test, but without its assumption of a von Mises distribution. The smallest
    answer is 1 / (DRAWS + 1); the same for the same hours, in whatever order.
    """
    if min(len(first), len(second)) < 2:
        return 1.0
    both = np.sort_complex(np.concatenate([_turned(first), _turned(second)]))
    size = len(first)
    total = both.sum()
    gain = float(abs(_turned(first).sum()) + abs(_turned(second).sum()))
    rng = np.random.default_rng(seed)
    order = rng.random((DRAWS, len(both))).argsort(axis=1)[:, :size]
    part = both[order].sum(axis=1)
    drawn = np.abs(part) + np.abs(total - part)
    return float((1 + np.count_nonzero(drawn >= gain - 1e-9)) / (DRAWS + 1))


def overlap(first: Sequence[float], second: Sequence[float]) -> float:
    """Return how alike two sets of hours are, 0 to 1: the cosine of their smoothed day curves."""
    one, two = _curve(first), _curve(second)
    norm = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(one @ two) / norm if norm else 0.0


def _turned(hours: Sequence[float]) -> NDArray[np.complex128]:
    turned: NDArray[np.complex128] = np.exp(1j * np.asarray(hours, dtype=float) * np.pi / 12)
    return turned


def _curve(hours: Sequence[float]) -> NDArray[np.float64]:
    """Return 24 counts, each smoothed over its neighbours."""
    counts = np.bincount(np.asarray(hours, dtype=float).astype(int) % 24, minlength=24)
    smooth: NDArray[np.float64] = counts + 0.5 * (np.roll(counts, 1) + np.roll(counts, -1))
    return smooth
