"""What a list says, written to files before they are encrypted: full copies, and steps.

The folder for this belongs to the keys of the publication: what lies in it is not encrypted.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from tutela.core.entry import Provenance
from tutela.exchange.carry import entry_of
from tutela.exchange.model import SERVED, Listed, ListView
from tutela.exchange.publication import Gone, Part
from tutela.hashlist.formats.jsonl import EntryRow
from tutela.hashlist.live import Change, LiveList
from tutela.match.index import Index
from tutela.match.segment import Record

_SOURCE = "publication"
_encode = msgspec.json.Encoder().encode


class Written(NamedTuple):
    """A file that was written: where, what it will be called once encrypted, and its lines."""

    path: Path
    lines: int


class Copy(NamedTuple):
    """A full copy: entries, the files of their index rows, and what the index says of those."""

    rows: Written
    segments: tuple[tuple[Path, Record], ...]


def changes_of(listed: Iterable[Listed], view: ListView) -> Iterator[Change]:
    """Yield what a library makes of published entries: each under its number."""
    for one in listed:
        own = Provenance(view.name, _SOURCE, 0, one.changed_at, view.owner)
        yield Change(str(one.id).encode(), entry_of(one, own) if one.state in SERVED else None)


def lines_of(listed: Iterable[Listed], view: ListView) -> Iterator[bytes]:
    """Yield what changed, a line of JSON for each entry."""
    for one in listed:
        if one.state in SERVED:
            own = Provenance(view.name, _SOURCE, 0, one.changed_at, view.owner)
            line = _encode(EntryRow.of(entry_of(one, own)))
        else:
            line = _encode(Gone(1, "gone", one.id, one.state.value))
        yield line + b"\n"


def write_step(path: Path, listed: Iterable[Listed], view: ListView) -> Written:
    """Write what changed, a line for each entry."""
    lines = 0
    with path.open("xb") as stream:
        for line in lines_of(listed, view):
            stream.write(line)
            lines += 1
    return Written(path, lines)


def write_copy(folder: Path, listed: Iterable[Listed], view: ListView) -> Copy:
    """Write all entries, and their index rows in the same order, into an empty folder."""
    library = folder / "library"
    lines = 0
    with (folder / "rows").open("xb") as stream:

        def written() -> Iterator[Change]:
            nonlocal lines
            for change in changes_of(listed, view):
                assert change.entry is not None, "a full copy has what is served"
                stream.write(_encode(EntryRow.of(change.entry)) + b"\n")
                lines += 1
                yield change

        LiveList.create(library, view.name, role=view.role).load(written(), b"")
    index = Index.open(library / "index")
    segments = tuple((segment.path, segment.record) for segment in index.segments())
    for entries in (library / "lists").iterdir():
        shutil.rmtree(entries)
    return Copy(Written(folder / "rows", lines), segments)


def described(path: Path, target: str) -> Part:
    """Return what a head says of a file that will be encrypted as `target`."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return Part(target, stream.tell(), digest)
