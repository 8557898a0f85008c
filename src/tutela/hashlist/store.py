"""The entries of one list on disk: packed records, and where each ends.

`entries.bin` holds one msgpack record per entry, `entries.idx` their ends as little-endian u64;
both are memory-mapped to read. What is the same for a whole list stands once, in its `ListInfo`.
A list that grows has more behind what counts while it is written to, and its files another stem.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.core.entry import Classification, ListEntry, Provenance, State
from tutela.core.errors import IntegrityError
from tutela.core.media import Digests, Fingerprint
from tutela.match.manifest import sync_folder

STEM = "entries"


class Record(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """An entry as stored; `came` only where it differs from the list's own provenance."""

    row: int
    md5: bytes | None = None
    sha1: bytes | None = None
    sha256: bytes | None = None
    classifications: tuple[tuple[str, str], ...] = ()
    fingerprints: tuple[tuple[str, bytes, int, str, int], ...] = ()
    withdrawn: bool = False
    extra: bytes = b""
    came: Provenance | None = None

    @classmethod
    def of(cls, entry: ListEntry, own: Provenance) -> Record:
        """Return the record of an entry of a list whose provenance is `own`."""
        came = entry.provenance
        alike = (
            came.list == own.list
            and came.source == own.source
            and came.received_at == own.received_at
            and came.received_from == own.received_from
        )
        digests = entry.digests
        return cls(
            came.row,
            digests.md5,
            digests.sha1,
            digests.sha256,
            tuple((c.scheme, c.code) for c in entry.classifications),
            tuple((f.algorithm, f.bits, f.quality, f.variant, f.frame) for f in entry.fingerprints),
            entry.state is not State.ACTIVE,
            entry.extra,
            None if alike else came,
        )

    def entry(self, own: Provenance) -> ListEntry:
        """Return the entry of a list whose provenance is `own`."""
        came = self.came or Provenance(
            own.list, own.source, self.row, own.received_at, own.received_from
        )
        return ListEntry(
            came,
            Digests(self.md5, self.sha1, self.sha256),
            tuple(Fingerprint(*fields) for fields in self.fingerprints),
            tuple(Classification(*fields) for fields in self.classifications),
            State.WITHDRAWN if self.withdrawn else State.ACTIVE,
            self.extra,
        )


class EntryWriter:
    """Appends packed records to the files of a list folder; a context manager.

    They are new, or hold `count` records in `size_bytes`: what stands behind those is the rest
    of a crash and goes. What was written is durable only when `finish` has returned.
    """

    def __init__(
        self, folder: Path, stem: str = STEM, *, count: int = 0, size_bytes: int = 0
    ) -> None:
        self.count = count
        self.size_bytes = size_bytes
        records, ends = paths(folder, stem)
        self._records = _opened(records, size_bytes)
        self._ends = _opened(ends, 8 * count)

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close both files."""
        self._records.close()
        self._ends.close()

    def append(
        self, records: bytes | memoryview, ends: NDArray[np.uint32] | NDArray[np.uint64]
    ) -> None:
        """Append a batch: `ends` (n,) are the ends of the records within `records`."""
        self._records.write(records)
        self._ends.write((ends.astype("<u8") + np.uint64(self.size_bytes)).tobytes())
        self.size_bytes += len(records)
        self.count += len(ends)

    def finish(self) -> None:
        """Flush both files to the disk."""
        make_durable(self._records)
        make_durable(self._ends)


class EntryReader:
    """Reads the entries of one list folder by number, from 0.

    Raises:
        IntegrityError: the two files do not fit each other, or a record cannot be read.
    """

    def __init__(
        self, folder: Path, own: Provenance, count: int, *, stem: str = STEM, growing: bool = False
    ) -> None:
        self._own = own
        self._folder = folder
        self._decode = msgspec.msgpack.Decoder(Record).decode
        records, ends = paths(folder, stem)
        self._records = _mapped(records)
        mapped = _mapped(ends)
        self._ends = np.frombuffer(mapped, dtype="<u8", count=min(count, len(mapped) // 8))
        end = int(self._ends[-1]) if len(self._ends) else 0
        behind = len(mapped) - 8 * count, len(self._records) - end
        if min(behind) < 0 or (any(behind) and not growing):
            raise IntegrityError(
                f"the entries in {folder} are incomplete",
                code="entries",
                hint="import the list again with --replace",
            )

    def __len__(self) -> int:
        """Return the number of entries."""
        return len(self._ends)

    def __getitem__(self, number: int) -> ListEntry:
        """Return entry `number`."""
        begin = int(self._ends[number - 1]) if number else 0
        try:
            record = self._decode(memoryview(self._records)[begin : int(self._ends[number])])
            return record.entry(self._own)
        except (msgspec.DecodeError, IndexError):
            raise IntegrityError(
                f"entry {number} in {self._folder} cannot be read",
                code="entries",
                hint="import the list again with --replace",
            ) from None

    def sizes(self) -> NDArray[np.uint64]:
        """Return the size in bytes (n,) of each record."""
        return np.diff(self._ends, prepend=np.uint64(0))

    def packed(self, first: int, last: int) -> memoryview:
        """Return the records from `first` up to `last`, not included, as they are stored."""
        begin = int(self._ends[first - 1]) if first else 0
        return memoryview(self._records)[begin : int(self._ends[last - 1]) if last else 0]

    def __iter__(self) -> Iterator[ListEntry]:
        """Yield every entry in order."""
        return (self[number] for number in range(len(self)))


def paths(folder: Path, stem: str) -> tuple[Path, Path]:
    """Return the paths of the records and of their ends."""
    return folder / f"{stem}.bin", folder / f"{stem}.idx"


def _opened(path: Path, end: int) -> BinaryIO:
    """Open a file to write on at `end`, without what stands behind that."""
    stream = path.open("r+b" if path.exists() else "xb")
    stream.truncate(end)
    stream.seek(end)
    return stream


def _mapped(path: Path) -> mmap.mmap | bytes:
    try:
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size == 0:
                return b""  # an empty file cannot be mapped
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise IntegrityError(f"{path} is missing", code="entries") from None


def make_durable(stream: BinaryIO) -> None:
    """Flush what was written to `stream` to the disk."""
    stream.flush()
    os.fsync(stream.fileno())


def write_durable(path: Path, content: bytes) -> None:
    """Write a file so that after a crash it is there whole, or not at all."""
    staged = path.with_name(path.name + ".new")
    with staged.open("wb") as stream:
        stream.write(content)
        make_durable(stream)
    staged.replace(path)
    sync_folder(path.parent)
