"""Reading a foreign file into a new list folder: the confined reader and the writer outside it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.core.entry import Classification, ListEntry, Role
from tutela.core.errors import SandboxError
from tutela.core.media import PHOTODNA
from tutela.hashlist.batch import Batch, Batcher, Message, Tally, opened
from tutela.hashlist.format import (
    HEAD_BYTES,
    BadRow,
    Received,
    formats,
    named,
    recognise,
    refuse_utf16,
)
from tutela.hashlist.model import UNCLASSIFIED, ClassCount, ListInfo
from tutela.hashlist.placeholder import Spool
from tutela.hashlist.store import EntryWriter, make_durable
from tutela.match.key import pack_key
from tutela.match.writer import IndexWriter
from tutela.sandbox import UNREADABLE, Limits, confined

QUARANTINE = "quarantine.jsonl"
_READER_BYTES = 768 << 20  # address space that the confined reader may add
_SILENCE_S = 120.0  # finding the place of an error in a large file takes a second pass

Progress = Callable[[int, int], None]  # (bytes read, rows read)


class Request(msgspec.Struct, frozen=True):
    """What the confined reader is asked: a file name to go by, a format or none, and the rest."""

    received: Received
    format: str
    name: str


class Staged(msgspec.Struct):
    """What reading a file gave, before it is a list."""

    rows: int
    entries: int
    quarantined: int
    compared: dict[str, int]
    placeholders: list[bytes]
    dropped: int
    tally: Tally | None = None


def read_list(request: bytes, files: list[int], reply: Callable[[bytes], None]) -> None:
    """Read the one file and reply with batches, then a tally; runs confined.

    Raises:
        ListFormatError: the file cannot be read as a whole.
    """
    asked = msgspec.msgpack.decode(request, type=Request)
    received = asked.received
    stream = io.BufferedReader(io.FileIO(files[0], "rb", closefd=False), 1 << 18)
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    refuse_utf16(head)
    form = named(asked.format) if asked.format else recognise(head, asked.name)
    batcher = Batcher(received.provenance(0), received.role, received.role_of)
    default = _default(received)
    encode = msgspec.msgpack.Encoder().encode
    for item in form.read(stream, received):
        if isinstance(item, ListEntry):
            if default and not item.classifications:
                item = msgspec.structs.replace(item, classifications=default)  # noqa: PLW2901 - the entry as stored
            batcher.add(item)
        elif isinstance(item, BadRow):
            batcher.reject(item)
        else:
            batcher.remarks[item.code] += 1
        if batcher.full:
            reply(encode(Message(batch=batcher.take(stream.tell()))))
    reply(encode(Message(batch=batcher.take(stream.tell()))))
    reply(encode(Message(tally=batcher.tally(form.name))))


def _default(received: Received) -> tuple[Classification, ...]:
    if received.scheme:
        return (Classification(received.scheme, received.code),)
    return (UNCLASSIFIED,) if received.role is Role.ALERT else ()


class Stage:
    """Writes what the confined reader sends: entries into a list folder, values into the index.

    Memory stays bounded by a few batches. Nothing counts until the index writer commits.
    """

    def __init__(self, folder: Path, writer: IndexWriter, number: int) -> None:
        self._folder, self._writer, self._number = folder, writer, number
        self._staged = Staged(0, 0, 0, {}, [], 0)

    def fill(self, source: int, request: Request, progress: Progress | None) -> Staged:
        """Read descriptor `source` to its end.

        Raises:
            ListFormatError: the file cannot be read as a whole.
            SandboxError: the reader was stopped or broke its limits.
        """
        staged = self._staged
        encode = msgspec.json.Encoder().encode
        with (
            EntryWriter(self._folder) as entries,
            (self._folder / QUARANTINE).open("xb") as quarantine,
            Spool(self._folder / "photodna.tmp") as spool,
        ):
            for message in _messages(source, request):
                batch = message.batch
                if batch is None:
                    staged.tally = message.tally
                    continue
                self._add(batch, entries, spool)
                for bad in batch.quarantined:
                    quarantine.write(encode(_Quarantined.of(request.name, bad)) + b"\n")
                staged.entries = entries.count
                staged.quarantined += len(batch.quarantined)
                staged.rows = staged.entries + staged.quarantined
                if progress:
                    progress(batch.position_bytes, staged.rows)
            self._drain(spool)
            make_durable(quarantine)
            entries.finish()
        return staged

    def _add(self, batch: Batch, entries: EntryWriter, spool: Spool) -> None:
        ends, columns = opened(batch)
        first = pack_key(self._number, entries.count)
        keys = np.arange(len(ends), dtype=np.uint64) + np.uint64(first)
        for space, values, positions in columns:
            if space == PHOTODNA:
                spool.add(values, _contents(columns, keys)[positions], keys[positions])
            else:
                self._index(space, values, keys[positions])
        entries.append(batch.records, ends)

    def _drain(self, spool: Spool) -> None:
        for values, keys in spool.drain():
            self._index(PHOTODNA, values, keys)
        self._staged.placeholders = spool.placeholders
        self._staged.dropped = spool.dropped

    def _index(self, space: str, values: NDArray[np.uint8], keys: NDArray[np.uint64]) -> None:
        self._writer.add(space, values, keys)
        compared = self._staged.compared
        compared[space] = compared.get(space, 0) + len(keys)


def list_info(
    number: int, received: Received, staged: Staged, sha256: str, source_bytes: int
) -> ListInfo:
    """Return what the library says of the list that was read."""
    tally = staged.tally
    assert tally is not None, "the reader ended without its counts"
    remarks = dict(tally.remarks)
    if staged.dropped:
        remarks["PhotoDNA placeholders, not compared"] = staged.dropped
    return ListInfo(
        number=number,
        name=received.list,
        role=received.role,
        role_of=received.role_of,
        format=tally.format,
        source=received.source,
        source_sha256=sha256,
        source_bytes=source_bytes,
        received_from=received.received_from,
        received_at=received.received_at,
        rows=staged.rows,
        entries=staged.entries,
        quarantined=staged.quarantined,
        carried=dict(sorted(tally.carried.items())),
        compared=dict(sorted(staged.compared.items())),
        classifications=[ClassCount(*key, n) for key, n in sorted(tally.classes.items())],
        unclassified=tally.unclassified,
        remarks=dict(sorted(remarks.items())),
        placeholders=staged.placeholders,
    )


class _Quarantined(msgspec.Struct, frozen=True):
    """A line of `quarantine.jsonl`."""

    v: int
    type: str
    file: str
    row: int
    code: str
    reason: str
    text: str

    @classmethod
    def of(cls, file: str, bad: BadRow) -> _Quarantined:
        return cls(1, "quarantined", file, bad.row, bad.code, bad.reason, bad.text)


def _messages(source: int, request: Request) -> Iterator[Message]:
    decode = msgspec.msgpack.Decoder(Message).decode
    limits = Limits(memory_bytes=_READER_BYTES, silence_s=_SILENCE_S)
    formats()  # a confined process can import nothing any more
    whole = False
    for payload in confined(read_list, msgspec.msgpack.encode(request), [source], limits):
        try:
            message = decode(payload)
        except UNREADABLE:
            raise SandboxError("the confined reader sent garbage", code="protocol") from None
        whole = whole or message.tally is not None
        yield message
    if not whole:
        raise SandboxError("the confined reader ended before the end of the file", code="crashed")


def _contents(
    columns: list[tuple[str, NDArray[np.uint8], NDArray[np.uint32]]], keys: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Return a number (n,) for each entry that is the same for the same content."""
    contents = keys.copy()
    for space, values, positions in columns:
        if space in ("md5", "sha1", "sha256"):
            contents[positions] = np.ascontiguousarray(values[:, :8]).view("<u8")[:, 0]
    return contents
