"""Reading exports, confined: what an open file holds, and the messages of one source.

Nothing here opens a file; descriptors come with a request. Replies are batches, and empty ones to
say that it goes on where a file holds nothing for a while.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from tutela.chat import looking
from tutela.chat.charset import buffered
from tutela.chat.format import Opening
from tutela.chat.limits import BATCH_MESSAGES
from tutela.chat.model import Left, Message
from tutela.chat.readwire import Batch, Fetch, Look, Part, Read
from tutela.chat.recognise import named
from tutela.core.errors import InputError
from tutela.evidence.container import Member
from tutela.evidence.stream import descriptor

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BATCH_CHARS: Final = 1 << 20
_BEAT_S: Final = 2.0


class Handler:
    """Serves requests; runs confined."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._decode = msgspec.msgpack.Decoder(Look | Read | Fetch).decode

    def __call__(self, request: bytes, files: list[int], reply: Callable[[bytes], None]) -> None:
        """Look at a file, or read a source.

        Raises:
            Exception: a fault of ours in a format; what was read before was sent.
        """
        wanted = self._decode(request)
        beat = _Beat(reply)
        if isinstance(wanted, Look):
            reply(msgspec.msgpack.encode(looking.look(wanted, files[0], beat)))
            return
        if isinstance(wanted, Fetch):
            for piece in looking.fetched(wanted, files[0], beat):
                reply(msgspec.msgpack.encode(piece))
            return
        sending = _Sending(reply)
        try:
            for part in wanted.parts:
                for entry in self._entries(wanted, part, files, beat):
                    sending.add(entry)
        finally:
            sending.flush()

    def _entries(
        self, wanted: Read, part: Part, files: list[int], beat: _Beat
    ) -> Iterator[Message | Left]:
        def again() -> BinaryIO:
            return _opened(files[part.file], part.member, beat)

        opening = Opening(
            part.name, wanted.conversation, wanted.now, self._zone, again, part.prefix
        )
        try:
            yield from named(wanted.format).read(again(), opening)
        except InputError as error:
            yield Left(reason=error.code, place=part.name)

    def warm_up(self) -> None:
        """Load what reading needs; nothing can be opened later."""
        for name in ("cp1252", "utf-16-le", "utf-16-be", "utf-32-le", "latin-1"):
            "".encode(name)
        datetime.now(self._zone).utcoffset()


class _Beat:
    """Says now and then that there is life."""

    def __init__(self, reply: Callable[[bytes], None]) -> None:
        self._reply = reply
        self._last_s = time.monotonic()

    def __call__(self) -> None:
        now = time.monotonic()
        if now - self._last_s > _BEAT_S:
            self._last_s = now
            self._reply(b"")


class _Beating(io.RawIOBase):
    """A stream, every read of which is a sign of life."""

    def __init__(self, stream: BinaryIO, beat: _Beat) -> None:
        super().__init__()
        self._stream = stream
        self._beat = beat

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return self._stream.seekable()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._beat()
        view = memoryview(buffer).cast("B")
        data = self._stream.read(len(view))
        view[: len(data)] = data
        return len(data)


class _Sending:
    """Gathers entries to batches; what is left out for one reason, one after the other, is one."""

    def __init__(self, reply: Callable[[bytes], None]) -> None:
        self._reply = reply
        self._encode = msgspec.msgpack.Encoder().encode
        self._sent_s = time.monotonic()
        self._clear()

    def _clear(self) -> None:
        self._messages: list[Message] = []
        self._left: list[Left] = []
        self._before: list[int] = []
        self._chars = 0

    def add(self, entry: Message | Left) -> None:
        if isinstance(entry, Left):
            self._leave(entry)
        else:
            self._messages.append(entry)
            self._chars += len(entry.text)
        if len(self._messages) + len(self._left) >= BATCH_MESSAGES or self._chars >= _BATCH_CHARS:
            self.flush()

    def _leave(self, left: Left) -> None:
        last = self._left[-1] if self._left else None
        here = len(self._messages)
        if last is not None and last.reason == left.reason and self._before[-1] == here:
            self._left[-1] = Left(
                reason=last.reason, place=last.place, count=last.count + left.count
            )
            if time.monotonic() - self._sent_s > _BEAT_S:
                self.flush()
        else:
            self._left.append(left)
            self._before.append(here)

    def flush(self) -> None:
        if self._messages or self._left:
            self._reply(self._encode(Batch(self._messages, self._left, self._before)))
        self._sent_s = time.monotonic()
        self._clear()


def _opened(file: int, member: tuple[int, ...], beat: _Beat) -> BinaryIO:
    stream = descriptor(file)
    if member:
        stream = looking.archive(stream).open(Member(b"", member))
    return buffered(_Beating(stream, beat))
