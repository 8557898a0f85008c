"""Scores whole sources: which conversations come first, what is said of the rest, what to keep.

A source is read once for scores, and once more for the words of the few conversations that are
shown or kept. So millions of messages pass in bounded memory, and no words are held of what nobody
will read.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from tutela.chat.budget import Choice, Chosen
from tutela.chat.model import ConversationScore, Left, MediaRef, Message

Piece = Message | Left
_TOGETHER: Final = 256  # conversations that are kept in one transaction


class Scoring(Protocol):
    """What `scorer.Scorer` does, as far as it is needed here."""

    def take_many(self, messages: Sequence[Message]) -> object:
        """Take messages in their order."""

    def note_known_media(
        self, conversation: str, message_id: str, number: int, author: str
    ) -> None:
        """Take note of a file that a hash list has."""

    def close(self, conversation: str) -> ConversationScore:
        """Return what a conversation adds up to, and forget it."""


class Kept(Protocol):
    """A source as a case takes it."""

    def take(self, some: Sequence[Piece]) -> None:
        """Keep messages, and count what was left out."""

    def scored(self, some: Sequence[ConversationScore]) -> None:
        """Keep what conversations add up to."""

    def end(self) -> None:
        """Say that the source was read to its end."""


Of = TypeVar("Of")
Read = Callable[[Of], Iterator[Sequence[Piece]]]
Known = Callable[[Of, Sequence[MediaRef]], Sequence[bool | None]]
Keep = Callable[[Of], Kept]


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation among those that come first.

    Attributes:
        source: In which it lies, by its place among the sources.
        number: Its place in its source, from 1 on.
        score: What it adds up to.
    """

    source: int
    number: int
    score: ConversationScore


class Totals(msgspec.Struct, kw_only=True):
    """What was read. Every entry of every source is a message or stands in `left`.

    Attributes:
        sources: How many were read.
        messages: How many messages.
        conversations: How many conversations.
        forgotten: Those of which something was forgotten, because too many were open at once.
        left: Entries left out, by reason.
        troubles: Messages that were repaired, by what was wrong with them.
        alerts: Conversations at the point or above it that the rule lets alert.
        missing: Files of messages that are not beside the export, or cannot be read.
        files: Files that were looked up in the hash lists.
        known: Of these, how many a list has.
    """

    sources: int = 0
    messages: int = 0
    conversations: int = 0
    forgotten: int = 0
    left: Counter[str] = msgspec.field(default_factory=Counter)
    troubles: Counter[str] = msgspec.field(default_factory=Counter)
    alerts: int = 0
    missing: int = 0
    files: int = 0
    known: int = 0


class Result(msgspec.Struct, kw_only=True):
    """What came of all sources.

    Attributes:
        chosen: The conversations that come first, heaviest first; no more than were asked for.
        points: Of every conversation.
        totals: What was read.
    """

    chosen: Chosen[Ranked]
    points: list[float]
    totals: Totals


class Calm(msgspec.Struct, kw_only=True):
    """The operator's own harmless traffic: points of each conversation, and what was not read."""

    points: list[float] = msgspec.field(default_factory=list)
    left: Counter[str] = msgspec.field(default_factory=Counter)


def score(  # noqa: PLR0913 each is one thing that varies
    sources: Sequence[Of],
    read: Read[Of],
    scorer: Scoring,
    budget: int,
    *,
    known: Known[Of] | None = None,
    keep: Keep[Of] | None = None,
    watch: Callable[[Totals], None] = lambda _totals: None,
) -> Result:
    """Score every conversation of the sources, and keep the `budget` heaviest.

    Args:
        sources: What to read; names of conversations need be unique in each only.
        read: Reads a source, in pieces.
        scorer: Takes messages; empty, and empty again afterwards.
        budget: How many conversations people can read.
        known: Says of files of messages whether a hash list has them, None where it cannot be
            told; None itself where there are no lists.
        keep: Gives what takes a source into a case.
        watch: Told of the totals now and then.
    """
    totals = Totals()
    points: list[float] = []
    choice: Choice[Ranked] = Choice(budget)
    for place, source in enumerate(sources):
        names: dict[str, int] = {}
        kept = keep(source) if keep else None
        for pieces in read(source):
            if kept:
                kept.take(pieces)
            messages = _sorted_out(pieces, totals)
            scorer.take_many(messages)
            _number(source, messages, names, scorer, known, totals)
            watch(totals)
        totals.sources += 1
        for number, made in enumerate(_closed(names, scorer, kept), 1):
            totals.conversations += 1
            totals.alerts += made.alert
            points.append(made.points)
            choice.add(made, Ranked(source=place, number=number, score=made))
        watch(totals)
    return Result(chosen=choice.made(), points=points, totals=totals)


def _closed(
    names: Iterable[str], scorer: Scoring, kept: Kept | None
) -> Iterator[ConversationScore]:
    """Close the conversations of a source, and keep what they add up to."""
    left = iter(names)
    while some := [scorer.close(name) for name in itertools.islice(left, _TOGETHER)]:
        if kept:
            kept.scored(some)
        yield from some
    if kept:
        kept.end()


def _sorted_out(pieces: Iterable[Piece], totals: Totals) -> list[Message]:
    messages: list[Message] = []
    for piece in pieces:
        if isinstance(piece, Left):
            totals.left[piece.reason] += piece.count
        else:
            messages.append(piece)
            totals.troubles.update(one.value for one in piece.troubles)
    totals.messages += len(messages)
    return messages


def _number(  # noqa: PLR0913, PLR0917 the steps of one loop share all of this
    source: Of,
    messages: Sequence[Message],
    names: dict[str, int],
    scorer: Scoring,
    known: Known[Of] | None,
    totals: Totals,
) -> None:
    """Count messages by conversation, and look their files up."""
    carriers: list[tuple[Message, int, MediaRef]] = []
    for message in messages:
        number = names.get(message.conversation, 0)
        names[message.conversation] = number + 1
        carriers += [(message, number, ref) for ref in message.media]
    if known is None or not carriers:
        return
    answers = known(source, [ref for _, _, ref in carriers])
    for (message, number, _), answer in zip(carriers, answers, strict=True):
        totals.missing += answer is None
        totals.files += answer is not None
        if answer:
            totals.known += 1
            scorer.note_known_media(message.conversation, message.id, number, message.author)


def messages_of(source: Of, read: Read[Of], wanted: Iterable[str]) -> Iterator[tuple[int, Message]]:
    """Read a source again, for some conversations; yield their messages with their numbers."""
    numbers = dict.fromkeys(wanted, 0)
    for pieces in read(source):
        for piece in pieces:
            if isinstance(piece, Message) and piece.conversation in numbers:
                yield numbers[piece.conversation], piece
                numbers[piece.conversation] += 1


def lines_of(
    sources: Sequence[Of], read: Read[Of], first: Iterable[Ranked]
) -> Mapping[tuple[int, str], dict[int, str]]:
    """Read sources again for the words of the lines that counted.

    Returns:
        By place of the source and name of the conversation: texts by number of the message.
    """
    found: dict[tuple[int, str], dict[int, str]] = {}
    for ranked in first:
        numbers = (
            shown.number
            for pair in ranked.score.pairs
            for reason in pair.reasons
            for shown in reason.shown
        )
        found[ranked.source, ranked.score.conversation] = dict.fromkeys(numbers, "")
    for place in sorted({source for source, _ in found}):
        wanted = [name for source, name in found if source == place]
        for number, message in messages_of(sources[place], read, wanted):
            lines = found[place, message.conversation]
            if number in lines:
                lines[number] = message.text
    return found
