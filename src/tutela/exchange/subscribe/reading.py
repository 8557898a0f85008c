"""Reading what a publisher sent, in a confined process: entries, and what is on a list no more."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from tutela.core.entry import ListEntry
from tutela.core.errors import IntegrityError, SandboxError, ServiceError
from tutela.exchange.publication import GONE, Gone
from tutela.hashlist.format import Received, RowError
from tutela.hashlist.formats.jsonl import EntryRow
from tutela.hashlist.live import Change
from tutela.hashlist.text import lines
from tutela.sandbox import UNREADABLE, Limits, confined

_TOGETHER = 2048  # lines
_READER_BYTES = 512 << 20  # address space that the confined reader may add
_SILENCE_S = 120.0


class Read(msgspec.Struct, frozen=True, array_like=True):
    """Some lines, read: the number of each entry, and the entry, None where it is gone."""

    changes: tuple[tuple[int, ListEntry | None], ...]
    ended: bool = False


def read_lines(request: bytes, files: list[int], reply: Callable[[bytes], None]) -> None:
    """Read the one file of JSON Lines and reply with what it says; runs confined.

    Raises:
        IntegrityError: a line is none of ours.
    """
    received = msgspec.msgpack.decode(request, type=Received)
    encode = msgspec.msgpack.Encoder().encode
    decode = msgspec.json.Decoder(EntryRow).decode
    gone = msgspec.json.Decoder(Gone).decode
    waiting: list[tuple[int, ListEntry | None]] = []
    stream = io.BufferedReader(io.FileIO(files[0], "rb", closefd=False), 1 << 18)
    for row, line in lines(stream):
        try:
            if line is None:
                raise RowError("too_long", "the line is too long")  # noqa: TRY301 - said once, below
            if line.startswith(GONE):
                waiting.append((gone(line).row, None))
            else:
                waiting.extend(
                    (one.provenance.row, one)
                    for one in decode(line).entry(received, row)
                    if isinstance(one, ListEntry)
                )
        except (RowError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise IntegrityError(
                f"line {row} of what the publisher sent cannot be read: {error}", code="line"
            ) from None
        if len(waiting) >= _TOGETHER:
            reply(encode(Read(tuple(waiting))))
            waiting.clear()
    reply(encode(Read(tuple(waiting), ended=True)))


def changes_in(path: Path, received: Received) -> Iterator[Change]:
    """Yield what a decrypted file of entries says, each under its number.

    Entries come as those of the list that `received` describes, with what the publisher said of
    their origin.

    Raises:
        IntegrityError: a line cannot be read.
        SandboxError: the confined reader broke its limits.
        ServiceError: the file cannot be opened.
    """
    decode = msgspec.msgpack.Decoder(Read).decode
    ended = False
    try:
        with path.open("rb") as stream:
            request = msgspec.msgpack.encode(received)
            limits = Limits(memory_bytes=_READER_BYTES, silence_s=_SILENCE_S)
            for payload in confined(read_lines, request, [stream.fileno()], limits):
                try:
                    read = decode(payload)
                except UNREADABLE:
                    raise SandboxError(
                        "the confined reader sent garbage", code="protocol"
                    ) from None
                for number, entry in read.changes:
                    yield Change(str(number).encode(), _ours(entry, received) if entry else None)
                ended = read.ended
    except OSError as error:
        raise ServiceError(f"cannot read {path}: {error.strerror}") from error
    if not ended:
        raise SandboxError("the confined reader ended before the end of the file", code="crashed")


def _ours(entry: ListEntry, received: Received) -> ListEntry:
    own = received.provenance(entry.provenance.row)
    return msgspec.structs.replace(entry, provenance=own)


def received_as(name: str, source: str, received_at: datetime, owner: str) -> Received:
    """Return what is known of the entries of a list before they are read."""
    return Received(list=name, source=source, received_at=received_at, received_from=owner)
