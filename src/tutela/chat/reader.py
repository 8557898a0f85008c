"""Reading exports in a confined process: open files go in, batches of messages come out.

An export that kills its reader, or keeps it silent, ends with a `Left` that says so; what came
before it stands, and the next one is read by a fresh process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from typing import Final, Self

import msgspec

from tutela.chat.limits import BATCH_MESSAGES, TEXT_CHARS
from tutela.chat.model import Left, MediaRef, Message
from tutela.chat.readwire import Batch, Fetch, Look, Looked, Part, Piece, Read
from tutela.chat.readwork import Handler
from tutela.chat.source import Source, archive_names
from tutela.core.errors import SandboxError, TutelaError
from tutela.evidence.folder import open_found
from tutela.sandbox import UNREADABLE, Broken, Done, Limits, Pool, Reply

# Files of one source that are open at once.
FILES: Final = 256
LIMITS: Final = Limits(memory_bytes=768 << 20, silence_s=30.0, open_files=FILES)
MEDIA_BYTES: Final = 64 << 20  # of one file that is given whole
_BATCH_BYTES: Final = 16 << 20


class Reader:
    """Reads one source at a time. For one thread; a context manager.

    Make it before a list, a key or the database is opened, in a process without other threads: its
    process is forked here, and so holds none of them.

    Args:
        zone: Of times that an export writes without one.
        limits: What the process may use.

    Raises:
        SandboxError: the process cannot be started or confined.
    """

    def __init__(self, *, zone: tzinfo = UTC, limits: Limits = LIMITS) -> None:
        handler = Handler(zone)
        self._pool = Pool(handler, jobs=1, limits=limits, warm_up=handler.warm_up)
        self._encode = msgspec.msgpack.Encoder().encode
        self._looked = msgspec.msgpack.Decoder(Looked).decode
        self._piece = msgspec.msgpack.Decoder(Piece).decode
        self._batch = msgspec.msgpack.Decoder(Batch).decode

    def look(self, file: int, name: str) -> Looked:
        """Return which exports an open file is or holds, and what of it is none.

        Raises:
            SandboxError: the reader cannot be started anew.
        """
        found: list[bytes] = []
        for payload in self._replies(Look(name), [file]):
            if isinstance(payload, Left):
                return Looked(left=(Left(reason=payload.reason, place=name),))
            found.append(payload)
        try:
            return self._looked(b"".join(found))
        except UNREADABLE:
            return Looked(left=(Left(reason="protocol", place=name),))

    def read(self, source: Source) -> Iterator[Sequence[Message | Left]]:
        """Yield the messages of a source in order, and what was left out, in batches.

        A caller may stop at any time; the process that reads is ended then.

        Raises:
            RuntimeError: another source is being read.
            SandboxError: the reader cannot be started anew.
        """
        with _opened(source) as files:
            if isinstance(files, Left):
                yield [files]
                return
            parts = tuple(
                Part(part.file, part.name, part.member, part.prefix) for part in source.parts
            )
            wanted = Read(source.format, source.conversation, parts, datetime.now(UTC))
            for payload in self._replies(wanted, files):
                if isinstance(payload, Left):
                    yield [Left(reason=payload.reason, place=source.name)]
                    return
                batch = self._checked(payload)
                if batch is None:
                    yield [Left(reason="protocol", place=source.name)]
                    return
                yield batch

    def media(
        self, source: Source, refs: Sequence[MediaRef], *, most_bytes: int = MEDIA_BYTES
    ) -> Iterator[tuple[MediaRef, bytes]]:
        """Yield the files of an archive that messages of a source in it refer to, whole.

        The archive's directory is gone through once for all of `refs`. What is not in it, is
        damaged or has more than `most_bytes` is left out. For a source in a folder there is
        `source.media_path`.

        Raises:
            RuntimeError: a source is being read.
            SandboxError: the reader cannot be started anew.
        """
        wanted = [(ref, names) for ref in refs if (names := archive_names(source, ref))]
        if not wanted:
            return
        request = Fetch(tuple(names for _, names in wanted), most_bytes)
        with _opened(source) as files:
            if isinstance(files, Left):
                return
            number, found = -1, bytearray()
            for payload in self._replies(request, files[:1]):
                if isinstance(payload, Left):
                    return
                try:
                    piece = self._piece(payload)
                except UNREADABLE:
                    return
                if piece.wanted != number:
                    number, found = piece.wanted, bytearray()
                found += piece.data
                if not 0 <= number < len(wanted) or len(found) > most_bytes:
                    return
                if piece.last:
                    yield wanted[number][0], bytes(found)

    def _checked(self, payload: bytes) -> list[Message | Left] | None:
        """Return the entries of a batch; None where no honest reader sends such a one."""
        if len(payload) > _BATCH_BYTES:
            return None
        try:
            batch = self._batch(payload)
            entries = batch.entries()
        except (*UNREADABLE, ValueError):
            return None
        sound = (
            len(entries) == len(batch.messages) + len(batch.left) <= BATCH_MESSAGES
            and all(len(message.text) <= TEXT_CHARS for message in batch.messages)
            and all(left.count > 0 for left in batch.left)
        )
        return entries if sound else None

    def _replies(self, wanted: Look | Read | Fetch, files: Sequence[int]) -> Iterator[bytes | Left]:
        """Yield what the process replies, and how it ended where that was not well."""
        task = self._pool.submit(self._encode(wanted), files)
        ended = False
        try:
            while True:
                for event in self._pool.events(None):
                    match event:
                        case Reply():
                            if event.payload:
                                yield event.payload
                        case Done():
                            ended = True
                            return
                        case Broken():
                            ended = True
                            yield Left(reason=event.error.code if event.error else event.code)
                            return
        except SandboxError:
            ended = True
            raise
        finally:
            if not ended:
                self._pool.drop(task)

    def close(self) -> None:
        """End the process."""
        self._pool.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


@contextmanager
def _opened(source: Source) -> Iterator[list[int] | Left]:
    """Open the files of a source, or say why that cannot be done; close them afterwards."""
    files: list[int] = []
    left: Left | None = None
    try:
        for found in source.files:
            try:
                files += open_found(found)
            except TutelaError as error:
                left = Left(reason=error.code, place=source.name)
                break
        yield files if left is None else left
    finally:
        for file in files:
            os.close(file)
