"""Lists that grow: entries are appended, those that are gone stay as numbers without a row.

What counts of the files stands in the note that the index keeps of the list: it changes with the
commit that makes the change visible, and with nothing else. What a crash left behind the counted
part is overwritten by the next change.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.core.entry import Provenance, Role
from tutela.core.errors import IntegrityError
from tutela.hashlist.model import ListInfo
from tutela.hashlist.store import EntryReader, EntryWriter, paths

FIRST = "entries-0"  # the stem of its first files
FORMAT = "live"  # what the info of such a list gives as its format


class Opened(NamedTuple):
    """A list as it stands: what is said of it, and its entries by number."""

    info: ListInfo
    entries: EntryReader


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What the index keeps of a list that grows.

    `numbers` entries in `size_bytes` were written to the files called `stem`, those that are gone
    included; `info` counts what is there. `checkpoint` is the keeper's own. `gone` records do not
    count any more and still have their bytes, the oldest of them since `gone_since`.
    """

    info: ListInfo
    stem: str
    numbers: int
    size_bytes: int
    checkpoint: bytes
    gone: int = 0
    gone_since: datetime | None = None

    def encoded(self) -> bytes:
        """Return the note as the index keeps it."""
        return msgspec.msgpack.encode(self)

    @classmethod
    def decoded(cls, note: bytes) -> Note:
        """Return a note that the index kept; raise IntegrityError when it is none."""
        try:
            return msgspec.msgpack.decode(note, type=cls)
        except msgspec.DecodeError:
            raise IntegrityError(
                "the index says something of a list that cannot be read", code="info"
            ) from None

    def reader(self, folder: Path) -> EntryReader:
        """Open the entries."""
        return EntryReader(
            folder, own_provenance(self.info), self.numbers, stem=self.stem, growing=True
        )

    def writer(self, folder: Path) -> EntryWriter:
        """Open the files to append, without what a crash left behind what counts."""
        return EntryWriter(folder, self.stem, count=self.numbers, size_bytes=self.size_bytes)


def grown(folder: Path, note: bytes) -> Opened:
    """Open a list of which the index keeps `note`."""
    kept = Note.decoded(note)
    return Opened(kept.info, kept.reader(folder))


def own_provenance(info: ListInfo) -> Provenance:
    """Return what the entries of a list have in common."""
    return Provenance(info.name, info.source, 0, info.received_at, info.received_from)


def new_info(
    number: int, name: str, role: Role, came: tuple[str, str], received_at: datetime
) -> ListInfo:
    """Return what is said of a list without entries; `came` is its source, and from whom."""
    source, received_from = came
    return ListInfo(
        number=number,
        name=name,
        role=role,
        role_of={},
        format=FORMAT,
        source=source,
        source_sha256="",
        source_bytes=0,
        received_from=received_from,
        received_at=received_at,
        rows=0,
        entries=0,
        quarantined=0,
        carried={},
        compared={},
        classifications=[],
        unclassified=0,
        remarks={},
        placeholders=[],
    )


def emptied(info: ListInfo, number: int) -> ListInfo:
    """Return the same list without its entries, under another number."""
    came = info.source, info.received_from
    return new_info(number, info.name, info.role, came, info.received_at)


def written(entries: EntryWriter, note: Note) -> Note:
    """Make what was appended durable, and return the note that counts it."""
    entries.finish()
    return msgspec.structs.replace(note, numbers=entries.count, size_bytes=entries.size_bytes)


def burdened(note: Note, gone: int, when: datetime) -> Note:
    """Return the note after `gone` more records ceased to count."""
    since = note.gone_since or (when if gone else None)
    return msgspec.structs.replace(note, gone=note.gone + gone, gone_since=since)


def tidy(folder: Path, note: Note) -> None:
    """Remove the files of the list that are not those of `note`: for who may write them.

    Readers that have one mapped keep it until they let go.
    """
    keep = {path.name for path in paths(folder, note.stem)}
    for path in folder.iterdir():
        if path.name not in keep:
            path.unlink(missing_ok=True)


def rewritten(folder: Path, note: Note, live: NDArray[np.uint64]) -> Note:
    """Write the files anew without the records that are gone, and return the note of those.

    Numbers stay what they are: a record that is gone has no bytes any more.

    Args:
        folder: That of the list.
        note: The present note.
        live: Numbers (n,) of the entries that count, ascending.
    """
    reader = note.reader(folder)
    stem = f"entries-{int(note.stem.rpartition('-')[2]) + 1}"
    kept = np.zeros(len(reader), np.bool_)
    kept[live] = True
    sizes = np.where(kept, reader.sizes(), np.uint64(0))
    edges = np.flatnonzero(np.diff(kept, prepend=False, append=False))
    with EntryWriter(folder, stem) as writer:
        done = 0
        for first, last in edges.reshape(-1, 2).tolist():
            writer.append(b"", np.zeros(first - done, np.uint32))
            ends = np.cumsum(sizes[first:last])
            writer.append(reader.packed(first, last), ends)
            done = last
        writer.append(b"", np.zeros(len(reader) - done, np.uint32))
        writer.finish()
        size_bytes = writer.size_bytes
    return msgspec.structs.replace(note, stem=stem, size_bytes=size_bytes, gone=0, gone_since=None)
