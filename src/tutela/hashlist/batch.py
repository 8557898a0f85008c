"""Batches: what the confined reader sends to the library, many entries at a time.

The reader packs entries into records and sorts their values into columns for the index, so that the
library only writes. The library trusts none of it: every length and number is checked by `opened`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.core.entry import ListEntry, Provenance, Role, State
from tutela.core.errors import SandboxError
from tutela.core.media import PDQ, PDQ_QUALITY_MINIMUM
from tutela.hashlist.format import BadRow
from tutela.hashlist.model import UNCLASSIFIED, role_of
from tutela.hashlist.store import Record
from tutela.hashlist.value import DIGEST_BYTES, FINGERPRINT_BYTES, comparable

_WIDTHS = DIGEST_BYTES | FINGERPRINT_BYTES  # bytes of a value of the algorithms that we know
BATCH_ENTRIES = 16384
BATCH_BYTES = 4 << 20
CLASSES_LIMIT = 4096  # distinct classifications that are counted one by one


class Column(msgspec.Struct, frozen=True, array_like=True):
    """Values of one space: (n, width) bytes, and (n,) little-endian u32 positions in the batch."""

    space: str
    width: int
    values: bytes
    positions: bytes


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Entries as records with their ends (little-endian u32), bad rows, and the place reached."""

    records: bytes
    ends: bytes
    columns: tuple[Column, ...]
    quarantined: tuple[BadRow, ...]
    position_bytes: int


class Tally(msgspec.Struct, frozen=True, array_like=True):
    """Counts over the whole file, sent last."""

    format: str
    classes: dict[tuple[str, str, Role], int]
    carried: dict[str, int]
    remarks: dict[str, int]
    unclassified: int


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reply of the confined reader: a batch, or the final tally."""

    batch: Batch | None = None
    tally: Tally | None = None


class Batcher:
    """Collects entries and bad rows until `full`; `take` gives the batch and starts the next."""

    def __init__(self, own: Provenance, role: Role, by_code: dict[str, Role]) -> None:
        self.remarks: Counter[str] = Counter()
        self._classes: Counter[tuple[str, str, Role]] = Counter()
        self._carried: Counter[str] = Counter()
        self._unclassified = 0
        self._own, self._role, self._by_code = own, role, by_code
        self._encode = msgspec.msgpack.Encoder().encode
        self._clear()

    def _clear(self) -> None:
        self._records: list[bytes] = []
        self._size_bytes = 0
        self._columns: dict[tuple[str, int], tuple[list[bytes], list[int]]] = {}
        self._quarantined: list[BadRow] = []

    @property
    def full(self) -> bool:
        """Tell whether the batch should be taken."""
        return (
            len(self._records) + len(self._quarantined) >= BATCH_ENTRIES
            or self._size_bytes >= BATCH_BYTES
        )

    def reject(self, bad: BadRow) -> None:
        """Put a bad row into the batch."""
        self._quarantined.append(bad)
        self._size_bytes += len(bad.text)

    def add(self, entry: ListEntry) -> None:
        """Put an entry into the batch, and what of it can match into its columns."""
        role = role_of(entry, self._role, self._by_code)
        self._count(entry, role)
        position = len(self._records)
        for space, value in self._comparable(entry, role):
            values, positions = self._columns.setdefault((space, len(value)), ([], []))
            values.append(value)
            positions.append(position)
        record = self._encode(Record.of(entry, self._own))
        self._records.append(record)
        self._size_bytes += len(record)

    def _count(self, entry: ListEntry, role: Role) -> None:
        for c in entry.classifications:
            key = (c.scheme, c.code, role)
            if key not in self._classes and len(self._classes) >= CLASSES_LIMIT:
                key = ("", "", role)
            self._classes[key] += 1
        if UNCLASSIFIED in entry.classifications:
            self._unclassified += 1
        for space in DIGEST_BYTES:
            if getattr(entry.digests, space) is not None:
                self._carried[space] += 1
        for found in entry.fingerprints:
            self._carried[found.algorithm] += 1

    def _comparable(self, entry: ListEntry, role: Role) -> Iterator[tuple[str, bytes]]:
        """Yield what the rules let match: of ignorable and allow entries SHA-256 alone."""
        remarks = self.remarks
        if entry.state is not State.ACTIVE:
            remarks["withdrawn entries, never matched"] += 1
            return
        spaces = tuple(DIGEST_BYTES) if role is Role.ALERT else ("sha256",)
        for space in spaces:
            value = getattr(entry.digests, space)
            if value is not None:
                yield space, value
        if role is not Role.ALERT:
            if entry.digests.sha256 is None:
                remarks["ignorable or allow entries without SHA-256, never matched"] += 1
            return
        for found in entry.fingerprints:
            if not comparable(found.algorithm):
                remarks[f"{found.algorithm} values, carried but not compared"] += 1
            elif found.algorithm == PDQ and found.quality < PDQ_QUALITY_MINIMUM:
                remarks["PDQ values of low quality, not compared"] += 1
            else:
                yield found.algorithm, found.bits

    def tally(self, form: str) -> Tally:
        """Return the counts over all batches of a file of the format `form`."""
        return Tally(
            form,
            dict(self._classes),
            dict(self._carried),
            dict(self.remarks),
            self._unclassified,
        )

    def take(self, position_bytes: int) -> Batch:
        """Return the batch collected so far and start an empty one."""
        ends = np.cumsum([len(r) for r in self._records], dtype="<u4")
        columns = tuple(
            Column(*key, b"".join(values), np.array(positions, "<u4").tobytes())
            for key, (values, positions) in self._columns.items()
        )
        batch = Batch(
            b"".join(self._records),
            ends.tobytes(),
            columns,
            tuple(self._quarantined),
            position_bytes,
        )
        self._clear()
        return batch


def opened(
    batch: Batch,
) -> tuple[NDArray[np.uint32], list[tuple[str, NDArray[np.uint8], NDArray[np.uint32]]]]:
    """Return the ends (n,) of a batch's records and its columns: (space, values, positions).

    Raises:
        SandboxError: the numbers do not fit each other; the reader has been taken over or broken.
    """
    try:
        ends = np.frombuffer(batch.ends, dtype="<u4")
        sound = bool(np.all(ends[1:] >= ends[:-1]))
        sound = sound and (int(ends[-1]) if len(ends) else 0) == len(batch.records)
        columns = []
        for column in batch.columns:
            positions = np.frombuffer(column.positions, dtype="<u4")
            values = np.frombuffer(column.values, np.uint8).reshape(len(positions), column.width)
            sound = sound and _WIDTHS.get(column.space, column.width) == column.width
            sound = sound and comparable(column.space)
            sound = sound and bool(np.all(positions < len(ends)))
            columns.append((column.space, values, positions))
    except ValueError:
        sound = False
    if not sound:
        raise SandboxError(
            "the confined reader sent a batch that does not fit itself",
            code="protocol",
            hint="the list file may be an attack; nothing of it was imported",
        )
    return ends, columns
