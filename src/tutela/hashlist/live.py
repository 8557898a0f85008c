"""A list of a library that takes changes, a few at a time, for years.

Each run of changes becomes visible with one commit of the index, together with a checkpoint that
its keeper chooses: after a crash at any moment the list is as before the run or as after it, and
the checkpoint tells which. Readers go on meanwhile, and see one or the other.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import msgspec
import numpy as np

from tutela.core.entry import Role
from tutela.core.errors import IntegrityError, ServiceError, UsageError
from tutela.core.time import now
from tutela.hashlist.applying import Applied, Change, Run
from tutela.hashlist.growing import (
    FIRST,
    Note,
    burdened,
    emptied,
    new_info,
    rewritten,
    tidy,
    written,
)
from tutela.hashlist.library import Library, check_name
from tutela.hashlist.model import ListInfo
from tutela.hashlist.value import ENTRY_KEY
from tutela.match.adopt import segment_sum
from tutela.match.key import pack_key
from tutela.match.manifest import sync_folder
from tutela.match.segment import Segment
from tutela.match.writer import IndexWriter

__all__ = ["Applied", "Change", "LiveList"]

_GONE_AGE = timedelta(days=1)  # values that were removed leave the disk after so long at most
_GONE_LEAST = 1024  # records; fewer are no burden
_WAIT_S = 30.0  # for another writer of the index
_PAUSE_S = 0.05
_WORD = 1 << 64  # sums of rows are kept below this


class LiveList:
    """A list that its keeper changes; one keeper at a time, any number of readers.

    Raises:
        UsageError: there is no such list, or it was imported from a file.
    """

    def __init__(self, library: Library, name: str, *, wait_s: float = _WAIT_S) -> None:
        self.library = library
        self.name = name
        self._wait_s = wait_s
        self._note()

    @classmethod
    def open(cls, path: Path, name: str, *, wait_s: float = _WAIT_S) -> Self:
        """Open the list `name` of the library in `path`."""
        return cls(Library.open(path), name, wait_s=wait_s)

    @classmethod
    def create(  # noqa: PLR0913 - each says one thing of the list
        cls,
        path: Path,
        name: str,
        *,
        role: Role,
        source: str = "",
        received_from: str = "",
        received_at: datetime | None = None,
        wait_s: float = _WAIT_S,
    ) -> Self:
        """Open the list `name`, making an empty one (and the library) where there is none.

        Raises:
            UsageError: there is a list of that name that was imported, or with another role.
            ServiceError: another process has been writing the index all the time.
        """
        check_name(name)
        library = Library.create(path)
        if not any(info.name == name for info in library.lists):
            with _writing(path, wait_s) as writer:
                library.refresh()
                library.sweep()
                if not any(info.name == name for info in library.lists):
                    number = writer.define_list(name, role)
                    info = new_info(
                        number, name, role, (source, received_from), received_at or now()
                    )
                    note = Note(info=info, stem=FIRST, numbers=0, size_bytes=0, checkpoint=b"")
                    folder = library.folder(number)
                    folder.mkdir(mode=0o700)
                    with note.writer(folder) as entries:
                        entries.finish()
                    sync_folder(folder.parent)
                    writer.note_list(number, note.encoded())
                    writer.commit()
            library.refresh()
        found = cls(library, name, wait_s=wait_s)
        if found.info.role is not role:
            raise UsageError(
                f"the list {name!r} has the role {found.info.role}, not {role}",
                hint="remove it first: tutela list remove",
            )
        return found

    @property
    def info(self) -> ListInfo:
        """The list as it stands."""
        return self._note().info

    def checkpoint(self) -> bytes:
        """Return what came with the last run of changes, empty before the first."""
        return self._note().checkpoint

    def __len__(self) -> int:
        """Return how many entries it has."""
        return self.info.entries

    def _note(self) -> Note:
        info = self.library.info(self.name)
        note = self.library.note(info.number)
        if not note:
            raise UsageError(
                f"the list {self.name!r} was imported from a file and takes no changes",
                code="list_imported",
                hint="choose another name",
            )
        return Note.decoded(note)

    def apply(
        self, changes: Iterable[Change], checkpoint: bytes, *, expected: int | None = None
    ) -> Applied:
        """Make changes, all or none of them, and keep `checkpoint` with them.

        A key may come more than once: the last one counts. An entry that says what is there
        already changes nothing, so that a run may be repeated. It takes time and memory for the
        changes, not for the list.

        Args:
            changes: What changes, in order.
            checkpoint: What the keeper wants to remember of how far it is.
            expected: How many entries the list has to have then, where the keeper was told.

        Raises:
            IntegrityError: it would have another number of entries (code `count`). Nothing has
                changed.
            ServiceError: another process has been writing the index all the time, or the disk
                failed. Nothing has changed.
        """
        with _writing(self.library.path, self._wait_s) as writer:
            note = self._note()
            number, folder = note.info.number, self.library.folder(note.info.number)
            tidy(folder, note)
            with note.writer(folder) as entries:
                run = Run(note.info, entries, writer, (self.library.index, note.reader(folder)))
                run.take(changes)
                grown = written(entries, note)
            outcome, info = run.finish(grown.reader(folder))
            _check_count(info, expected)
            writer.delete_keys(np.uint64(pack_key(number, 0)) + outcome.gone.astype(np.uint64))
            grown = msgspec.structs.replace(grown, info=info, checkpoint=checkpoint)
            writer.note_list(number, burdened(grown, len(outcome.gone), now()).encoded())
            generation = writer.commit()
        self.library.refresh()
        return Applied(*outcome[1:], self.tend() or generation)

    def load(
        self,
        changes: Iterable[Change],
        checkpoint: bytes,
        segments: Sequence[Segment] = (),
        *,
        then: Iterable[Change] = (),
        expected: int | None = None,
    ) -> Applied:
        """Put other entries in the place of all, and keep `checkpoint` with them.

        The list gets another number, as an import that replaces one does.

        Args:
            changes: Entries by key; the last one of a key counts.
            checkpoint: As for `apply`.
            segments: Index rows of these entries that were made elsewhere, numbered in the order of
                `changes`, among them those of their keys; they are taken instead of being made.
            then: Changes to make after that, as part of the same.
            expected: As for `apply`.

        Raises:
            IntegrityError: a segment is damaged or not that of these entries, or as `apply`.
                Nothing has changed.
            ServiceError: as `apply`.
        """
        with _writing(self.library.path, self._wait_s) as writer:
            old = self._note()
            self.library.sweep()
            writer.delete_list(old.info.number)
            number = writer.define_list(self.name, old.info.role)
            folder = self.library.folder(number)
            folder.mkdir(mode=0o700)
            try:
                info = emptied(old.info, number)
                spaces = {segment.record.space for segment in segments}
                note = Note(info=info, stem=FIRST, numbers=0, size_bytes=0, checkpoint=checkpoint)
                with note.writer(folder) as entries:
                    run = Run(info, entries, writer, None, spaces)
                    run.take(changes)
                    _adopt(writer, run, segments, number, entries.count)
                    run.take(then)
                    note = written(entries, note)
                outcome, info = run.finish(note.reader(folder))
                _check_count(info, expected)
                writer.delete_keys(np.uint64(pack_key(number, 0)) + outcome.gone.astype(np.uint64))
                note = msgspec.structs.replace(note, info=info)
                writer.note_list(number, burdened(note, len(outcome.gone), now()).encoded())
                sync_folder(folder.parent)
                generation = writer.commit()
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
        self.library.refresh()
        shutil.rmtree(self.library.folder(old.info.number), ignore_errors=True)
        return Applied(*outcome[1:], generation)

    def tend(self) -> int | None:
        """Compact the list if it is due; return the generation that made, if any.

        That is when most records are gone, or the oldest has been for a day: what was removed from
        a list shall not stay on the disk of those who had it.
        """
        note = self._note()
        if note.gone > max(_GONE_LEAST, note.info.entries):
            return self.compact(thorough=False)
        if note.gone_since and now() - note.gone_since > _GONE_AGE:
            return self.compact()
        return None

    def compact(self, *, thorough: bool = True) -> int:
        """Write the entries anew without those that are gone; return the generation.

        `thorough` does the same with the whole index, all lists of the library together.
        """
        with _writing(self.library.path, self._wait_s) as writer:
            note = self._note()
            number, folder = note.info.number, self.library.folder(note.info.number)
            tidy(folder, note)
            note = rewritten(folder, note, self.library.numbers(number))
            writer.note_list(number, note.encoded())
            generation = writer.compact() if thorough else writer.commit()
            tidy(folder, note)
        self.library.refresh()
        return generation


def _adopt(
    writer: IndexWriter, run: Run, segments: Sequence[Segment], number: int, count: int
) -> None:
    """Take segments in, if they are the rows of the entries that came; later ones have none."""
    if not segments:
        return
    sums = Counter[str]()
    for segment in segments:
        writer.adopt(segment, number, count)
        sums[segment.record.space] += segment_sum(segment)
    wanted = {space: total % _WORD for space, total in run.sums.items()}
    spaces = {space: total % _WORD for space, total in sums.items()}
    if ENTRY_KEY not in spaces or spaces != wanted:
        raise IntegrityError(
            "the index rows that came with a list are not those of its entries",
            code="segment_foreign",
        )
    run.adopted = ()


def _check_count(info: ListInfo, expected: int | None) -> None:
    if expected is not None and info.entries != expected:
        raise IntegrityError(
            f"the list {info.name!r} would have {info.entries} entries and should have {expected}",
            code="count",
        )


@contextmanager
def _writing(path: Path, wait_s: float) -> Iterator[IndexWriter]:
    """Hold the lock of the index of a library, for which another writer may have to end first."""
    until = time.monotonic() + wait_s
    while True:
        try:
            writer = IndexWriter(path / "index")
            break
        except ServiceError as error:
            if error.code != "index_locked" or time.monotonic() > until:
                raise
        time.sleep(_PAUSE_S)
    with writer:
        yield writer
