"""Bounded reading of text files: lines, and records of separated values."""

from __future__ import annotations

import contextlib
import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from tutela.hashlist.format import BadRow, RowError

LINE_LIMIT = 1 << 20  # bytes; also of one record
RECORD_LINES = 64  # lines over which a quoted field may run
BOM = b"\xef\xbb\xbf"


def lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number from 1, line without its end) of each line; None for one that is too long.

    A byte order mark is dropped; CR LF and LF both end a line.
    """
    for number, line in _pieces(stream):
        yield number, line.rstrip(b"\r\n") if line is not None else None


def _pieces(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    number = 0
    while piece := stream.readline(LINE_LIMIT):
        number += 1
        if number == 1:
            piece = piece.removeprefix(BOM)
            if not piece:
                return
        if len(piece) >= LINE_LIMIT and not piece.endswith(b"\n"):
            while (piece := stream.readline(LINE_LIMIT)) and not piece.endswith(b"\n"):
                pass
            yield number, None
        else:
            yield number, piece


def too_long() -> RowError:
    """Return the error of a line beyond the limit."""
    return RowError("too_long", f"the line is longer than {LINE_LIMIT} bytes")


def decoded(line: bytes) -> str:
    """Return `line` as text, or raise RowError when it is not UTF-8 or holds a NUL."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RowError("not_utf8", f"byte {error.start} of the line is not UTF-8") from None
    if "\0" in text:
        raise RowError("nul", "the row holds a NUL character")
    return text


def records(stream: BinaryIO, delimiter: str = ",") -> Iterator[tuple[int, list[str] | BadRow]]:
    """Yield (record number from 0, fields or a bad row) of a file of separated values (RFC 4180).

    Record 0 is the header. Blank lines are no records. A quote that never closes costs its own line
    and no more: the reading resumes behind it.
    """
    source = _lines_with_ends(stream)
    ahead: deque[bytes | None] = deque()  # read in search of a closing quote, and given back
    number, width = -1, 0
    while True:
        line = ahead.popleft() if ahead else next(source, b"")
        if line == b"":
            return
        if line is not None and not line.strip():
            continue
        number += 1
        if line is None:
            yield number, too_long().at(number, "")
            continue
        fields: list[str] | BadRow
        try:
            if line.count(b'"') % 2:
                fields = _quoted(line, ahead, source, delimiter, width)
            else:
                fields = _split(line, delimiter)
            width = width or len(fields)
        except RowError as error:
            fields = error.at(number, line)
        yield number, fields


def _lines_with_ends(stream: BinaryIO) -> Iterator[bytes | None]:
    for _, line in _pieces(stream):
        yield line


def _split(record: bytes, delimiter: str) -> list[str]:
    text = decoded(record).removesuffix("\n").removesuffix("\r")
    csv.field_size_limit(LINE_LIMIT)  # of the whole process: others may have set it to anything
    try:
        return next(csv.reader((text,), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise RowError("csv", f"not separated values: {error}") from None


def _quoted(
    first: bytes,
    ahead: deque[bytes | None],
    source: Iterator[bytes | None],
    delimiter: str,
    width: int,
) -> list[str]:
    """Return the fields of a record whose quotes run over the end of its `first` line.

    Where no sound record of `width` fields comes of it, gives back the lines it read and raises.
    """
    parts = [first]
    quotes, size = first.count(b'"'), len(first)
    while quotes % 2 and len(parts) < RECORD_LINES and size < LINE_LIMIT:
        line = ahead.popleft() if ahead else next(source, b"")
        if not line:
            if line is None:
                ahead.appendleft(line)
            break
        parts.append(line)
        quotes += line.count(b'"')
        size += len(line)
    fields: list[str] = []
    with contextlib.suppress(RowError):
        fields = _split(b"".join(parts), delimiter) if quotes % 2 == 0 else []
    if not fields or (width and len(fields) != width):
        ahead.extendleft(reversed(parts[1:]))
        raise RowError("quote", "a quote is out of place or never closed")
    return fields


def named_fields(header: list[str], fields: list[str]) -> dict[str, str]:
    """Return the fields of a record by column; raise RowError when their number is not right."""
    if len(fields) != len(header):
        raise RowError("columns", f"{len(fields)} fields where the header has {len(header)}")
    return dict(zip(header, fields, strict=True))


class _Utf8:
    """What the csv module writes to, as UTF-8."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(text.encode())


def write_records(stream: BinaryIO) -> Callable[[Iterable[str | int]], object]:
    """Return a function that writes one record of separated values (RFC 4180) to `stream`."""
    return csv.writer(_Utf8(stream), lineterminator="\r\n").writerow
