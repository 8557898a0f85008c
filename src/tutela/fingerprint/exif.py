"""Reads the directories of an EXIF block (TIFF 6.0, section 2; Exif 2.32, section 4.6).

The block comes from evidence. Nothing here follows a pointer twice, takes a length on trust or does
more than a fixed amount of work: a directory has at most `ENTRIES` entries, and a value is cut out
of the block only where it is asked for. What lies outside the block is not there.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from typing import NamedTuple

# Cameras write about 60 in the fullest directory.
ENTRIES = 512
TEXT_BYTES = 1024

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 13: 4}
_ASCII = (1, 2, 7)
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I"}
_RATIONAL = 5


class Value(NamedTuple):
    """What an entry says: type and number of its values, and where in the block they lie."""

    kind: int
    length: int
    at: int


Directory = dict[int, Value]


class Block:
    """An EXIF block, with or without the `Exif` mark before it; a whole TIFF file is one, too.

    Args:
        data: The block; any bytes.
        start: Where offsets count from; a maker's note may count from its own beginning.
        order: `<` or `>` where no header says it.
    """

    def __init__(self, data: bytes, start: int = 0, order: str = "") -> None:
        self.data = data
        self.start = start + 6 if data[start : start + 6] == b"Exif\0\0" else start
        self.order = order or {b"II*\0": "<", b"MM\0*": ">"}.get(self._cut(0, 4), "")

    def first(self) -> Directory:
        """Return the first directory by tag, empty where there is none."""
        return self.directory(self._number("I", 4))

    def directory(self, at: int | None) -> Directory:
        """Return the directory at an offset by tag; of a tag that comes twice, the first."""
        found: Directory = {}
        count = None if at is None else self._number("H", at)
        if at is None or count is None:
            return found
        for place in range(at + 2, at + 2 + 12 * min(count, ENTRIES), 12):
            entry = self._cut(place, 12)
            if len(entry) < 12:
                break
            tag, kind, length = struct.unpack(f"{self.order}HHI", entry[:8])
            inline = _SIZES.get(kind, 8) * length <= 4
            held = place + 8 if inline else struct.unpack(f"{self.order}I", entry[8:])[0]
            found.setdefault(tag, Value(kind, length, held))
        return found

    def raw(self, value: Value | None) -> bytes:
        """Return a text's bytes, at most `TEXT_BYTES`; empty where it is none, or is not there."""
        if value is None or value.kind not in _ASCII or value.length > TEXT_BYTES:
            return b""
        return self._cut(value.at, value.length)

    def integer(self, value: Value | None) -> int | None:
        """Return a single number."""
        if value is None or value.length != 1 or value.kind not in _INTEGERS:
            return None
        return self._number(_INTEGERS[value.kind], value.at)

    def rationals(self, value: Value | None, count: int) -> tuple[Fraction, ...]:
        """Return `count` unsigned fractions; none where one of them is divided by zero."""
        if value is None or (value.kind, value.length) != (_RATIONAL, count):
            return ()
        held = self._cut(value.at, 8 * count)
        if len(held) < 8 * count or not self.order:
            return ()
        numbers = struct.unpack(f"{self.order}{2 * count}I", held)
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
        return tuple(Fraction(n, d) for n, d in pairs) if all(d for _, d in pairs) else ()

    def place(self, value: Value | None) -> int | None:
        """Return where a value begins in `data`, if it lies there."""
        if value is None or not 0 <= self.start + value.at < len(self.data):
            return None
        return self.start + value.at

    def _number(self, kind: str, at: int) -> int | None:
        size = struct.calcsize(f"={kind}")
        held = self._cut(at, size)
        if not self.order or len(held) < size:
            return None
        return int(struct.unpack(f"{self.order}{kind}", held)[0])

    def _cut(self, at: int, size: int) -> bytes:
        return self.data[self.start + at : self.start + at + size]
