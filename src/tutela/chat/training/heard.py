"""What a stream keeps of an author's words for a trained model: two numbers.

A module of its own, for who keeps them needs nothing of what training needs.
"""

from __future__ import annotations

from typing import NamedTuple


class Heard(NamedTuple):
    """What is kept of an author's words: the sum of what a model weighs them, and how many."""

    total: float = 0.0
    messages: int = 0

    def and_(self, weight: float) -> Heard:
        """Return this and one more message."""
        return Heard(self.total + weight, self.messages + 1)

    @property
    def mean(self) -> float:
        """Return the mean weight of a message; 0 of none."""
        return self.total / self.messages if self.messages else 0.0
