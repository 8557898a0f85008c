"""Text exports of WhatsApp, of Android and iOS, in several languages.

A line that begins with a date begins a message, other lines go on with it: a text that looks like
such a line cannot be told from one. Whether the day or the month comes first is decided over the
whole file. The export has no ids: an author is a name, and two of one name are one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from tutela.chat.charset import text_of, utf8
from tutela.chat.entries import Entries, malformed
from tutela.chat.format import Opening
from tutela.chat.formats import whatsapp_words as words
from tutela.chat.limits import NAME_CHARS, TEXT_CHARS
from tutela.chat.lines import lines
from tutela.chat.model import Left, Message, Trouble
from tutela.chat.times import calendar

# Marks of direction, and the mark of byte order in the midst of a file that was pieced together.
MARKS: Final = dict.fromkeys(
    (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF), None
)
_SPACES: Final = {0x202F: " ", 0xA0: " ", 0x2009: " "}
_HEAD_CHARS: Final = 60
_HEAD: Final = re.compile(
    r"\[?(\d{1,4})([./-])(\d{1,2})\2(\d{1,4}),? (?:(?:à|um|at|a las) )?"
    r"(\d{1,2})[:.](\d{2})(?:[:.](\d{2}))?(?: ?([apAP])\.? ?[mM]\.?)?(?:\] ?| [-\u2013] )"
)
_FIRST_LINES: Final = 20
# So many dates that allow one reading only are enough, where nearly all agree.
_VOTES: Final = 200
# Whoever gives themselves a name such as "Ann created group" must not be passed over for it.
_TIMES: Final = 3
_MOST_SAID: Final = 1_000


class _Head(NamedTuple):
    """The date of a line, its numbers as they stand there, and what follows."""

    numbers: tuple[int, int, int]
    clock: tuple[int, int, int]
    rest: str


def _head(line: str) -> _Head | None:
    start = line[:_HEAD_CHARS].lstrip()
    if not start or not (start[0].isdigit() or start[0] == "[" or ord(start[0]) in MARKS):
        return None
    clean = start.translate(MARKS).translate(_SPACES)
    found = _HEAD.match(clean)
    if found is None:
        return None
    first, _, second, third, hour, minute, second_of, half = found.groups()
    hours = int(hour)
    if half is not None:
        hours = hours % 12 + (12 if half in "pP" else 0)
    rest = clean[found.end() :] + line.lstrip()[_HEAD_CHARS:]
    return _Head(
        (int(first), int(second), int(third)), (hours, int(minute), int(second_of or 0)), rest
    )


class WhatsApp:
    """See `Format`."""

    name = "whatsapp"

    def looks_like(self, head: bytes, file_name: str) -> bool:  # noqa: ARG002 - the content says it
        """By its first line, or two of the first twenty."""
        found = [
            _head(text_of(line)[0]) is not None
            for line in head.split(b"\n", _FIRST_LINES)[:_FIRST_LINES]
            if line.strip()
        ]
        return sum(found) >= 2 or found[:1] == [True]

    def read(self, stream: BinaryIO, opening: Opening) -> Iterator[Message | Left]:
        """See `Format`."""
        return _Reading(_order(opening.again()), opening).messages(utf8(stream))


class Order(NamedTuple):
    """Where in a date the year, the month and the day stand."""

    year: int
    month: int
    day: int


_YEAR_FIRST: Final = Order(0, 1, 2)
_DAY_FIRST: Final = Order(2, 1, 0)
_MONTH_FIRST: Final = Order(2, 0, 1)


def _order(stream: BinaryIO) -> Order:
    """Decide by dates that allow one reading only, else by which of both goes back less often.

    Where both are alike the day comes first, as in most of the world.
    """
    day = month = year = 0
    back = {_DAY_FIRST: 0, _MONTH_FIRST: 0}
    before = {_DAY_FIRST: (0, 0, 0), _MONTH_FIRST: (0, 0, 0)}
    for line in lines(utf8(stream)):
        found = _head(text_of(line.raw[:400])[0]) if line.raw else None
        if found is None:
            continue
        numbers = found.numbers
        year += numbers[0] > 31
        day += 12 < numbers[0] <= 31
        month += numbers[1] > 12
        if (
            max(day, month, year) >= _VOTES
            and max(day, month, year) > 19 * (day + month + year) // 20
        ):
            break
        for order, last in before.items():
            date = tuple(numbers[place] for place in order)
            back[order] += date < last
            before[order] = (date[0], date[1], date[2])
    if year > max(day, month):
        return _YEAR_FIRST
    if day != month:
        return _DAY_FIRST if day > month else _MONTH_FIRST
    return _MONTH_FIRST if back[_MONTH_FIRST] < back[_DAY_FIRST] else _DAY_FIRST


class _Reading:
    """Gathers the lines of one message at a time."""

    def __init__(self, order: Order, opening: Opening) -> None:
        self._order = order
        self._opening = opening
        self._entries = Entries(opening)
        self._head: _Head | None = None
        self._texts: list[str] = []
        self._size = 0
        self._repaired = False
        self._of_groups: Counter[str] = Counter()

    def messages(self, stream: BinaryIO) -> Iterator[Message | Left]:
        for line in lines(stream):
            text, repaired = text_of(line.raw or b"")
            head = _head(text)
            if head is None and self._head is None:
                if text.strip():
                    yield malformed(f"line {line.number}")
                continue
            if head is not None:
                if self._head is not None:
                    yield self._message(self._head)
                self._head, self._texts, self._size, self._repaired = head, [], 0, False
                text = head.rest
            # What is beyond the longest text is dropped, but for one character that says so.
            if self._size <= TEXT_CHARS + NAME_CHARS + 2:
                self._texts.append(text)
                self._size += len(text) + 1
            self._repaired |= repaired
        if self._head is not None:
            yield self._message(self._head)

    def _message(self, head: _Head) -> Message:
        whole = "\n".join(self._texts)
        author, text = _speaker(whole)
        if author and self._of_group(author):
            author, text = "", whole.translate(MARKS).strip()
        numbers, order = head.numbers, self._order
        date = (numbers[order.year], numbers[order.month], numbers[order.day])
        said = words.read(text.translate(MARKS).strip()) if author else None
        troubles = (Trouble.ENCODING,) if self._repaired else ()
        return self._entries.message(
            self._opening.conversation,
            author,
            text if said is None else said.text,
            time=calendar((*date, *head.clock), self._opening.zone),
            deleted=said is not None and said.deleted,
            system=not author,
            media=said.media if said is not None else (),
            troubles=troubles,
        )

    def _of_group(self, name: str) -> bool:
        """Tell whether WhatsApp speaks of a group: of the same so often only who is called so."""
        if not words.of_group(name):
            return False
        if name not in self._of_groups and len(self._of_groups) >= _MOST_SAID:
            return False
        self._of_groups[name] += 1
        return self._of_groups[name] <= _TIMES


def _speaker(whole: str) -> tuple[str, str]:
    """Return author and text; no author where WhatsApp itself speaks."""
    line, _, _ = whole.partition("\n")
    name, colon, _ = line[: NAME_CHARS + 2].partition(":")
    name = name.translate(MARKS).strip()
    # A name holds no quotes: the system's words on a group may hold both.
    if not colon or not name or any(quote in name for quote in '"\u201c\u201e\u00ab'):
        return "", whole.translate(MARKS).strip()
    text = whole[line.index(":") + 1 :]
    return name, text.removeprefix(" ")
