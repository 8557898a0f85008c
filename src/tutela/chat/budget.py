"""Alerts by budget: which conversations are read, and how often harmless ones would be among them.

The operator says how many conversations people can read. What that means in false alerts is told
from the operator's own harmless traffic, with an upper bound; without such traffic it is not told.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

import msgspec
from scipy.special import betaincinv

from tutela.chat.model import ConversationScore
from tutela.core.errors import UsageError

CONFIDENCE: Final = 0.95
Of = TypeVar("Of")


class Chosen(msgspec.Struct, Generic[Of], frozen=True, kw_only=True):
    """Which conversations are read.

    Attributes:
        shown: What was chosen, the heaviest first.
        point: Points of the last one; infinite where none is shown.
        tied: How many more have as many points as the last one, and are left out because they came
            later alone: they are no less urgent.
        alerts: How many of `shown` reach the point of the score and hold its rule.
        left: Conversations with any points that are not shown.
    """

    shown: tuple[Of, ...]
    point: float
    tied: int
    alerts: int
    left: int


class Choice(Generic[Of]):
    """Chooses while conversations are scored: the most points first, alerts before others.

    Conversations without any points are not shown, however many could be read.

    Args:
        budget: How many can be read.

    Raises:
        UsageError: the budget is negative.
    """

    def __init__(self, budget: int) -> None:
        if budget < 0:
            raise UsageError("a budget cannot be negative", code="chat_budget")
        self._budget = budget
        self._heap: list[tuple[bool, float, int, Of]] = []
        self._order = itertools.count(0, -1)  # no two are compared beyond it
        self._points: Counter[float] = Counter()

    def add(self, score: ConversationScore, of: Of) -> None:
        """Take note of a conversation; `of` is what is shown of it."""
        if score.points <= 0:
            return
        self._points[score.points] += 1
        if self._budget:
            push = heapq.heappush if len(self._heap) < self._budget else heapq.heappushpop
            push(self._heap, (score.alert, score.points, next(self._order), of))

    def made(self) -> Chosen[Of]:
        """Return what was chosen of those that came."""
        shown = sorted(self._heap, key=lambda row: row[:3], reverse=True)
        last = shown[-1][1] if shown else math.inf
        return Chosen(
            shown=tuple(row[3] for row in shown),
            point=last,
            tied=self._points[last] - sum(row[1] == last for row in shown),
            alerts=sum(row[0] for row in shown),
            left=self._points.total() - len(shown),
        )


class FalseAlerts(msgspec.Struct, frozen=True, kw_only=True):
    """How many conversations of harmless traffic reach a point.

    Attributes:
        point: Which.
        conversations: Read; 0 means that there is no data, and nothing is known.
        reached: Of those.
        rate: Their part; None without data.
        upper: With 95 % confidence the part is at most this (Clopper-Pearson, one-sided); None
            without data. With none of n it is about 3/n.
    """

    point: float
    conversations: int
    reached: int
    rate: float | None
    upper: float | None


def false_alerts(harmless: Sequence[float], point: float) -> FalseAlerts:
    """Tell how often harmless traffic of the operator's own reaches a point.

    Args:
        harmless: Points of each conversation of it.
        point: Which.
    """
    count = len(harmless)
    reached = sum(one >= point for one in harmless)
    return FalseAlerts(
        point=point,
        conversations=count,
        reached=reached,
        rate=reached / count if count else None,
        upper=upper_bound(reached, count) if count else None,
    )


def upper_bound(count: int, total: int, confidence: float = CONFIDENCE) -> float:
    """Return the Clopper-Pearson upper bound of a part (Biometrika 26, 1934), one-sided.

    Args:
        count: How many were seen,
        total: of how many; at least 1.
        confidence: 0 to 1.

    Raises:
        UsageError: there are none, or more than all.
    """
    if not 0 <= count <= total or not total:
        raise UsageError("a part needs some of some", code="chat_part")
    if count == total:
        return 1.0
    return float(betaincinv(count + 1, total - count, confidence))
