"""Cuts a JSON document of any size into the values at wanted places, in bounded memory.

The parsers at hand build each value before anybody can say that it is too long, and end at the
first byte that is not JSON. This one only finds where values begin and end: what a place holds is
given as bytes, to be decoded by msgspec, so that one bad message costs itself and no more. Strings
that are longer than any text that is kept lose their rest on the way (`squeeze`).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple

from tutela.chat.limits import ENTRY_BYTES
from tutela.chat.squeeze import JSON, KEPT_BYTES, LONG_BYTES, SQUEEZED_BYTES, shortened
from tutela.core.errors import InputError

_BLOCK: Final = 1 << 17
_DEPTH: Final = 64  # of what is gone into, and of one value
_KEY_BYTES: Final = 4_096

# Up to the next bracket that stands in no string. Possessive: linear.
_BRACKET: Final = re.compile(
    rb'[^"{}\[\]]*+(?:"(?:[^"\\]++|\\.)*+"[^"{}\[\]]*+)*+([{}\[\]])', re.DOTALL
)
_BESIDE: Final = re.compile(rb'[^"{}\[\]]*+(?:"(?:[^"\\]++|\\.)*+"[^"{}\[\]]*+)*+', re.DOTALL)
_SPACE: Final = re.compile(rb"[ \t\r\n,]*+")
_BLANK: Final = re.compile(rb"[ \t\r\n]*+")
_SCALAR: Final = re.compile(rb"[^ \t\r\n,\]}\"{\[]*+")
_OPENING: Final = b"{["


class What(enum.Enum):
    """What is to be done with the value at a place."""

    ENTER = enum.auto()
    GIVE = enum.auto()
    SKIP = enum.auto()


Path = tuple[str, ...]


class Cut(NamedTuple):
    """A value.

    Attributes:
        path: Where: keys, and "*" for each array on the way.
        number: Its place in the array that it lies in, from 0.
        raw: Its bytes; None where it is too large or too deep to be a message.
        start: Where it begins in the stream, in bytes.
        end: Where it ends.
    """

    path: Path
    number: int
    raw: bytes | None
    start: int
    end: int


class _Frame:
    """An object or array that was gone into."""

    __slots__ = ("array", "number", "path")

    def __init__(self, path: Path, *, array: bool) -> None:
        self.path = (*path, "*") if array else path
        self.array = array
        self.number = -1


class Walk:
    """One way through a document; iterate over `cuts` once.

    Args:
        stream: UTF-8.
        plan: Says what to do with a place. What is no object or array is not gone into.
    """

    def __init__(self, stream: BinaryIO, plan: Callable[[Path], What]) -> None:
        self._stream = stream
        self._plan = plan
        self._buffer = bytearray()
        self._at = 0
        self._base = 0  # where the buffer begins in the stream; squeezed bytes count
        self._ended = False

    def cuts(self) -> Iterator[Cut]:
        """Yield the values that the plan wants, in order.

        Raises:
            InputError: `truncated`, the document ends within a value; `broken_json`, there is
                something where nothing of the kind may stand; `nesting`.
        """
        frames: list[_Frame] = []
        while True:
            first = self._peek(_SPACE)
            frame = frames[-1] if frames else None
            if not first:
                if frames:
                    raise InputError("it ends within a value", code="truncated")
                return
            if first in b"]}":
                if frame is None or frame.array != (first == b"]"):
                    raise self._broken()
                frames.pop()
                self._at += 1
                continue
            path: Path = ()
            if frame is not None:
                path = frame.path if frame.array else (*frame.path, self._key(first))
                frame.number += 1
                first = self._peek(_SPACE)
            what = self._plan(path)
            if what is What.ENTER and first and first in _OPENING:
                if len(frames) == _DEPTH:
                    raise InputError("it nests deeper than any export does", code="nesting")
                self._at += 1
                frames.append(_Frame(path, array=first == b"["))
                continue
            start = self._base + self._at
            raw = self._value(first, keep=what is What.GIVE)
            if what is What.GIVE:
                number = frame.number if frame is not None else 0
                yield Cut(path, number, raw, start, self._base + self._at)

    def _broken(self) -> InputError:
        return InputError(
            f"what stands at byte {self._base + self._at} is no JSON", code="broken_json"
        )

    def _fill(self) -> bool:
        """Read on; tell whether there was more."""
        if self._ended:
            return False
        block = self._stream.read(_BLOCK)
        self._ended = not block
        self._buffer += block
        return not self._ended

    def _settle(self, keep_from: int) -> None:
        """Forget what lies before a place."""
        if keep_from:
            del self._buffer[:keep_from]
            self._base += keep_from
            self._at -= keep_from

    def _peek(self, space: re.Pattern[bytes]) -> bytes:
        """Go over space to the next byte, and return it; empty at the end."""
        while True:
            found = space.match(self._buffer, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._buffer):
                return bytes(self._buffer[self._at : self._at + 1])
            self._settle(self._at)
            if not self._fill():
                return b""

    def _key(self, first: bytes) -> str:
        if first != b'"':
            raise self._broken()
        raw = self._value(first, keep=True) or b""
        if self._peek(_BLANK) != b":":
            raise self._broken()
        self._at += 1
        return raw[1:-1][:_KEY_BYTES].decode("utf-8", "replace")

    def _value(self, first: bytes, *, keep: bool) -> bytes | None:
        """Go over one value, and return its bytes if they are to be kept and few enough."""
        self._settle(self._at)
        self._kept, self._dropped, self._scan = keep, 0, 0
        if first == b'"':
            self._string()
        elif first and first in _OPENING:
            self._nested()
        else:
            self._scalar()
        raw = bytes(memoryview(self._buffer)[: self._scan]) if self._kept else None
        self._at = self._scan
        return raw

    def _scalar(self) -> None:
        while True:
            found = _SCALAR.match(self._buffer, self._scan)
            assert found is not None
            self._scan = found.end()
            if self._scan < len(self._buffer) or not self._more():
                break
        if not self._scan and not self._dropped:
            raise self._broken()

    def _more(self) -> bool:
        """Read on within a value, and let go of what need not be kept."""
        if self._dropped + self._scan > ENTRY_BYTES or self._scan > SQUEEZED_BYTES:
            self._kept = False
        if not self._kept and self._scan:
            self._cut(0, self._scan)
            self._scan = 0
        return self._fill()

    def _cut(self, start: int, end: int) -> None:
        """Drop bytes of the buffer in the midst of a value."""
        del self._buffer[start:end]
        self._base += end - start
        self._dropped += end - start

    def _nested(self) -> None:
        depth = 0
        while True:
            found = _BRACKET.match(self._buffer, self._scan)
            if found is None:
                self._beyond()
                continue
            self._scan = found.end()
            if self._buffer[self._scan - 1] in _OPENING:
                depth += 1
                if depth > _DEPTH:
                    self._kept = False
            else:
                depth -= 1
                if not depth:
                    return

    def _beyond(self) -> None:
        """There is no further bracket in what was read: read on."""
        if len(self._buffer) - self._scan > LONG_BYTES:
            found = _BESIDE.match(self._buffer, self._scan)
            assert found is not None
            self._scan = found.end()
            if self._buffer[self._scan : self._scan + 1] == b'"':
                self._string()
                return
        if not self._more():
            raise InputError("it ends within a value", code="truncated")

    def _string(self) -> None:
        """Go over one string, and drop what is too much of it."""
        start = self._scan + 1
        at = start
        while True:
            found = JSON.match(self._buffer, at)
            assert found is not None
            at = found.end()
            closed = self._buffer[at : at + 1] == b'"'
            if at - start > KEPT_BYTES + LONG_BYTES or (closed and at - start > KEPT_BYTES):
                kept = shortened(JSON, self._buffer, start, KEPT_BYTES)
                self._cut(start + len(kept), at)
                at = start + len(kept)
            if closed:
                self._scan = at + 1
                return
            if not self._fill():
                raise InputError("it ends within a value", code="truncated")
