"""Segment files: immutable, memory-mapped, and of a size that follows from their header.

A file is a header of 64 bytes and then the sections that `Shape` lists, each aligned to 64
bytes, all numbers little-endian. Nothing in it is parsed beyond the header: the arrays are the
sections themselves. A file shorter or longer than its header says is refused at opening; its
content is held against the SHA-256 in the manifest by `verify`.
"""

from __future__ import annotations

import enum
import hashlib
import mmap
import os
import struct
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.core.errors import IntegrityError
from tutela.match.layout import CHUNKS

HEADER = struct.Struct("<8sHHQ")  # magic, kind, parameter, rows
HEADER_BYTES = 64
MAGIC = b"TUTELA\x00\x01"
ALIGNMENT = 64
HINT = "restore the index from a copy, or import the lists again"


class Kind(enum.IntEnum):
    """What a segment holds. The parameter is the shift of TABLES and the value width of SORTED."""

    PLANES = 1
    TABLES = 2
    SORTED = 3
    DELETED = 4


class Section(NamedTuple):
    """A section of a segment file: an array at an offset in bytes."""

    offset: int
    dtype: str
    shape: tuple[int, ...]

    @property
    def end(self) -> int:
        """The offset behind the section, aligned."""
        return aligned(self.offset + prod(self.shape) * np.dtype(self.dtype).itemsize)


def aligned(offset: int) -> int:
    """Return `offset` rounded up to the alignment of sections."""
    return -(-offset // ALIGNMENT) * ALIGNMENT


class Shape(NamedTuple):
    """What the header says, from which the place of every section follows."""

    kind: Kind
    parameter: int
    rows: int

    def header(self) -> bytes:
        """Return the header of the file."""
        return HEADER.pack(MAGIC, *self).ljust(HEADER_BYTES, b"\x00")

    def size_bytes(self) -> int:
        """Return the size of the file."""
        return max(section.end for section in self.sections().values())

    def sections(self) -> dict[str, Section]:
        """Return the sections in file order."""
        found: dict[str, Section] = {}
        offset = HEADER_BYTES
        for name, dtype, shape in self._columns():
            found[name] = Section(offset, dtype, shape)
            offset = found[name].end
        return found

    def _columns(self) -> list[tuple[str, str, tuple[int, ...]]]:
        rows = self.rows
        match self.kind:
            case Kind.SORTED:
                return [("values", "<u1", (rows, self.parameter)), ("keys", "<u8", (rows,))]
            case Kind.DELETED:
                return [("keys", "<u8", (rows,)), ("sequences", "<i8", (rows,))]
            case Kind.PLANES:
                return [
                    ("codes", "<u8", (rows, 4)),
                    ("keys", "<u8", (rows,)),
                    ("planes", "<u4", (3, aligned(4 * rows) // 4)),
                ]
            case Kind.TABLES:
                # Whole vectors are read from any place in the tags: hence their padding.
                return [
                    ("codes", "<u8", (rows, 4)),
                    ("keys", "<u8", (rows,)),
                    ("offsets", "<u4", (CHUNKS, (1 << (16 - self.parameter)) + 1)),
                    ("tags", "<u2", (CHUNKS, aligned(2 * rows + 64) // 2)),
                    ("ids", "<u1", (CHUNKS, aligned(3 * rows))),
                ]


class Record(msgspec.Struct, frozen=True):
    """What the manifest says of a segment; `born` is the sequence at which it was written."""

    file: str
    space: str
    kind: Kind
    parameter: int
    rows: int
    born: int
    size_bytes: int
    sha256: str

    @property
    def shape(self) -> Shape:
        """What the header of the file says."""
        return Shape(self.kind, self.parameter, self.rows)


class Segment:
    """An open segment: its record, and its sections as read-only arrays over the mapped file."""

    def __init__(self, folder: Path, record: Record) -> None:
        """Map a file.

        Raises:
            FileNotFoundError: it is not there (any more).
            IntegrityError: its size or header is not what the manifest says.
        """
        self.record = record
        self.path = folder / record.file
        shape = record.shape
        with self.path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            if size != record.size_bytes or size != shape.size_bytes():
                raise IntegrityError(
                    f"segment {record.file} has {size} bytes and should have {record.size_bytes}",
                    code="segment_size",
                    hint=HINT,
                )
            self._map = mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ)
        if self._map[:HEADER_BYTES] != shape.header():
            raise IntegrityError(
                f"segment {record.file} does not begin with the header it should have",
                code="segment_header",
                hint=HINT,
            )
        self.arrays: dict[str, NDArray[Any]] = {
            name: np.frombuffer(self._map, dtype, prod(size), offset).reshape(size)
            for name, (offset, dtype, size) in shape.sections().items()
        }

    def prewarm(self) -> None:
        """Have the kernel read the file ahead, and touch every page of it."""
        self._map.madvise(mmap.MADV_WILLNEED)
        np.frombuffer(self._map, np.uint8)[:: mmap.PAGESIZE].max()

    def verify(self) -> None:
        """Hold the whole file against its SHA-256.

        Raises:
            IntegrityError: it differs.
        """
        if hashlib.sha256(self._map).hexdigest() != self.record.sha256:
            raise IntegrityError(
                f"segment {self.record.file} was changed or damaged after it was written",
                code="segment_digest",
                hint=HINT,
            )
