"""A library: one folder with one index over several lists, and the entries of each.

    library.json     version of this layout
    index/           the match index of all lists; its manifest says which lists exist
    lists/<number>/  info.json, entries.bin, entries.idx, quarantine.jsonl

An import first writes a whole list folder and then commits the index: that commit is the one moment
at which the list appears. A folder without a list in the index is the rest of a crash; the next
import removes it. A list that grows (`hashlist.live`) has its info in the index instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.core.entry import ListEntry, Role
from tutela.core.errors import IntegrityError, UsageError
from tutela.core.hit import Hit
from tutela.core.media import PDQ_RADIUS_BITS, Digests, Fingerprint
from tutela.core.time import now
from tutela.hashlist.export import export
from tutela.hashlist.find import Proposer, Query, judged
from tutela.hashlist.format import ExportOptions, Received, Written, named
from tutela.hashlist.growing import Opened, grown, own_provenance
from tutela.hashlist.ingest import Progress, Request, Stage, list_info
from tutela.hashlist.model import ImportReport, ListInfo, role_of
from tutela.hashlist.report import notes
from tutela.hashlist.source import open_source, sha256_of, unchanged
from tutela.hashlist.store import EntryReader, write_durable
from tutela.hashlist.value import ALGORITHMS, ENTRY_KEY
from tutela.match.index import Index
from tutela.match.key import ENTRY_MASK, unpack_key
from tutela.match.manifest import sync_folder
from tutela.match.writer import IndexWriter

_VERSION = b'{"v":1}\n'
_OURS = {"lists", "index", "library.json", "library.json.new"}
_NAME_LIMIT = 200


class Library:
    """The lists of one folder; readers see a finished import by themselves.

    Raises:
        UsageError: the folder holds no library (`open`), or is not empty (`create`).
        IntegrityError: what the library keeps is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._index = Index.open(path / "index")
        self._view = _View(-1, {}, {})
        self._load()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the library in the folder `path`."""
        if not (path / "library.json").is_file():
            raise UsageError(
                f"there is no library of hash lists in {path}",
                code="no_library",
                hint="import a list first: tutela list import FILE --name NAME --role ROLE",
            )
        if (path / "library.json").read_bytes() != _VERSION:
            raise IntegrityError(f"{path} is a library of another version", code="version")
        return cls(path)

    @classmethod
    def create(cls, path: Path) -> Self:
        """Open the library in `path`, making an empty one where the folder is new or empty."""
        marker = path / "library.json"
        if not marker.exists():
            if path.exists() and {p.name for p in path.iterdir()} - _OURS:
                raise UsageError(
                    f"{path} is neither a library nor empty", hint="name another folder"
                )
            path.mkdir(parents=True, mode=0o700, exist_ok=True)
            (path / "lists").mkdir(exist_ok=True)
            with IndexWriter(path / "index") as writer:
                writer.commit()
            write_durable(marker, _VERSION)
        return cls.open(path)

    @property
    def generation(self) -> int:
        """The generation of the index: it grows with every change."""
        return self._index.generation

    def note(self, list_number: int) -> bytes:
        """Return what the index keeps of a list for whoever lets it grow, empty for others."""
        return self._view.notes.get(list_number, b"")

    @property
    def index(self) -> Index:
        """The index of all lists."""
        return self._index

    @property
    def lists(self) -> tuple[ListInfo, ...]:
        """Every list, by name."""
        self.refresh()
        infos = (opened.info for opened in self._view.lists.values())
        return tuple(sorted(infos, key=lambda info: info.name))

    def info(self, name: str) -> ListInfo:
        """Return the list called `name`; raise UsageError when there is none."""
        for info in self.lists:
            if info.name == name:
                return info
        raise UsageError(
            f"there is no list {name!r}", code="no_list", hint="tutela list info names the lists"
        )

    def refresh(self) -> bool:
        """See what others have imported since; tell whether anything changed."""
        self._index.refresh()
        if self._index.generation == self._view.generation:
            return False
        self._load()
        return True

    def prewarm(self) -> None:
        """Read the index into memory, so that the first queries do not wait for the disk."""
        self._index.prewarm()

    def _load(self) -> None:
        while True:
            try:
                self._view = self._load_generation()
            except IntegrityError:
                # The list may have been replaced, and its folder removed, since we looked.
                if not self._index.refresh():
                    raise
            else:
                return

    def _load_generation(self) -> _View:
        generation, listed = self._index.standing
        known = self._view
        lists: dict[int, Opened] = {}
        for number, indexed in listed.items():
            if number in known.lists and known.notes[number] == indexed.note:
                lists[number] = known.lists[number]
            elif indexed.note:
                lists[number] = grown(self.folder(number), indexed.note)
            else:
                lists[number] = _imported(self.folder(number))
        return _View(generation, lists, {n: indexed.note for n, indexed in listed.items()})

    def folder(self, number: int) -> Path:
        """Return the folder of a list."""
        return self.path / "lists" / str(number)

    def entry(self, list_number: int, entry_number: int) -> ListEntry:
        """Return one entry of a list; raise UsageError when there is no such list or entry."""
        opened = self._view.lists.get(list_number)
        if opened is None or not 0 <= entry_number < len(opened.entries):
            raise UsageError(f"there is no entry {entry_number} in list {list_number}")
        return opened.entries[entry_number]

    def entries(self, list_number: int) -> Iterator[ListEntry]:
        """Yield every entry of a list, in the order in which they came."""
        opened = self._view.lists[list_number]
        if not self._view.notes[list_number]:
            return iter(opened.entries)
        numbers = self.numbers(list_number)
        entries = self._view.lists[list_number].entries
        return (entries[number] for number in numbers.tolist())

    def numbers(self, list_number: int) -> NDArray[np.uint64]:
        """Return the numbers (n,) of the entries that a list that grows has now, ascending."""
        numbers = self._index.keys(ENTRY_KEY, list_number) & np.uint64(ENTRY_MASK)
        self.refresh()  # not older than the index when it said so
        return numbers

    def quarantine(self, list_number: int) -> Path:
        """Return the file that holds the bad rows of a list, one JSON object per line."""
        return self.folder(list_number) / "quarantine.jsonl"

    def find(
        self,
        digests: Digests,
        fingerprints: Sequence[Fingerprint] = (),
        *,
        radius_bits: int = PDQ_RADIUS_BITS,
        lists: Collection[int] | None = None,
    ) -> list[Hit]:
        """Return the hits of one content, at most one for each entry; the first one decides.

        Exact alerts come first, then known-good contents, then what is indicative, nearest first.
        """
        query = (digests, fingerprints)
        return self.find_many([query], radius_bits=radius_bits, lists=lists)[0]

    def find_many(
        self,
        queries: Sequence[Query],
        *,
        radius_bits: int = PDQ_RADIUS_BITS,
        lists: Collection[int] | None = None,
    ) -> list[list[Hit]]:
        """Return the hits of each content of a batch, as `find` does, with one index call."""
        proposer = Proposer(self._index, radius_bits, lists)
        while True:  # again if a commit came between two index calls
            self.refresh()
            view = self._view
            proposed = proposer.propose(queries)
            if self._index.generation == view.generation:
                break
        return [
            judged(digests, keys, view.resolve)
            for (digests, _), keys in zip(queries, proposed, strict=True)
        ]

    def under(
        self, algorithm: str, prefix: int, bits: int, lists: Collection[int]
    ) -> list[tuple[bytes, Hit]]:
        """Return digests of some lists that begin with some bits, each with the hit it would be.

        Raises:
            UsageError: this is no algorithm of digests, or the prefix does not fit its bits.
        """
        while True:
            self.refresh()
            view = self._view
            values, keys = self._index.under(algorithm, prefix, bits)
            if self._index.generation == view.generation:
                break
        found = []
        for value, key in zip(values, keys.tolist(), strict=True):
            if unpack_key(key)[0] in lists:
                digest = value.tobytes()
                asked = Digests(**{algorithm: digest})
                found += [(digest, hit) for hit in judged(asked, {key: None}, view.resolve)]
        return found

    def add(  # noqa: PLR0913 - each says one thing of the file that the file does not say
        self,
        file: Path,
        *,
        name: str,
        role: Role,
        received_from: str = "",
        received_at: datetime | None = None,
        format: str | None = None,  # noqa: A002 - the word that users know
        algorithm: str = "",
        scheme: str = "",
        code: str = "",
        by_code: Mapping[str, Role] | None = None,
        replace: bool = False,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Import `file` as the list `name`; all of it appears at once, or nothing.

        Args:
            file: A regular file; it is parsed in a confined process.
            name: What the list is called from now on.
            role: What a match with it means.
            received_from: Who gave it to us.
            received_at: When; now if not said.
            format: One of the formats' names; recognised by content if not said.
            algorithm: What the hashes are, for formats that do not say: one of `ALGORITHMS`.
            scheme: Classification scheme of entries that carry none.
            code: The code under `scheme`.
            by_code: Roles of single classification codes, where a file mixes them.
            replace: Put it in the place of the list of that name.
            progress: Called with (bytes read, rows read) now and then.

        Raises:
            UsageError: the name is taken, or an option does not fit.
            ListFormatError: the file cannot be read as a list.
            InputError: the file changed while it was read.
            SandboxError: the confined reader broke its limits.
        """
        check_name(name)
        if bool(scheme) != bool(code):
            raise UsageError(
                "a classification needs both a scheme and a code", hint="--scheme S --code C"
            )
        if algorithm and algorithm not in ALGORITHMS:
            raise UsageError(
                f"unknown algorithm {algorithm!r}", hint=f"choose one of {', '.join(ALGORITHMS)}"
            )
        if format:
            named(format)
        received = Received(
            list=name,
            source=file.name.encode("utf-8", "backslashreplace").decode(),
            received_at=received_at or now(),
            received_from=received_from,
            role=role,
            role_of=dict(by_code or {}),
            algorithm=algorithm,
            scheme=scheme,
            code=code,
        )
        source = open_source(file)
        try:
            request = Request(received, format or "", received.source)
            return self._import(source, request, progress, replace=replace)
        finally:
            os.close(source)

    def _import(
        self, source: int, request: Request, progress: Progress | None, *, replace: bool
    ) -> ImportReport:
        received = request.received
        with IndexWriter(self.path / "index") as writer:
            self.refresh()
            self.sweep()
            old = next((i for i in self.lists if i.name == received.list), None)
            if old and not replace:
                raise UsageError(
                    f"there is already a list {received.list!r}",
                    code="list_exists",
                    hint="import it with --replace, or under another name",
                )
            if old and self._view.notes[old.number]:
                raise UsageError(
                    f"the list {received.list!r} is kept up to date by another program",
                    code="list_grows",
                    hint="import under another name",
                )
            if old:
                writer.delete_list(old.number)
            number = writer.define_list(received.list, received.role)
            folder = self.folder(number)
            folder.mkdir(mode=0o700)
            try:
                before = os.fstat(source)
                sha256 = sha256_of(source)
                staged = Stage(folder, writer, number).fill(source, request, progress)
                unchanged(before, source)
                info = list_info(number, received, staged, sha256, before.st_size)
                write_durable(folder / "info.json", msgspec.json.encode(info))
                sync_folder(folder.parent)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            writer.commit()
        self.refresh()
        if old:
            shutil.rmtree(self.folder(old.number), ignore_errors=True)
        return ImportReport(
            info=info,
            replaced=old.number if old else None,
            notes=notes(info, self.quarantine(number), received.algorithm),
        )

    def remove(self, name: str) -> ListInfo:
        """Remove a list and its entries, and return what it was."""
        info = self.info(name)
        with IndexWriter(self.path / "index") as writer:
            writer.delete_list(info.number)
            writer.commit()
        self.refresh()
        shutil.rmtree(self.folder(info.number), ignore_errors=True)
        return info

    def export(
        self, name: str, form: str, stream: BinaryIO, options: ExportOptions | None = None
    ) -> Written:
        """Write a list to `stream` in the format called `form`; return what could not be carried.

        Raises:
            UsageError: no such list or format, or the options do not fit the format.
        """
        info = self.info(name)
        return export(info, self.entries(info.number), named(form, to_write=True), stream, options)

    def sweep(self) -> None:
        """Remove the list folders of writers that never came to their commit.

        Only for who holds the lock of the index.
        """
        for folder in (self.path / "lists").iterdir():
            if not (folder.name.isdigit() and int(folder.name) in self._view.lists):
                shutil.rmtree(folder)


class _View(NamedTuple):
    """The lists of one generation of the index; never changed after it is made."""

    generation: int
    lists: dict[int, Opened]
    notes: dict[int, bytes]

    def resolve(self, key: int) -> tuple[str, Role, int, ListEntry]:
        """Return what `judged` asks of a key."""
        list_number, entry_number = unpack_key(key)
        info, entries = self.lists[list_number]
        entry = entries[entry_number]
        return info.name, role_of(entry, info.role, info.role_of), entry_number, entry


def _imported(folder: Path) -> Opened:
    info = read_info(folder)
    return Opened(info, EntryReader(folder, own_provenance(info), info.entries))


def read_info(folder: Path) -> ListInfo:
    """Return the info of a list folder; raise IntegrityError when it cannot be read."""
    try:
        return msgspec.json.decode((folder / "info.json").read_bytes(), type=ListInfo)
    except (OSError, msgspec.DecodeError) as error:
        raise IntegrityError(
            f"the list in {folder} cannot be read: {error}",
            code="info",
            hint="import the list again with --replace",
        ) from None


def check_name(name: str) -> None:
    """Raise UsageError if a list cannot be called `name`."""
    if not name.strip() or len(name) > _NAME_LIMIT or not name.isprintable():
        raise UsageError(f"a list's name has 1 to {_NAME_LIMIT} printable characters")
