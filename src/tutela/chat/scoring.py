"""What training, evaluation and the service ask of a scorer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tutela.chat.model import ConversationScore, Message, PairScore, Shown


class Change(Protocol):
    """What a message changed of a pair: of its speaker, or of who spoke to them before."""

    @property
    def conversation(self) -> str:
        """Return which conversation."""

    @property
    def author(self) -> str:
        """Return who showed the signs."""

    @property
    def other(self) -> str:
        """Return towards whom."""

    @property
    def points(self) -> float:
        """Return what the pair has now."""

    @property
    def shown(self) -> tuple[Shown, ...]:
        """Return what this message showed."""

    @property
    def message(self) -> str:
        """Return the `id` of the message."""

    @property
    def crossed(self) -> bool:
        """Return whether it is this message by which the pair reached the point."""


class Scoring(Protocol):
    """Scores conversations message by message; they may interleave. Not for several threads."""

    def take_many(self, messages: Sequence[Message]) -> Sequence[Change]:
        """Take messages in order; return what those that showed something changed.

        A message by which several pairs reach the point has a change for each.
        """

    def score(self, conversation: str) -> ConversationScore:
        """Return what a conversation adds up to so far."""

    def pair(self, conversation: str, author: str, other: str) -> PairScore | None:
        """Return the score of one pair so far, in a time that does not grow with the others."""

    def close(self, conversation: str) -> ConversationScore:
        """Return it, and forget the conversation."""
