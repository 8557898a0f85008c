"""Records of separated values (RFC 4180), also over many lines, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from tutela.chat.limits import ENTRY_BYTES
from tutela.chat.squeeze import CSV, KEPT_BYTES, LONG_BYTES, SQUEEZED_BYTES, Squeeze

# What is read in search of a closing quote, and given back where there is none.
_AHEAD_BYTES: Final = 1 << 20
_CLOSING: Final = re.compile(rb'(?:[^"]++|"")*+"')


class Record(NamedTuple):
    """One record; `number` is that of its first line, from 1. None where it is too large."""

    number: int
    raw: bytes | None


class Records:
    """Cuts a stream into records; iterate once.

    A quote that never closes costs its own line and no more, where the file ends within 1 MiB of
    it.
    """

    def __init__(self, stream: BinaryIO, delimiter: bytes) -> None:
        self._stream = stream
        self._given_back: list[bytes] = []
        self._number = 0
        self._delimiter = delimiter
        between = re.escape(delimiter)
        # A quote counts at the start of a field only. It matches what ends in an open field.
        field = rb'(?:"(?:[^"]++|"")*+"[^%s]*+|[^"%s][^%s]*+|)' % ((between,) * 3)
        self._open = re.compile(rb'(?:%s%s)*+"(?:[^"]++|"")*+\Z' % (field, between))
        self._behind = re.compile(rb"[^%s]*+(%s)?" % (between, between))

    def __iter__(self) -> Iterator[Record]:
        """Yield the records; blank lines are none."""
        while piece := self._piece():
            if not piece.strip():
                continue
            number = self._number + (not piece.endswith(b"\n"))
            if self._whole(piece) and not self._ends_open(piece, 0):
                yield Record(number, piece.rstrip(b"\r\n"))
            else:
                yield Record(number, self._joined(piece))

    def _piece(self) -> bytes:
        """Return the next line, or the next part of a long one."""
        piece = self._given_back.pop() if self._given_back else self._stream.readline(LONG_BYTES)
        self._number += piece.endswith(b"\n")
        return piece

    @staticmethod
    def _whole(piece: bytes) -> bool:
        return piece.endswith(b"\n") or len(piece) < LONG_BYTES

    def _ends_open(self, piece: bytes, at: int) -> bool:
        return b'"' in piece and self._open.match(piece, at) is not None

    def _still_open(self, piece: bytes) -> bool:
        """Whether a field that was open before a line is one behind it, or another is."""
        found = _CLOSING.match(piece)
        if found is None:
            return True
        behind = self._behind.match(piece, found.end())
        return behind is not None and bool(behind[1]) and self._ends_open(piece, behind.end())

    def _joined(self, first: bytes) -> bytes | None:
        """Return a record that does not end with the piece that it begins with."""
        growing = _Growing(first, self._delimiter)
        # Of a line that comes in parts only the quotes are counted.
        is_open = self._whole(first) or first.count(b'"') % 2 == 1
        last = first
        while is_open or not self._whole(last):
            last = self._piece()
            if not last or growing.size > ENTRY_BYTES:
                break
            growing.add(last, quoted=is_open)
            if b'"' not in last:
                continue
            if is_open and self._whole(last) and growing.size <= LONG_BYTES:
                is_open = self._still_open(last)
            else:
                is_open ^= last.count(b'"') % 2 == 1
        if not last and is_open and growing.size <= _AHEAD_BYTES:
            self._number -= sum(piece.endswith(b"\n") for piece in growing.ahead)
            self._given_back += reversed(growing.ahead)
            return None
        return growing.record()


class _Growing:
    """A record to which piece after piece is added; what is too long of a field is dropped."""

    def __init__(self, first: bytes, delimiter: bytes) -> None:
        self.size = len(first)
        self.ahead: list[bytes] = []
        self._delimiter = delimiter
        self._kept = bytearray(first)
        self._squeeze: Squeeze | None = None

    def add(self, piece: bytes, *, quoted: bool) -> None:
        """Add a piece that begins within quotes, or does not."""
        self.size += len(piece)
        if self.size <= _AHEAD_BYTES:
            self.ahead.append(piece)
        if self._squeeze is None and len(self._kept) > LONG_BYTES:
            self._squeeze = Squeeze(CSV)
            self._kept = bytearray(self._squeeze.feed(bytes(self._kept)))
        if self._squeeze is None:
            self._kept += piece
        elif b'"' not in piece and not quoted and len(self._kept) > KEPT_BYTES:
            found = piece.find(self._delimiter)
            self._kept += piece[found:] if found >= 0 else piece[len(piece.rstrip(b"\r\n")) :]
        elif len(self._kept) <= SQUEEZED_BYTES and (b'"' in piece or not self._squeeze.full):
            self._kept += self._squeeze.feed(piece)

    def record(self) -> bytes | None:
        """Return what is kept; None where that is no message."""
        if self.size > ENTRY_BYTES or len(self._kept) > SQUEEZED_BYTES:
            return None
        return bytes(self._kept.rstrip(b"\r\n"))
