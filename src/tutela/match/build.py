"""Builders: rows come in by and by, a finished segment file comes out, in bounded memory.

Files are written under their final names but count for nothing until a manifest names them; the
next writer sweeps those that no manifest names.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from io import BufferedRandom
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tutela.match import exact, mih
from tutela.match.layout import CHUNKS
from tutela.match.segment import HEADER_BYTES, Kind, Record, Section, Segment, Shape

TABLES_ROWS_MINIMUM = 1 << 16  # below this a plane scan costs little, and half the memory
_BYTES_OF_OFFSETS = 10  # per row at most, in all sixteen tables together
_RUN_ROWS = 1 << 20  # rows of an exact space sorted in memory at once
BLOCK_ROWS = 1 << 16


def shift_for(rows: int) -> int:
    """Return how many bits of a chunk tables drop, so that offsets stay small beside the rows."""
    shift = 0
    while shift < 15 and 4 * CHUNKS * ((1 << (16 - shift)) + 1) > _BYTES_OF_OFFSETS * rows:
        shift += 1
    return shift


class CodeBuilder:
    """Builds the segments of a radius space from regrouped codes."""

    def __init__(self, folder: Path, file: str, space: str) -> None:
        self.rows = 0
        self._folder = folder
        self._file = file
        self._space = space
        self._stack = ExitStack()
        self._out = self._stack.enter_context((folder / file).open("wb+"))
        self._out.write(bytes(HEADER_BYTES))
        self._keys: IO[bytes] = self._stack.enter_context(_spool_file(folder))

    @property
    def room(self) -> int:
        """How many more rows this segment can take."""
        return mih.ROWS_MAXIMUM - self.rows

    def append(self, codes: NDArray[np.uint16], keys: NDArray[np.uint64]) -> None:
        """Add rows: codes (n, 16) regrouped, keys (n,), n at most `room`."""
        self._out.write(np.ascontiguousarray(codes).data)
        self._keys.write(np.ascontiguousarray(keys).data)
        self.rows += len(keys)

    def finish(self, born: int) -> Record:
        """Write what remains and return the record of the segment."""
        kind, parameter = Kind.PLANES, 0
        if self.rows >= TABLES_ROWS_MINIMUM:
            kind, parameter = Kind.TABLES, shift_for(self.rows)
        shape = Shape(kind, parameter, self.rows)
        layout = shape.sections()
        with self._stack:
            self._out.flush()
            _copy(self._keys, self._out, layout["keys"].offset)
            codes = _map(self._out, layout["codes"])
            if kind is Kind.PLANES:
                _write_planes(self._out, layout["planes"], codes)
            else:
                _write_tables(self._out, layout, codes.view(np.uint16), parameter)
            return _seal(self._out, shape, self._file, self._space, born)

    def discard(self) -> None:
        """Give the file up."""
        self._stack.close()
        (self._folder / self._file).unlink(missing_ok=True)


def _write_planes(out: BufferedRandom, section: Section, codes: NDArray[np.uint64]) -> None:
    halves = codes.view(np.uint32)
    for plane in range(section.shape[0]):
        offset = section.offset + 4 * plane * section.shape[1]
        _write_at(out, offset, np.ascontiguousarray(halves[:, plane]))


def _write_tables(
    out: BufferedRandom, layout: dict[str, Section], codes: NDArray[np.uint16], shift: int
) -> None:
    """Write the sixteen tables one after the other: memory for one table at a time."""
    built = (
        np.empty(layout["offsets"].shape[1], np.uint32),
        np.zeros(layout["tags"].shape[1], np.uint16),
        np.zeros(layout["ids"].shape[1], np.uint8),
    )
    for table in range(CHUNKS):
        mih.fill(codes, table, shift, built)
        columns: tuple[NDArray[Any], ...] = built
        for name, values in zip(("offsets", "tags", "ids"), columns, strict=True):
            _write_at(out, layout[name].offset + table * values.nbytes, values)


class ValueBuilder:
    """Builds a segment of an exact space by sorting runs in memory and merging them."""

    def __init__(self, folder: Path, file: str, space: str, width: int) -> None:
        self.rows = 0
        self._folder = folder
        self._file = file
        self._space = space
        self._width = width
        self._waiting: list[tuple[NDArray[np.uint8], NDArray[np.uint64]]] = []
        self._waiting_rows = 0
        self._ends: list[int] = []
        self._stack = ExitStack()
        self._out = self._stack.enter_context((folder / file).open("wb+"))
        self._values: IO[bytes] = self._stack.enter_context(_spool_file(folder))
        self._keys: IO[bytes] = self._stack.enter_context(_spool_file(folder))

    def append(self, values: NDArray[np.uint8], keys: NDArray[np.uint64]) -> None:
        """Add rows in any order: values (n, width), keys (n,)."""
        self._waiting.append((values.copy(), keys.copy()))
        self._waiting_rows += len(keys)
        self.rows += len(keys)
        if self._waiting_rows >= _RUN_ROWS:
            self._sort_waiting()

    def append_sorted(self, blocks: Iterator[tuple[NDArray[np.uint8], NDArray[np.uint64]]]) -> None:
        """Add rows that are sorted already, in blocks."""
        self._sort_waiting()
        for values, keys in blocks:
            self._spool(values, keys)
            self.rows += len(keys)
        self._ends.append(self.rows)

    def finish(self, born: int) -> Record:
        """Merge the runs and return the record of the segment."""
        self._sort_waiting()
        shape = Shape(Kind.SORTED, self._width, self.rows)
        with self._stack:
            self._merge(shape.sections())
            return _seal(self._out, shape, self._file, self._space, born)

    def discard(self) -> None:
        """Give the file up."""
        self._stack.close()
        (self._folder / self._file).unlink(missing_ok=True)

    def _sort_waiting(self) -> None:
        if not self._waiting_rows:
            return
        values = np.concatenate([values for values, _ in self._waiting])
        keys = np.concatenate([keys for _, keys in self._waiting])
        self._waiting.clear()
        self._waiting_rows = 0
        order = np.argsort(exact.prefixes(values), kind="stable")
        for begin in range(0, len(order), BLOCK_ROWS):
            block = order[begin : begin + BLOCK_ROWS]
            self._spool(values[block], keys[block])
        self._ends.append(self.rows)

    def _spool(self, values: NDArray[np.uint8], keys: NDArray[np.uint64]) -> None:
        self._values.write(np.ascontiguousarray(values).data)
        self._keys.write(np.ascontiguousarray(keys).data)

    def _merge(self, layout: dict[str, Section]) -> None:
        self._values.flush()
        self._keys.flush()
        runs = (
            _map(self._values, Section(0, "<u1", (self.rows, self._width))),
            _map(self._keys, Section(0, "<u8", (self.rows,))),
        )
        ends = np.array(self._ends, np.int64)
        cursors = np.concatenate(([0], ends[:-1])).astype(np.int64)
        out = (np.empty((BLOCK_ROWS, self._width), np.uint8), np.empty(BLOCK_ROWS, np.uint64))
        done = 0
        while count := exact.merge(runs, cursors, ends, out):
            _write_at(self._out, layout["values"].offset + done * self._width, out[0][:count])
            _write_at(self._out, layout["keys"].offset + 8 * done, out[1][:count])
            done += count


def write_deleted(
    folder: Path, file: str, keys: NDArray[np.uint64], sequences: NDArray[np.int64]
) -> Record:
    """Write the segment of deleted keys (n,), sorted, and the sequences (n,) of their deletion."""
    shape = Shape(Kind.DELETED, 0, len(keys))
    layout = shape.sections()
    with (folder / file).open("wb+") as out:
        _write_at(out, layout["keys"].offset, keys)
        _write_at(out, layout["sequences"].offset, sequences)
        return _seal(out, shape, file, space="", born=0)


def rekeyed(
    segment: Segment, keys: NDArray[np.uint64], folder: Path, file: str, born: int
) -> Record:
    """Write a copy of `segment` as `folder`/`file` with other keys (n,), and return its record."""
    shape = segment.record.shape
    with segment.path.open("rb") as source, (folder / file).open("wb+") as out:
        _copy(source, out, 0)
        _write_at(out, shape.sections()["keys"].offset, keys)
        return _seal(out, shape, file, segment.record.space, born)


def _spool_file(folder: Path) -> IO[bytes]:
    """Open a file without a name; it is gone when closed, also after a crash."""
    return tempfile.TemporaryFile(dir=folder, prefix="segment-")


def _write_at(out: BufferedRandom, offset: int, values: NDArray[Any]) -> None:
    out.seek(offset)
    out.write(np.ascontiguousarray(values).data)


def _copy(source: IO[bytes], out: BufferedRandom, offset: int) -> None:
    source.seek(0)
    out.seek(offset)
    while block := source.read(1 << 20):
        out.write(block)


def _map(stream: IO[bytes], section: Section) -> NDArray[Any]:
    """Map a section of a file that is being written."""
    stream.flush()
    return np.memmap(stream, section.dtype, "r", section.offset, section.shape)


def _seal(out: BufferedRandom, shape: Shape, file: str, space: str, born: int) -> Record:
    """Write the header, make the file durable, and describe it."""
    out.seek(0)
    out.write(shape.header())
    out.truncate(shape.size_bytes())
    out.flush()
    os.fsync(out.fileno())
    out.seek(0)
    digest = hashlib.file_digest(out, "sha256").hexdigest()
    return Record(file, space, *shape, born, shape.size_bytes(), digest)
