"""JSON of Instagram and Facebook: `message_1.json` and its fellows, the newest message first.

They come out oldest first: a file is gone through once to find where its messages lie (16 bytes
each are remembered), and then read from its end. Its texts are UTF-8 that was written as Latin-1,
byte by byte; that is undone.
"""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from tutela.chat.charset import utf8
from tutela.chat.decoding import decoded
from tutela.chat.entries import Entries, malformed
from tutela.chat.format import Opening
from tutela.chat.jsonwalk import Walk, What
from tutela.chat.model import Left, MediaKind, MediaRef, Message, Trouble
from tutela.chat.squeeze import LONG_BYTES
from tutela.chat.times import moment
from tutela.core.errors import InputError

# Of a file in an archive, which can only be read forward. Meta writes 10,000 messages a file.
FORWARD_BYTES: Final = 128 << 20
_MESSAGES: Final = ("messages", "*")
_PLAN: Final = {
    (): What.ENTER,
    ("messages",): What.ENTER,
    _MESSAGES: What.GIVE,
    ("thread_path",): What.GIVE,
}


class _File(msgspec.Struct):
    uri: str = ""


class _Row(msgspec.Struct):
    sender_name: str = ""
    timestamp_ms: int | None = None
    content: str | None = None
    is_unsent: bool = False
    photos: list[_File] = []
    videos: list[_File] = []
    audio_files: list[_File] = []
    files: list[_File] = []
    gifs: list[_File] = []
    sticker: _File | None = None


_ROW: Final = msgspec.json.Decoder(_Row)
_WORD: Final = msgspec.json.Decoder(str)


class Instagram:
    """See `Format`."""

    name = "instagram"

    def looks_like(self, head: bytes, file_name: str) -> bool:  # noqa: ARG002 - the content says it
        """By participants and senders."""
        return (
            head.lstrip().startswith(b"{")
            and b'"participants"' in head
            and b'"messages"' in head
            and (b'"sender_name"' in head or b'"timestamp_ms"' in head)
        )

    def read(self, stream: BinaryIO, opening: Opening) -> Iterator[Message | Left]:
        """See `Format`.

        Raises:
            InputError: `too_large`, it is in an archive and has more than 128 MiB.
        """
        entries = Entries(opening)
        places = _Places(opening.conversation)
        damage = places.find(stream)
        ahead, origin = _seekable(opening.again())
        for number, raw in places.backwards(ahead, origin):
            row = decoded(_ROW, raw) if raw is not None else None
            if row is None:
                yield malformed(f"message {number + 1}")
            else:
                yield _message(row[0], places.conversation, entries, opening, repaired=row[1])
        if damage is not None:
            raise damage


class _Places:
    """Where the messages of a file lie."""

    def __init__(self, conversation: str) -> None:
        self.conversation = conversation
        self.starts = array("Q")
        self._ends = array("Q")

    def find(self, stream: BinaryIO) -> InputError | None:
        """Go through a file; return what is wrong with its end."""
        try:
            for cut in Walk(utf8(stream), lambda path: _PLAN.get(path, What.SKIP)).cuts():
                if cut.path == _MESSAGES:
                    self.starts.append(cut.start)
                    self._ends.append(cut.end)
                else:
                    self._name(decoded(_WORD, cut.raw or b""))
        except InputError as error:
            return error
        return None

    def _name(self, path: tuple[str, bool] | None) -> None:
        # `inbox/ann_123`: the folder that the thread lies in.
        if path is not None and path[0]:
            self.conversation = _unspoilt(path[0]).rpartition("/")[2] or self.conversation

    def backwards(self, stream: BinaryIO, origin: int) -> Iterator[tuple[int, bytes | None]]:
        """Yield number and bytes of each message from the last; None for what is too large.

        `origin` is where the text begins in the stream.
        """
        after = len(self.starts)
        while after:
            first = after - 1
            while first and self._ends[after - 1] - self.starts[first - 1] <= LONG_BYTES:
                first -= 1
            start, end = self.starts[first], self._ends[after - 1]
            stream.seek(origin + start)
            if end - start > LONG_BYTES:  # one, which is made short on the way
                yield first, next(Walk(stream, lambda _: What.GIVE).cuts()).raw
            else:
                piece = stream.read(end - start)
                for number in range(after - 1, first - 1, -1):
                    at = self.starts[number] - start
                    yield number, piece[at : self._ends[number] - start]
            after = first


def _seekable(stream: BinaryIO) -> tuple[BinaryIO, int]:
    """Return a stream of UTF-8 that can be read from behind, and where its text begins."""
    plain = utf8(stream)
    if plain is stream and stream.seekable():
        return stream, stream.tell()
    copy = io.BytesIO()
    while block := plain.read(1 << 16):
        copy.write(block)
        if copy.tell() > FORWARD_BYTES:
            raise InputError(
                f"more than {FORWARD_BYTES >> 20} MiB in an archive cannot be read from behind",
                code="too_large",
                hint="unpack it",
            )
    return copy, 0


def _message(
    row: _Row, conversation: str, entries: Entries, opening: Opening, *, repaired: bool
) -> Message:
    sender = _unspoilt(row.sender_name)
    return entries.message(
        conversation,
        sender,
        _unspoilt(row.content or ""),
        time=moment(row.timestamp_ms, opening.zone),
        deleted=row.is_unsent,
        system=not sender,
        media=_media(row),
        troubles=(Trouble.ENCODING,) if repaired else (),
    )


def _unspoilt(text: str) -> str:
    """Return what was UTF-8 before each of its bytes was taken for a character."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        # It was never spoilt; or cut within a character, by us.
        return text


def _media(row: _Row) -> list[MediaRef]:
    groups = (
        (MediaKind.PICTURE, row.photos),
        (MediaKind.VIDEO, row.videos),
        (MediaKind.AUDIO, row.audio_files),
        (MediaKind.FILE, row.files),
        (MediaKind.PICTURE, row.gifs),
        (MediaKind.PICTURE, [row.sticker] if row.sticker else []),
    )
    return [
        MediaRef(name=_unspoilt(one.uri)[:1_000], kind=kind)
        for kind, files in groups
        for one in files
    ]
