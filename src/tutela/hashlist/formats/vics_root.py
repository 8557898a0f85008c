"""Reading the root of a VICS file, and saying where a broken one breaks."""

from __future__ import annotations

from typing import BinaryIO, Protocol

import ijson
from ijson.common import IncompleteJSONError, JSONError

from tutela.core.errors import ListFormatError
from tutela.hashlist.format import way_out
from tutela.hashlist.formats.vics_model import CONTEXT_KEYS, Model
from tutela.hashlist.text import BOM
from tutela.hashlist.value import DIGEST_BYTES

BLOCK_BYTES = 1 << 18


class _Readable(Protocol):
    def read(self, size: int = -1) -> bytes: ...

    def seek(self, offset: int) -> int: ...


def start_of(stream: _Readable) -> int:
    """Return where the JSON begins: behind a byte order mark, where there is one."""
    stream.seek(0)
    return len(BOM) if stream.read(len(BOM)) == BOM else 0


def read_model(stream: BinaryIO, start: int) -> Model:
    """Read the root up to the first record; only a root whose context stands last costs a pass."""
    stream.seek(start)
    context, kind, rooted = "", "", False
    for prefix, event, value in ijson.parse(stream, buf_size=BLOCK_BYTES):
        if not rooted and (prefix, event) != ("", "start_map"):
            break
        rooted = True
        if prefix in CONTEXT_KEYS and event == "string":
            context = value
        elif prefix == "value" and event == "start_array":
            kind = "media"
        elif prefix == "value.item" and event == "map_key" and value == "Media":
            kind = "cases"
            break
        elif prefix == "value.item" and event == "map_key" and value.lower() in DIGEST_BYTES:
            break  # a medium itself, whatever it carries under a key of its own called Media
        elif (prefix, event) in (("value.item", "end_map"), ("value", "end_array")):
            break
    if not kind:
        raise ListFormatError(
            "the JSON has no array called value, so it is not VICS",
            code="not_vics",
            hint=way_out("--format F; docs/reference/list-formats.md shows what VICS looks like"),
        )
    return Model.of(context or _late_context(stream, start), kind)


def _late_context(stream: BinaryIO, start: int) -> str:
    for key in CONTEXT_KEYS:
        stream.seek(start)
        for value in ijson.items(stream, key, buf_size=BLOCK_BYTES):
            return str(value)
    return ""


def broken(stream: BinaryIO, start: int, error: Exception) -> ListFormatError:
    """Return the error that says where the JSON breaks: at which byte of the file, from 0."""
    raw = error.args[0] if error.args else ""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)
    reason = text.split("\n", 1)[0].strip()
    offset = _fault(stream, start)
    if offset is None:
        return ListFormatError(
            f"the file ends at byte {stream.tell()}, before its JSON does",
            code="truncated",
            hint="nothing was imported; obtain the whole file again",
        )
    return ListFormatError(
        f"broken JSON at byte {offset}: {reason}",
        code="broken_json",
        hint="nothing was imported; ask the sender for a valid file",
    )


def _fault(stream: BinaryIO, start: int) -> int | None:
    """Return the offset of the byte that breaks the JSON; None where it only ends too early.

    The parser does not say how far it came: the block that fails is fed again byte by byte.
    """
    good = _feed(stream, start, None)
    return None if good is None else _feed(stream, start, good)


def _feed(stream: BinaryIO, start: int, good: int | None) -> int | None:
    """Parse in blocks, behind `good` in bytes; return where the piece begins that fails."""
    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events)
    stream.seek(start)
    position = start
    while True:
        block = stream.read(
            BLOCK_BYTES if good is None else max(1, min(BLOCK_BYTES, good - position))
        )
        if not block:
            return None
        try:
            parser.send(block)
        except (JSONError, IncompleteJSONError):
            return position
        position += len(block)
        del events[:]
