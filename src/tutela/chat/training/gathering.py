"""Runs a scorer over a corpus and keeps what training and evaluation need: numbers, and no text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from tutela.chat import limits
from tutela.chat.model import ConversationScore, Left, Message, PairScore
from tutela.chat.scoring import Scoring
from tutela.chat.training.corpus import Corpus, Line, read
from tutela.chat.training.features import Vector, signs
from tutela.chat.training.split import Groups

# Told of every message: the number of its author, and its text.
Listen = Callable[[int, str], None]


class Talk(NamedTuple):
    """A conversation, scored; `authors` are those who spoke, by number."""

    id: str
    points: float
    alert: bool
    crossed_at: int | None
    messages: int
    authors: tuple[int, ...]


@dataclass
class Gathered:
    """What was found in a corpus; authors are numbered as they first speak.

    Attributes:
        numbers: Number of an author by id.
        messages: How many each author wrote.
        points: What the heaviest pair of each author has, below the point where it may not alert.
        alerts: Authors with a pair that alerts.
        signs: What pairs of an author say, where there are any.
        lines: Messages in which an author showed a sign.
        talks: Every conversation.
        groups: Who is linked with whom.
        left: What was no message, by reason.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    messages: list[int] = field(default_factory=list)
    points: list[float] = field(default_factory=list)
    alerts: set[int] = field(default_factory=set)
    signs: dict[int, Vector] = field(default_factory=dict)
    lines: dict[int, list[Line]] = field(default_factory=lambda: defaultdict(list))
    talks: list[Talk] = field(default_factory=list)
    groups: Groups = field(default_factory=Groups)
    left: Counter[str] = field(default_factory=Counter)

    def flagged(self, corpus: Corpus) -> list[bool]:
        """Tell of each author whether the corpus flags it."""
        return [author in corpus.flagged for author in self.numbers]

    def grouped(self) -> list[int]:
        """Return the group of each author."""
        return [self.groups.of(number) for number in range(len(self.numbers))]


def gather(
    corpus: Corpus,
    scoring: Scoring,
    point: float,
    *,
    listen: Listen | None = None,
    without: Container[str] = (),
) -> Gathered:
    """Return what a scorer says of a corpus.

    Args:
        corpus: What is read, once.
        scoring: A fresh scorer; conversations are closed as they end.
        point: From which points on a pair alerts.
        listen: Hears every message that is scored.
        without: Conversations that are passed over.

    Raises:
        InputError: the corpus cannot be read on.
    """
    taking = _Taking(scoring, point, listen)
    for message in read(corpus):
        if isinstance(message, Left):
            taking.found.left[message.reason] += message.count
        elif message.conversation in without:
            taking.found.left["passed_over"] += 1
        else:
            taking.take(message)
    taking.end()
    return taking.found


class _Taking:
    """Takes messages of one conversation after the other."""

    def __init__(self, scoring: Scoring, point: float, listen: Listen | None) -> None:
        self.found = Gathered()
        self._scoring, self._point, self._listen = scoring, point, listen
        self._batch: list[Message] = []
        self._current = ""
        self._speakers: dict[int, None] = {}
        self._count = 0

    def take(self, message: Message) -> None:
        if message.conversation != self._current:
            self.end()
            self._current = message.conversation
        author = self._number(message.author)
        self.found.messages[author] += 1
        self._speakers[author] = None
        self._count += 1
        if self._listen:
            self._listen(author, message.text)
        self._batch.append(message)
        if len(self._batch) >= limits.BATCH_MESSAGES:
            self._score()

    def end(self) -> None:
        """Close the conversation that was read."""
        if not self._count:
            return
        self._score()
        score = self._scoring.close(self._current)
        speakers = tuple(self._speakers)
        for author in speakers:
            self.found.groups.link(speakers[0], author)
        self.found.talks.append(
            Talk(
                *(self._current, score.points, score.alert, _crossed(score), self._count, speakers)
            )
        )
        for pair in score.pairs:
            self._pair(pair)
        self._speakers, self._count = {}, 0

    def _score(self) -> None:
        for change in self._scoring.take_many(self._batch):
            author = self._number(change.author)
            for shown in change.shown:
                line = Line(change.conversation, shown.message)
                if line not in self.found.lines[author][-len(change.shown) :]:
                    self.found.lines[author].append(line)
        self._batch = []

    def _pair(self, pair: PairScore) -> None:
        found, author = self.found, self._number(pair.author)
        points = pair.points
        if not pair.may_alert:
            points = min(points, float(np.nextafter(self._point, 0)))
        elif points >= self._point:
            found.alerts.add(author)
        found.points[author] = max(found.points[author], points)
        said = signs([pair])
        found.signs[author] = (
            np.maximum(found.signs[author], said) if author in found.signs else said
        )

    def _number(self, author: str) -> int:
        number = self.found.numbers.setdefault(author, len(self.found.numbers))
        if number == len(self.found.messages):
            self.found.messages.append(0)
            self.found.points.append(0.0)
        return number


def _crossed(score: ConversationScore) -> int | None:
    """Return after how many messages a conversation alerted."""
    if not score.alert:
        return None
    at = [p.crossed_at for p in score.pairs if p.may_alert and p.crossed_at is not None]
    return min(at, default=None)
