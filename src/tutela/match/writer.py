"""The writer: one at a time; all changes of one commit become visible together."""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.core.entry import Role
from tutela.core.errors import ServiceError, UsageError
from tutela.match import manifest as manifests
from tutela.match import space as spaces
from tutela.match.adopt import adopted
from tutela.match.build import CodeBuilder, ValueBuilder, write_deleted
from tutela.match.deleted import open_dead, with_keys, with_list
from tutela.match.hits import nothing_dead
from tutela.match.key import ENTRY_BITS, LIST_NUMBER_MAXIMUM
from tutela.match.layout import regroup
from tutela.match.manifest import ListInfo, Manifest
from tutela.match.rewrite import Workshop, compact, merge_small, shed
from tutela.match.segment import Record, Segment

_OURS = re.compile(r"segment-\w+|manifest\.new")
_LOCK = "lock"


class IndexWriter:
    """Changes an index; a context manager that holds its lock and drops what is not committed.

    Rows are spooled to disk as they come, so memory stays bounded however many are added. A crash
    at any moment leaves the generation before; the next writer sweeps what the crashed one left.

    Every method raises ServiceError when the disk fails. The writer is then of no more use; the
    index is as it was at the last commit.
    """

    def __init__(self, path: Path) -> None:
        """Lock the index in a folder, which is made if it is not there.

        Raises:
            ServiceError: another writer holds the lock (code `index_locked`), or the disk failed.
            IntegrityError: the manifest is damaged.
        """
        self._folder = path
        with _disk(path):
            path.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(path)
            try:
                self._begin(_read_or_new(path))
                self._sweep()
            except BaseException:
                self._lock.close()
                raise

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the writer."""
        self.close()

    def close(self) -> None:
        """Drop what was not committed and release the lock."""
        try:
            for codes in self._codes.values():
                codes.discard()
            for values in self._values.values():
                values.discard()
            self._sweep()
        finally:
            self._lock.close()

    def define_list(self, name: str, role: Role) -> int:
        """Add a list and return its number, which no other list ever had or will have.

        Raises:
            UsageError: a list of that name is there, or 65,535 lists have been.
        """
        if any(info.name == name for info in self._lists.values()):
            raise UsageError(f"there is a list {name} already", code="list_exists")
        number = self._next_list
        if number > LIST_NUMBER_MAXIMUM:
            raise UsageError("the index has no list number left", hint="begin a new index")
        self._lists[number] = ListInfo(number, name, role)
        self._next_list += 1
        self._changed = True
        return number

    def note_list(self, number: int, note: bytes) -> None:
        """Put another note beside a list, visible with the commit.

        Raises:
            UsageError: there is no such list.
        """
        info = self._listed(number)
        self._changed |= info.note != note
        self._lists[number] = msgspec.structs.replace(info, note=note)

    def adopt(self, segment: Segment, list_number: int, entries: int) -> None:
        """Add a whole segment that another index made for one list, as the rows of `list_number`.

        Args:
            segment: An open segment; it is held against its digest.
            list_number: A list of this index that takes the place of the list it was made for.
            entries: The entry numbers in it are below this.

        Raises:
            IntegrityError: it is damaged, or names entries that there are not.
            UsageError: there is no such list.
        """
        self._listed(list_number)
        with _disk(self._folder):
            record = adopted(self._workshop, segment, list_number, entries, self._sequence)
        self._records.append(record)
        self._changed = True

    def add(self, space: str, values: NDArray[np.uint8], keys: NDArray[np.uint64]) -> None:
        """Add rows: values (n, w) uint8 and keys (n,) uint64 of defined lists.

        The same value or key may be added many times. Call it as often as you like.

        Raises:
            UsageError: shapes or types are wrong, or a key is of a list that is not there.
        """
        self._check_keys(keys, len(values))
        with _disk(self._folder):
            if spaces.is_radius_space(space):
                self._add_codes(space, regroup(spaces.codes(values)), keys)
            else:
                self._add_values(space, spaces.exact_values(space, values), keys)
            self._changed |= len(keys) > 0

    def delete_keys(self, keys: NDArray[np.uint64]) -> None:
        """Delete all rows, of all spaces, that have one of the keys (n,) uint64 by now.

        Rows added later under the same keys are found. When both are done in one commit, deleting
        first is cheaper.
        """
        if keys.ndim != 1 or keys.dtype != np.uint64:
            raise UsageError(f"keys are (n,) uint64, not {keys.shape} {keys.dtype}")
        if not len(keys):
            return
        with _disk(self._folder):
            self._seal()
        self._sequence += 1
        self._workshop.dead = with_keys(self._workshop.dead, keys, self._sequence)
        self._changed = self._deleted = True

    def delete_list(self, number: int) -> None:
        """Delete a list and all its rows.

        Raises:
            UsageError: there is no such list.
        """
        del self._lists[self._listed(number).number]
        self._workshop.dead = with_list(self._workshop.dead, number)
        self._changed = self._deleted = True

    def commit(self) -> int:
        """Make all changes visible, and return the number of the generation that has them.

        Merges small segments where too many stand, and rewrites those with mostly deleted rows.
        With nothing changed, nothing is written.
        """
        if not self._changed:
            return self._manifest.generation
        with _disk(self._folder):
            self._seal()
            records = merge_small(self._workshop, self._records, self._sequence)
            if self._deleted:
                records = shed(self._workshop, records, self._sequence)
            return self._publish(records)

    def compact(self) -> int:
        """Commit, and rewrite the index without deleted rows and with the fewest segments.

        Takes as much free space as the index itself, until it is done.
        """
        with _disk(self._folder):
            self._seal()
            records = compact(self._workshop, self._records, self._sequence)
            self._workshop.dead = nothing_dead()
            return self._publish(records)

    def _begin(self, manifest: Manifest) -> None:
        """Start from a generation, with nothing changed yet."""
        self._manifest = manifest
        self._changed = manifest.generation == 0
        self._deleted = False
        self._sequence: int = manifest.sequence + 1
        self._next_list: int = manifest.next_list
        self._lists: dict[int, ListInfo] = {info.number: info for info in manifest.lists}
        self._records = list(manifest.segments)
        self._codes: dict[str, CodeBuilder] = {}
        self._values: dict[str, ValueBuilder] = {}
        dead = open_dead(self._folder, manifest)
        self._workshop: Workshop = Workshop(self._folder, manifest.next_file, dead)

    def _listed(self, number: int) -> ListInfo:
        info = self._lists.get(number)
        if info is None:
            raise UsageError(f"there is no list {number}", code="no_list")
        return info

    def _check_keys(self, keys: NDArray[np.uint64], rows: int) -> None:
        if keys.shape != (rows,) or keys.dtype != np.uint64:
            raise UsageError(f"keys are ({rows},) uint64, not {keys.shape} {keys.dtype}")
        for number in np.unique(keys >> np.uint64(ENTRY_BITS)):
            self._listed(int(number))

    def _add_codes(self, space: str, codes: NDArray[np.uint16], keys: NDArray[np.uint64]) -> None:
        while len(keys):
            builder = self._codes.get(space)
            if builder is None:
                builder = self._codes[space] = self._workshop.code_builder(space)
            fits = builder.room
            builder.append(codes[:fits], keys[:fits])
            codes, keys = codes[fits:], keys[fits:]
            if not builder.room:
                self._records.append(self._codes.pop(space).finish(self._sequence))

    def _add_values(self, space: str, values: NDArray[np.uint8], keys: NDArray[np.uint64]) -> None:
        if len(keys):
            builder = self._values.get(space)
            if builder is None:
                builder = self._workshop.value_builder(space, values.shape[1])
                self._values[space] = builder
            builder.append(values, keys)

    def _seal(self) -> None:
        """Turn what was added so far into segments."""
        for builders in (self._codes, self._values):
            while builders:
                self._records.append(builders.popitem()[1].finish(self._sequence))

    def _publish(self, records: list[Record]) -> int:
        dead = self._workshop.dead
        deleted = None
        if len(dead.keys):
            file = self._workshop.new_file()
            deleted = write_deleted(self._folder, file, dead.keys, dead.sequences)
        manifests.sync_folder(self._folder)
        manifest = Manifest(
            generation=self._manifest.generation + 1,
            sequence=self._sequence,
            next_list=self._next_list,
            next_file=self._workshop.next_file,
            lists=tuple(self._lists.values()),
            segments=tuple(records),
            deleted=deleted,
            deleted_lists=tuple(int(number) for number in dead.lists),
        )
        manifests.write(self._folder, manifest)
        self._begin(manifest)
        self._sweep()
        return manifest.generation

    def _sweep(self) -> None:
        """Remove files of ours that the present generation does not name.

        Readers that have one mapped keep it until they let go.
        """
        keep = self._manifest.files()
        for path in self._folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name not in keep:
                path.unlink(missing_ok=True)


def _read_or_new(folder: Path) -> Manifest:
    try:
        return manifests.read(folder)
    except FileNotFoundError:
        return Manifest()


def _locked(folder: Path) -> IO[bytes]:
    lock = (folder / _LOCK).open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise ServiceError(
            f"another process is changing the index in {folder}",
            code="index_locked",
            hint="wait until it has finished",
        ) from None
    return lock


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Turn an error of the disk into one that a person can be told about."""
    try:
        yield
    except OSError as error:
        raise ServiceError(
            f"cannot write the index in {folder}: {error.strerror or error}",
            code="index_write",
            hint="the index is as it was before; free some space or mend the disk, and try again",
        ) from error
