"""JSON Lines: a message a line, in fields of ours (docs/reference/chat-formats.md) or near them.

One array of such messages is read too.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

import msgspec

from tutela.chat import fields
from tutela.chat.charset import utf8
from tutela.chat.decoding import decoded
from tutela.chat.entries import Entries, malformed
from tutela.chat.fields import NAMES
from tutela.chat.format import Opening
from tutela.chat.jsonwalk import Path, Walk, What
from tutela.chat.limits import MEDIA_REFS
from tutela.chat.lines import lines
from tutela.chat.model import Left, MediaRef, Message, Trouble
from tutela.chat.squeeze import JSON, Squeeze
from tutela.chat.times import moment
from tutela.core.errors import InputError

_SUFFIXES: Final = (".jsonl", ".ndjson")
_ARRAY: Final = re.compile(rb"\[\s{0,64}\{")
_BLANK: Final = 64  # bytes in which something must stand


class MediaRow(msgspec.Struct):
    """A file as a row has it."""

    name: str = ""
    path: str = ""
    file: str = ""
    kind: str = ""
    type: str = ""
    size_bytes: int = 0
    size: int = 0
    sha256: str = ""

    def ref(self) -> MediaRef:
        """Return it as a reference."""
        name = self.name or self.path or self.file
        return MediaRef(
            name=name[:1_000],
            kind=fields.kind_of(self.kind or self.type, name),
            size_bytes=min(max(self.size_bytes or self.size, 0), 1 << 62),
            sha256=fields.digest_of(self.sha256),
        )


_Word = str | int | float | None
_OTHERS = {
    "text": str | None,
    "media": list[MediaRow | str] | None,
    "to": list[str | int] | str | int | None,
    "deleted": bool | int | str | None,
    "system": bool | int | str | None,
}
# A field for each name that means the same: unknown ones are skipped, and take no memory.
_Row = msgspec.defstruct(
    "_Row",
    [(name, _OTHERS.get(field, _Word), None) for field, same in NAMES.items() for name in same],
)
_DECODER: Final = msgspec.json.Decoder(_Row)


class JsonLines:
    """See `Format`."""

    name = "jsonl"

    def looks_like(self, head: bytes, file_name: str) -> bool:
        """By the keys of the first message; by its name where that is longer than the head."""
        start = head.lstrip()
        line, ended, _ = start.partition(b"\n")
        if _ARRAY.match(start):
            keys = _keys(start)
        elif line.startswith(b"{"):
            keys = _keys(line)
            if not ended and file_name.lower().endswith(_SUFFIXES):
                return True
        else:
            return False
        return any(map(keys.__contains__, NAMES["text"])) and any(
            name in keys for name in (*NAMES["author"], *NAMES["name"])
        )

    def read(self, stream: BinaryIO, opening: Opening) -> Iterator[Message | Left]:
        """See `Format`."""
        entries = Entries(opening)
        for place, raw in _rows(utf8(stream)):
            row = None if raw is None else decoded(_DECODER, raw)
            message = _message(row, entries, opening) if row is not None else None
            yield message or malformed(place)


def _rows(stream: BinaryIO) -> Iterator[tuple[str, bytes | None]]:
    """Yield place and bytes of each message of lines, or of an array."""
    peek = getattr(stream, "peek", None)
    if peek is not None and peek(_BLANK)[:_BLANK].lstrip().startswith(b"["):
        for cut in Walk(stream, lambda path: What.GIVE if path else What.ENTER).cuts():
            yield f"message {cut.number + 1}", cut.raw
        return
    for number, raw in lines(stream, lambda: Squeeze(JSON)):
        if raw is None or raw.strip():
            yield f"line {number}", raw


def _keys(start: bytes) -> set[str]:
    """Return the keys of a message, or of the first ones of an array, as far as they are there."""
    found: set[str] = set()

    def plan(path: Path) -> What:
        if path in {(), ("*",)}:
            return What.ENTER
        found.add(path[-1])
        return What.SKIP

    with contextlib.suppress(InputError):
        list(Walk(io.BytesIO(start), plan).cuts())
    return found


def _message(row: tuple[object, bool], entries: Entries, opening: Opening) -> Message | None:
    """Return the message of a row; None where nobody says nothing."""
    values, repaired = row
    found = {}
    for field, same in NAMES.items():
        for name in same:
            value = getattr(values, name)
            if value is not None:
                found[field] = value
                break
    author = fields.word_of(found.get("author"))
    name = fields.word_of(found.get("name"))
    media = found.get("media") or ()
    if not (author or name or found.get("text") or media):
        return None
    return entries.message(
        fields.word_of(found.get("conversation")) or opening.conversation,
        author or name,
        found.get("text") or "",
        id=fields.word_of(found.get("id")),
        name=name,
        time=moment(found.get("time"), opening.zone),
        deleted=_truth(found.get("deleted")),
        system=_truth(found.get("system")),
        media=[_ref(one) for one in media[: MEDIA_REFS + 1]],
        reply_to=fields.word_of(found.get("reply_to")),
        to=_words(found.get("to")),
        age_band=fields.age_band_of(fields.word_of(found.get("age_band"))),
        troubles=(Trouble.ENCODING,) if repaired else (),
    )


def _words(value: Sequence[str | int] | int | None) -> Sequence[str]:
    if value is None or value == "":
        return ()
    if isinstance(value, str | int):
        return (fields.word_of(value),)
    return [fields.word_of(one) for one in value]


def _truth(value: str | int | None) -> bool:
    return fields.truth_of(value) if isinstance(value, str) else bool(value)


def _ref(media: MediaRow | str) -> MediaRef:
    if isinstance(media, str):
        return MediaRef(name=media[:1_000], kind=fields.kind_of("", media))
    return media.ref()
