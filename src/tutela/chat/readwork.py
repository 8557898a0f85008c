"""Reading exports, confined: what an open file holds, and the messages of one source.

Nothing here opens a file; descriptors come with a request. Replies are batches, and empty ones to
say that it goes on where a file holds nothing for a while.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Iterator
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from tutela.chat.charset import buffered, text_of
from tutela.chat.format import HEAD_BYTES, Opening
from tutela.chat.limits import BATCH_MESSAGES
from tutela.chat.model import Left, Message
from tutela.chat.recognise import is_media, named, recognise
from tutela.core.errors import ContainerError, InputError
from tutela.evidence.container import ContainerLimits, Member, Source
from tutela.evidence.containers.zip import Zip
from tutela.evidence.stream import descriptor, size_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# What is found in one archive.
FINDS: Final = 100_000
_BATCH_CHARS: Final = 1 << 20
_PIECE_BYTES: Final = 1 << 20
_BEAT_S: Final = 2.0
_ARCHIVE: Final = (b"PK\3\4", b"PK\5\6")
_LIMITS: Final = ContainerLimits(members=2_000_000)
_OTHER_ARCHIVES: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!")


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Where one file of a source lies.

    Attributes:
        file: Which of the descriptors.
        name: Its name with folders, as in the export.
        member: How it is found again in an archive; empty for the file itself.
        prefix: Of the numbers that its messages get.
    """

    file: int
    name: str
    member: tuple[int, ...] = ()
    prefix: str = ""


class Look(msgspec.Struct, frozen=True, array_like=True, tag="look"):
    """Asks what the one file holds."""

    name: str


class Read(msgspec.Struct, frozen=True, array_like=True, tag="read"):
    """Asks for the messages of a source."""

    format: str
    conversation: str
    parts: tuple[Part, ...]
    now: datetime


class Fetch(msgspec.Struct, frozen=True, array_like=True, tag="fetch"):
    """Asks for members of the one archive: by names, of each the first that is there."""

    names: tuple[tuple[str, ...], ...]
    most_bytes: int


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Some bytes of the member that was asked for as number `wanted`."""

    wanted: int
    data: bytes
    last: bool = False


class Find(msgspec.Struct, frozen=True, array_like=True):
    """An export: the file itself, or a member of it."""

    format: str
    name: str = ""
    member: tuple[int, ...] = ()
    size_bytes: int = 0


class Looked(msgspec.Struct, frozen=True, array_like=True):
    """What a file holds."""

    archive: bool = False
    finds: tuple[Find, ...] = ()
    left: tuple[Left, ...] = ()


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Some entries; each of `left` stands before the message of its number in `before`."""

    messages: list[Message]
    left: list[Left]
    before: list[int]

    def entries(self) -> list[Message | Left]:
        """Return all of them in order."""
        if not self.left:
            return list(self.messages)
        found: list[Message | Left] = []
        at = 0
        for left, before in zip(self.left, self.before, strict=True):
            found += self.messages[at:before]
            found.append(left)
            at = before
        return found + self.messages[at:]


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
            reply(msgspec.msgpack.encode(_look(wanted, files[0], beat)))
            return
        if isinstance(wanted, Fetch):
            for piece in _fetched(wanted, files[0], beat):
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
        stream = _archive(stream).open(Member(b"", member))
    return buffered(_Beating(stream, beat))


def _archive(stream: BinaryIO, head: bytes = b"") -> Zip:
    size = size_of(stream)
    return Zip(Source((stream,), size, head), _LIMITS, _LIMITS.budget(size))


def _look(wanted: Look, file: int, beat: _Beat) -> Looked:
    stream = descriptor(file)
    head = stream.read(HEAD_BYTES)
    if not head.startswith(_ARCHIVE):
        form = recognise(head, wanted.name)
        if form:
            return Looked(finds=(Find(form, size_bytes=size_of(stream)),))
        return Looked(left=(Left(reason=_reason(head), place=wanted.name),))
    archive = _archive(stream)
    finds: list[Find] = []
    left: dict[str, Left] = {}
    for name, found in _members(archive, beat):
        if isinstance(found, Find) and len(finds) < FINDS:
            finds.append(found)
            continue
        reason = found if isinstance(found, str) else "too_many"
        known = left.get(reason)
        place = known.place if known else f"{wanted.name}/{name}" if name else wanted.name
        left[reason] = Left(reason=reason, place=place, count=1 + (known.count if known else 0))
    return Looked(True, tuple(finds), tuple(left.values()))  # noqa: FBT003 - it is one


def _members(archive: Zip, beat: _Beat) -> Iterator[tuple[str, Find | str]]:
    """Yield name, and what each member is, or why it is none."""
    try:
        for member in archive.members():
            beat()
            name = text_of(member.name)[0].replace("\\", "/")[:1_000]
            yield name, _member(archive, member, name)
    except ContainerError as error:
        yield "", error.code


def _member(archive: Zip, member: Member, name: str) -> Find | str:
    if member.outcome != "file":
        return member.reason
    try:
        head = archive.open(member).read(HEAD_BYTES)
    except InputError as error:
        return error.code
    if head.startswith(_ARCHIVE):
        return "archive"
    found = recognise(head, name)
    if found:
        return Find(found, name, member.locator, member.size_bytes or 0)
    return _reason(head)


def _fetched(wanted: Fetch, file: int, beat: _Beat) -> Iterator[Piece]:
    """Yield the members that are wanted, piece by piece; one that is too large, or damaged, not."""
    ranks = {
        name: (number, rank)
        for number, names in enumerate(wanted.names)
        for rank, name in enumerate(names)
    }
    places: dict[int, tuple[int, Member]] = {}
    archive = _archive(descriptor(file))
    with contextlib.suppress(ContainerError):  # what the directory showed until then
        for member in archive.members():
            beat()
            known = ranks.get(text_of(member.name)[0].replace("\\", "/"))
            if known is None or member.outcome != "file":
                continue
            number, rank = known
            if number not in places or rank < places[number][0]:
                places[number] = rank, member
    for number, (_, member) in sorted(places.items()):
        if (member.size_bytes or 0) > wanted.most_bytes:
            continue
        with contextlib.suppress(ContainerError):
            stream = archive.open(member)
            while data := stream.read(_PIECE_BYTES):
                yield Piece(number, data)
            yield Piece(number, b"", last=True)


def _reason(head: bytes) -> str:
    """Say why a file is no export."""
    if not head:
        return "empty"
    if is_media(head):
        return "media"
    return "archive" if head.startswith(_OTHER_ARCHIVES) else "no_conversation"
