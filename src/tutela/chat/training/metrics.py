"""What a ranking is worth, computed plainly; None where there is no data for a figure.

Accuracy and the area under the ROC curve are left out on purpose: where one conversation in ten
thousand matters, both look splendid for a list that nobody could work through.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tutela.chat.budget import upper_bound

Truth = NDArray[np.bool_]
Scores = NDArray[np.float64]
# 97.5 % of the normal distribution lie below; two-sided intervals of 95 %.
Z: Final = 1.959964


class Counts(NamedTuple):
    """How alerts and truth meet."""

    hits: int
    false: int
    missed: int
    passed: int

    @property
    def flagged(self) -> int:
        """Return how many are flagged in truth."""
        return self.hits + self.missed

    @property
    def others(self) -> int:
        """Return how many are not."""
        return self.false + self.passed


def counts(truth: Truth, alert: Truth) -> Counts:
    """Count; both arrays have one place for each unit."""
    return Counts(
        int(np.sum(truth & alert)),
        int(np.sum(~truth & alert)),
        int(np.sum(truth & ~alert)),
        int(np.sum(~truth & ~alert)),
    )


def precision(found: Counts) -> float | None:
    """Return the share of alerts that are true; None without alerts."""
    return _share(found.hits, found.hits + found.false)


def recall(found: Counts) -> float | None:
    """Return the share of what is true that alerts; None where nothing is true."""
    return _share(found.hits, found.flagged)


def f_beta(found: Counts, beta: float) -> float | None:
    """Return F-beta (van Rijsbergen 1979): beta 0.5 weighs precision, 3 weighs recall.

    None where nothing is true; 0 where nothing true is found.
    """
    if not found.flagged:
        return None
    square = beta * beta
    return (
        (1 + square)
        * found.hits
        / ((1 + square) * found.hits + square * found.missed + found.false)
    )


def line_f3(found: Collection[Hashable], true: Collection[Hashable]) -> float | None:
    """Return F3 of lines that were found, as in PAN-2012, task 2; None where none is true."""
    wanted, said = set(true), set(found)
    hits = len(wanted & said)
    return f_beta(Counts(hits, len(said) - hits, len(wanted) - hits, 0), 3)


def latency_f1(
    found: Counts, delays: Sequence[float], lengths: Sequence[float]
) -> tuple[float | None, float | None]:
    """Return F1 times speed, and the median delay (Sadeque et al. 2018, used by eSPD 2021).

    A true alert after `k` messages pays `-1 + 2 / (1 + exp(-p (k - 1)))`; `p` is chosen so that
    waiting for the median of `lengths` pays one half. Speed is 1 less the median penalty.

    Args:
        found: Alerts of whole conversations.
        delays: Messages until the alert, of those that are true.
        lengths: Messages of each conversation that is true.
    """
    harmonic = f_beta(found, 1)
    if harmonic is None or not lengths:
        return None, None
    if not delays:
        return 0.0, None
    half = max(float(np.median(np.asarray(lengths))), 2.0)
    rate = math.log(3) / (half - 1)
    penalties = [-1 + 2 / (1 + math.exp(-rate * (max(delay, 1) - 1))) for delay in delays]
    return harmonic * (1 - float(np.median(penalties))), float(np.median(np.asarray(delays)))


def _hits_at(truth: Truth, score: Scores, k: int) -> float:
    """Return the true ones among the best `k`; of a tie, as many as a blind draw gives."""
    order = np.argsort(-score, kind="stable")
    last = score[order[k - 1]]
    above, level = score > last, score == last
    share = (k - int(above.sum())) / int(level.sum())
    return float(truth[above].sum() + share * truth[level].sum())


def precision_at(truth: Truth, score: Scores, k: int) -> float | None:
    """Return the share of true ones among the best `k`; None where there are fewer than `k`."""
    return _hits_at(truth, score, k) / k if 0 < k <= len(score) else None


def recall_at(truth: Truth, score: Scores, k: int) -> float | None:
    """Return the share of what is true that is among the best `k`."""
    flagged = int(truth.sum())
    return _hits_at(truth, score, k) / flagged if flagged and 0 < k <= len(score) else None


def pr_auc(truth: Truth, score: Scores) -> float | None:
    """Return average precision, the area under the steps of precision over recall.

    None where nothing is true. As `sklearn.metrics.average_precision_score`.
    """
    flagged = int(truth.sum())
    if not flagged:
        return None
    order = np.argsort(-score, kind="stable")
    ordered, hits = score[order], np.cumsum(truth[order])
    ends = np.append(np.nonzero(np.diff(ordered))[0], len(ordered) - 1)
    steps = np.diff(np.append(0, hits[ends])) / flagged
    return float(np.sum(steps * hits[ends] / (ends + 1)))


def recall_at_fpr(truth: Truth, score: Scores, rate: float) -> float | None:
    """Return the recall of the lowest threshold that alerts on at most `rate` of the others.

    None where nothing is true, or so few others that `rate` of them is less than one.
    """
    others = np.sort(score[~truth])[::-1]
    allowed = math.floor(rate * len(others) + 1e-9)
    if not truth.any() or allowed < 1:
        return None
    # Above the first that would be one too many.
    limit = others[allowed] if allowed < len(others) else -math.inf
    return float(np.mean(score[truth] > limit))


def at_prevalence(recalled: float | None, rate: float | None, prevalence: float) -> float | None:
    """Return precision where `prevalence` of all units are true (Bayes), or None."""
    if recalled is None or rate is None:
        return None
    alerts = recalled * prevalence + rate * (1 - prevalence)
    return recalled * prevalence / alerts if alerts else None


def alerts_per_10k(recalled: float | None, rate: float, prevalence: float) -> float | None:
    """Return how many of 10,000 units alert at a rate of false alarms."""
    if recalled is None:
        return None
    return 10_000 * (recalled * prevalence + rate * (1 - prevalence))


def interval(hits: int, of: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a share (Wilson 1927), or None of nothing."""
    if not of:
        return None
    share, square = hits / of, Z * Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = Z / (1 + square / of) * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    # At the ends the formula gives them but for rounding.
    return middle - half if hits else 0.0, middle + half if hits < of else 1.0


def upper_rate(false: int, of: int) -> float | None:
    """Return the rate of false alarms that is not exceeded with 95 % confidence (one-sided).

    Clopper & Pearson 1934; with no false alarm in `of` it is about 3 / `of`.
    """
    return upper_bound(false, of) if of else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
