"""Reading tar headers forwards: numbers, pax records, and the maps of sparse files.

Sources: POSIX.1-2017 `pax` (pax interchange format), GNU tar manual, "Storing Sparse Files".
"""

from __future__ import annotations

from typing import BinaryIO

from tutela.core.errors import ContainerError
from tutela.evidence.stream import BLOCK_BYTES, size_of

BLOCK = 512
_PIECES = 1 << 20  # of one sparse file


class Cursor:
    """Reads an archive forwards, by seeking where that is possible."""

    def __init__(self, stream: BinaryIO, position: int = 0) -> None:
        self._stream = stream
        self._seekable = stream.seekable()
        self.position = position
        if position:
            stream.seek(position)

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        data = self._stream.read(size)
        self.position += len(data)
        return data

    def exactly(self, size: int) -> bytes:
        """Return `size` bytes.

        Raises:
            ContainerError: `truncated`.
        """
        data = self.read(size)
        if len(data) < size:
            raise ContainerError("ends in the middle of a header", code="truncated")
        return data

    def go_to(self, position: int) -> None:
        """Move forwards to `position`.

        Raises:
            ContainerError: `truncated`.
        """
        if self._seekable:
            size = size_of(self._stream)
            self.position = self._stream.seek(min(position, size))
            if position > size:
                raise ContainerError("ends in the middle of a file", code="truncated")
        while self.position < position:
            if not self.read(min(BLOCK_BYTES, position - self.position)):
                raise ContainerError("ends in the middle of a file", code="truncated")


def number(field: bytes) -> int:
    """Return a size: octal digits, or base 256 where the first bit is set (GNU).

    Raises:
        ContainerError: `damaged`.
    """
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        number = int(field.partition(b"\0")[0].strip() or b"0", 8)
    except ValueError:
        number = -1
    if number < 0:
        raise ContainerError("a number in a header is damaged", code="damaged")
    return number


def decimal(text: bytes) -> int:
    """Return a number of a pax header; ContainerError (`damaged`) if it is none."""
    if not text.isdigit() or len(text) > 20:
        raise ContainerError("a number in a pax header is damaged", code="damaged")
    return int(text)


def pax_records(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return the keys and values of a pax header, in order; ContainerError (`damaged`)."""
    records = []
    position = 0
    while position < len(data) and data[position]:
        space = data.find(b" ", position, position + 12)
        end = position + decimal(data[position : max(space, position)])
        key, equals, value = data[space + 1 : max(end - 1, 0)].partition(b"=")
        if not space < end <= len(data) or not equals or data[end - 1 : end] != b"\n":
            raise ContainerError("a pax header is damaged", code="damaged")
        records.append((key, value))
        position = end
    return records


def old_sparse(cursor: Cursor, header: bytes) -> tuple[int, list[tuple[int, int]]]:
    """Return size and pieces (position, bytes) of a file of type `S`, reading on as needed."""
    pieces: list[tuple[int, int]] = []
    table, more = header[386:482], header[482]
    while True:
        pieces.extend(
            (number(table[at : at + 12]), number(table[at + 12 : at + 24]))
            for at in range(0, len(table) - 23, 24)
            if table[at]
        )
        if not more:
            return number(header[483:495]), pieces
        if len(pieces) > _PIECES:
            raise ContainerError("a sparse file in too many pieces", code="damaged")
        block = cursor.exactly(BLOCK)
        table, more = block[:504], block[504]


def pax_sparse(
    cursor: Cursor, records: list[tuple[bytes, bytes]], stored: int
) -> tuple[int, list[tuple[int, int]]]:
    """Return size and pieces of a sparse file of format 0.0, 0.1 or 1.0."""
    pax = dict(records)
    size = decimal(pax.get(b"GNU.sparse.realsize") or pax.get(b"GNU.sparse.size") or b"x")
    if pax.get(b"GNU.sparse.major") == b"1":
        numbers = _sparse_map(cursor, stored)
    elif b"GNU.sparse.map" in pax:
        numbers = [decimal(text) for text in pax[b"GNU.sparse.map"].split(b",") if text]
    else:
        wanted = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
        numbers = [decimal(value) for key, value in records if key in wanted]
    return size, list(zip(numbers[::2], numbers[1::2], strict=False))


def _sparse_map(cursor: Cursor, stored: int) -> list[int]:
    """Read the map before the data of format 1.0: lines of numbers, padded to whole blocks."""
    text, end = b"", cursor.position + stored
    count, lines = -1, [b""]
    while count < 0 or len(lines) <= 1 + 2 * count:
        if cursor.position >= end:
            raise ContainerError("a sparse file without its map", code="damaged")
        text += cursor.exactly(BLOCK)
        lines = text.split(b"\n")
        if count < 0 and len(lines) > 1:
            count = decimal(lines[0])
        if count > _PIECES or len(text) > _PIECES * 40:
            raise ContainerError("a sparse file in too many pieces", code="damaged")
    return [decimal(line) for line in lines[1 : 1 + 2 * count]]


def placed(
    pieces: list[tuple[int, int]], data_at: int, size: int, data_end: int
) -> list[tuple[int, int, int]]:
    """Give every piece its place in the archive; pieces must ascend and fit."""
    placed, position = [], 0
    for here, length in pieces:
        if here < position or here + length > size or data_at + length > data_end:
            raise ContainerError("the map of a sparse file is damaged", code="damaged")
        if length:
            placed.append((here, data_at, length))
        position = here + length
        data_at += length
    return placed
