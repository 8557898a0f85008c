"""Lines of a conversation: which are shown, what of them counted, and what is folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, or_, select

from tutela.observation.conversation_model import Counted, FileNamed, ReasonKept, Sealed
from tutela.observation.conversation_places import message_place
from tutela.observation.sealing import WeekKey, Words
from tutela.store.tables.chat import ConversationMessage

AT_ONCE: Final = 100  # lines of a fold
MOST_OPENED: Final = 500  # lines of folds

Span = tuple[int, int]  # the first and the last number
Signs = Mapping[int, Sequence[tuple[Counted, ReasonKept]]]  # by message


class Part(msgspec.Struct, frozen=True):
    """A piece of a line; `counted` where a sign rests on it."""

    text: str
    counted: bool


class SignHere(msgspec.Struct, frozen=True, kw_only=True):
    """What a line showed: `points` are those of the sign, over all its `count` lines."""

    sign: str
    stage: str
    points: float
    count: int
    rule: str
    similarity: float


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it is shown.

    `parts` is empty where its words were destroyed, and `readable` false then.
    """

    number: int
    speaker: int | None
    at: datetime | None
    deleted: bool
    system: bool
    replies_to: int | None
    characters: int
    files: tuple[FileNamed, ...]
    troubles: tuple[str, ...]
    parts: tuple[Part, ...]
    signs: tuple[SignHere, ...]
    readable: bool
    export_id: str


class Fold(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that are not shown; `last_at_once` is the last of those that one step opens."""

    first: int
    last: int
    last_at_once: int

    @property
    def count(self) -> int:
        """How many lines it folds."""
        return self.last - self.first + 1


def lines_of(  # noqa: PLR0913, PLR0917 which lines, opened by what, with what they showed
    tx: Connection,
    words: Words,
    key: WeekKey | None,
    conversation_id: int,
    spans: Sequence[Span],
    signs: Signs,
) -> list[Line]:
    """Return lines of some spans, with what they showed. Asks nobody's permission.

    Raises:
        IntegrityError: code `sealed`: words were changed, or stand in another place.
    """
    if not spans:
        return []
    number = ConversationMessage.number
    rows = tx.execute(
        select(ConversationMessage.__table__)
        .where(
            ConversationMessage.conversation_id == conversation_id,
            or_(*(number.between(first, last) for first, last in spans)),
        )
        .order_by(number)
    ).all()
    posts = words.opened(tx, [row.post_id for row in rows if row.post_id is not None])
    return [_line(row, _opened(row, key, posts), signs.get(row.number, [])) for row in rows]


def _opened(row: Row[Any], key: WeekKey | None, posts: dict[int, str | None]) -> Sealed | None:
    if row.post_id is not None:
        text = posts.get(row.post_id)
        return None if text is None else Sealed(text)
    if row.sealed is None or key is None:
        return None
    place = message_place(row.conversation_id, row.number)
    return msgspec.json.decode(key.open(row.sealed, place), type=Sealed)


def _line(
    row: Row[Any], opened: Sealed | None, signs: Sequence[tuple[Counted, ReasonKept]]
) -> Line:
    return Line(
        number=row.number,
        speaker=row.speaker,
        at=row.at,
        deleted=row.deleted,
        system=row.system,
        replies_to=row.replies_to,
        characters=row.characters,
        files=opened.files if opened else (),
        troubles=tuple(row.troubles.split()),
        parts=parts(opened.text, [(one.start, one.end) for one, _ in signs]) if opened else (),
        signs=tuple(
            SignHere(
                sign=reason.sign,
                stage=reason.stage,
                points=reason.points,
                count=reason.count,
                rule=place.rule,
                similarity=place.similarity,
            )
            for place, reason in signs
        ),
        readable=opened is not None,
        export_id=opened.id if opened else "",
    )


def parts(text: str, counted: Iterable[Span]) -> tuple[Part, ...]:
    """Return a text in pieces, by places `[start, end)` that counted; they may lie over another."""
    found: list[Part] = []
    done = 0
    for start, end in sorted(counted):
        first, last = max(start, done), min(end, len(text))
        if first >= last:
            continue
        if first > done:
            found.append(Part(text[done:first], counted=False))
        found.append(Part(text[first:last], counted=True))
        done = last
    if done < len(text):
        found.append(Part(text[done:], counted=False))
    return tuple(found)


def folded(lines: Sequence[Line], messages: int) -> Iterator[Line | Fold]:
    """Yield lines in their order, and folds for what is not among them."""
    following = 0
    for line in lines:
        if line.number > following:
            yield _fold(following, line.number - 1)
        yield line
        following = line.number + 1
    if following < messages:
        yield _fold(following, messages - 1)


def _fold(first: int, last: int) -> Fold:
    return Fold(first=first, last=last, last_at_once=min(last, first + AT_ONCE - 1))


def within(opened: Iterable[Span], messages: int) -> tuple[Span, ...]:
    """Return spans that lie in the conversation, joined, and together at most `MOST_OPENED` lines.

    Those that were opened last come last in `opened` and have room first. Of the one that is too
    long for what is left, lines stay that are nearest to the last.
    """
    room = MOST_OPENED
    found: list[Span] = []
    valid = clipped(opened, messages)
    for first, last in reversed(valid):
        if not room:
            break
        start, end = first, min(last, first + room - 1)
        if found and first < found[0][0]:  # what was read before the last
            start, end = max(first, last - room + 1), last
        found.append((start, end))
        room -= end - start + 1
    return tuple(joined(found))


def clipped(opened: Iterable[Span], messages: int) -> list[Span]:
    """Return the parts of spans that lie in a conversation, in the same order."""
    valid = [(max(first, 0), min(last, messages - 1)) for first, last in opened]
    return [(first, last) for first, last in valid if first <= last]


def size(spans: Iterable[Span]) -> int:
    """Return how many lines spans hold."""
    return sum(last - first + 1 for first, last in joined(spans))


def joined(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those that touch made one."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        elif first <= last:
            found.append((first, last))
    return found
