"""Applying changes to a list that grows: what is new is appended, what it replaces is gone.

Changes come in a stream of any length. Their keys are not kept, only eight bytes of the digest of
each and the number of its entry, from which the end of a run tells what of it still counts.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.core.entry import ListEntry
from tutela.hashlist.batch import Batcher, opened
from tutela.hashlist.growing import own_provenance
from tutela.hashlist.model import ClassCount, ListInfo
from tutela.hashlist.store import EntryReader, EntryWriter
from tutela.hashlist.value import ENTRY_KEY
from tutela.match.adopt import rows_sum
from tutela.match.index import Index
from tutela.match.key import ENTRY_BITS, ENTRY_MASK, pack_key
from tutela.match.writer import IndexWriter

_TOGETHER = 4096  # changes
_TOGETHER_BYTES = 4 << 20  # of what entries carry beyond their values
_NONE = -1  # in the place of an entry's number: the key has none


class Change(NamedTuple):
    """A key of a list, and the entry that it has from now on; None removes the one it had."""

    key: bytes
    entry: ListEntry | None


class Applied(NamedTuple):
    """How many keys got an entry, got another one, lost theirs; and the generation that has it."""

    added: int
    replaced: int
    removed: int
    generation: int


class Run:
    """One run of changes into the files and index rows of a list.

    Args:
        info: The list before the run.
        entries: Writes its entries.
        writer: Writes the index.
        old: The index and the entries as they stand; None for a list that has none.
        adopted: Spaces whose rows come from elsewhere.
    """

    def __init__(
        self,
        info: ListInfo,
        entries: EntryWriter,
        writer: IndexWriter,
        old: tuple[Index, EntryReader] | None,
        adopted: Collection[str] = (),
    ) -> None:
        self._info, self._entries, self._writer, self._old = info, entries, writer, old
        self.adopted = adopted
        self._coming = self._batcher()
        self._compared: Counter[str] = Counter()
        # In the order in which they happened: which key, and which entry it has from then on.
        self._marks: list[NDArray[np.uint64]] = []
        self._numbers: list[NDArray[np.int64]] = []
        self._was: list[NDArray[np.bool_]] = []
        self.sums: Counter[str] = Counter()

    def _batcher(self) -> Batcher:
        return Batcher(own_provenance(self._info), self._info.role, self._info.role_of)

    def take(self, changes: Iterable[Change]) -> None:
        """Write all changes; nothing counts yet."""
        for chunk in _chunks(changes):
            keys = key_values([change.key for change in chunk])
            old = self._numbers_of(keys)
            self._happened(keys, old, was=True)
            numbers = np.full(len(chunk), _NONE, np.int64)
            fresh: list[int] = []
            for place, (change, known) in enumerate(zip(chunk, old.tolist(), strict=True)):
                if change.entry is None:
                    continue
                if known != _NONE and self._same(known, change.entry):
                    numbers[place] = known
                    continue
                numbers[place] = self._entries.count + len(fresh)
                fresh.append(place)
                self._coming.add(change.entry)
            self._write(keys[fresh])
            self._happened(keys, numbers, was=False)

    def _numbers_of(self, keys: NDArray[np.uint8]) -> NDArray[np.int64]:
        numbers = np.full(len(keys), _NONE, np.int64)
        if self._old:
            found = self._old[0].lookup(ENTRY_KEY, keys)
            own = found.key >> np.uint64(ENTRY_BITS) == np.uint64(self._info.number)
            numbers[found.query[own]] = found.key[own] & np.uint64(ENTRY_MASK)
        return numbers

    def _same(self, number: int, entry: ListEntry) -> bool:
        """Tell whether an entry says what is there already; when it came does not matter."""
        assert self._old is not None, "only what stands can be the same"
        there = self._old[1][number]
        received_at = there.provenance.received_at
        came = msgspec.structs.replace(entry.provenance, received_at=received_at)
        return msgspec.structs.replace(entry, provenance=came) == there

    def _write(self, keys: NDArray[np.uint8]) -> None:
        first = pack_key(self._info.number, self._entries.count)
        ends, columns = opened(batch := self._coming.take(0))
        ours = np.arange(len(ends), dtype=np.uint64) + np.uint64(first)
        columns.append((ENTRY_KEY, keys, np.arange(len(ends), dtype=np.uint32)))
        for space, values, positions in columns:
            if space != ENTRY_KEY:
                self._compared[space] += len(positions)
            if space in self.adopted:
                self.sums[space] += rows_sum(space, values, ours[positions])
            else:
                self._writer.add(space, values, ours[positions])
        self._entries.append(batch.records, ends)

    def _happened(self, keys: NDArray[np.uint8], numbers: NDArray[np.int64], *, was: bool) -> None:
        """Note which numbers the keys have; of those that `was` before, only where there is one."""
        kept = numbers != _NONE if was else np.ones(len(numbers), np.bool_)
        self._marks.append(np.ascontiguousarray(keys[kept, :8]).view(np.uint64)[:, 0])
        self._numbers.append(numbers[kept])
        self._was.append(np.full(int(kept.sum()), was))

    def finish(self, reader: EntryReader) -> tuple[Outcome, ListInfo]:
        """Return what the run comes to, and the list as it is then.

        Args:
            reader: Reads all entries, those of the run included.
        """
        outcome = _outcome(self._marks, self._numbers, self._was)
        going, lost = self._batcher(), Counter[str]()
        for number in outcome.gone.tolist():
            going.add(reader[number])
            if going.full:
                _count(going, lost)
        _count(going, lost)
        self._compared.subtract(lost)
        info = _counted(self._info, self._coming, going, self._compared)
        entries = info.entries + outcome.added - outcome.removed
        return outcome, msgspec.structs.replace(info, entries=entries, rows=entries)


class Outcome(NamedTuple):
    """What a run comes to: the numbers (n,) of entries that are gone, and the counts of keys."""

    gone: NDArray[np.int64]
    added: int
    replaced: int
    removed: int


def key_values(keys: Iterable[bytes]) -> NDArray[np.uint8]:
    """Return the values (n, 32) under which the index finds the entries of keys."""
    joined = b"".join(hashlib.sha256(key).digest() for key in keys)
    return np.frombuffer(joined, np.uint8).reshape(-1, 32)


def _chunks(changes: Iterable[Change]) -> Iterator[list[Change]]:
    chunk: list[Change] = []
    size_bytes = 0
    for change in changes:
        chunk.append(change)
        size_bytes += len(change.entry.extra) if change.entry else 0
        if len(chunk) >= _TOGETHER or size_bytes >= _TOGETHER_BYTES:
            yield chunk
            chunk, size_bytes = [], 0
    if chunk:
        yield chunk


def _outcome(
    marks: list[NDArray[np.uint64]],
    numbers: list[NDArray[np.int64]],
    was: list[NDArray[np.bool_]],
) -> Outcome:
    """Settle which numbers count: that of the last thing that happened to each key, if any."""
    empty = np.empty(0, np.int64)
    if not marks:
        return Outcome(empty, 0, 0, 0)
    mark, number, before = np.concatenate(marks), np.concatenate(numbers), np.concatenate(was)
    order = np.argsort(mark, kind="stable")
    mark, number, before = mark[order], number[order], before[order]
    first = np.flatnonzero(np.diff(mark, prepend=~mark[:1]) != 0)
    last = np.append(first[1:], len(mark)) - 1
    had = np.where(before[first], number[first], _NONE)
    has = number[last]
    gone = np.setdiff1d(number[number != _NONE], has)
    return Outcome(
        gone,
        added=int(((had == _NONE) & (has != _NONE)).sum()),
        replaced=int(((had != _NONE) & (has != _NONE) & (had != has)).sum()),
        removed=int(((had != _NONE) & (has == _NONE)).sum()),
    )


def _count(going: Batcher, lost: Counter[str]) -> None:
    """Count what of the entries in the batch is compared, and drop the batch."""
    for column in going.take(0).columns:
        lost[column.space] += len(column.positions) // 4


def _counted(info: ListInfo, coming: Batcher, going: Batcher, compared: Counter[str]) -> ListInfo:
    """Return `info` with what came and went."""
    plus, minus = coming.tally(info.format), going.tally(info.format)
    classes = Counter({(c.scheme, c.code, c.role): c.entries for c in info.classifications})
    carried, remarks = Counter(info.carried), Counter(info.remarks)
    classes.update(plus.classes)
    classes.subtract(minus.classes)
    carried.update(plus.carried)
    carried.subtract(minus.carried)
    remarks.update(plus.remarks)
    remarks.subtract(minus.remarks)
    now_compared = Counter(info.compared)
    now_compared.update(compared)
    return msgspec.structs.replace(
        info,
        carried=_positive(carried),
        compared=_positive(now_compared),
        classifications=[ClassCount(*key, n) for key, n in sorted(classes.items()) if n > 0],
        unclassified=info.unclassified + plus.unclassified - minus.unclassified,
        remarks=_positive(remarks),
    )


def _positive(counts: Counter[str]) -> dict[str, int]:
    return {key: count for key, count in sorted(counts.items()) if count > 0}
