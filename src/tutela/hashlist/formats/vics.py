"""VICS (Project VIC) JSON, models 1.0 to 1.3 and 2.0: hash sets (`#Media`) and, to read, cases.

The official data model is not public; this follows what open tools read and write, so it is
VICS-compatible and not certified. A category number means different things by model, profile and
kind of file; it is kept as it came under a scheme that names all three (`vics-2.0-US-media`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import ijson
from ijson.common import IncompleteJSONError, JSONError

from tutela.core.entry import ListEntry
from tutela.core.errors import ListFormatError
from tutela.hashlist.format import ExportOptions, Read, Received, Remark, RowError, Written, way_out
from tutela.hashlist.formats import vics_media, vics_write
from tutela.hashlist.formats.vics_model import CONTEXT_KEYS, UNKNOWN_MODEL, Model
from tutela.hashlist.text import BOM
from tutela.hashlist.value import DIGEST_BYTES

_BLOCK_BYTES = 1 << 18


class Vics:
    """VICS JSON."""

    name = "vics"
    about = "VICS 1.x and 2.0 JSON (Project VIC, CAID); hash sets, and cases to read"
    takes_algorithm = False
    writable = True

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the role's signature
        """Take a JSON object with an OData context, or with the keys of a VICS root."""
        if not head.lstrip().startswith(b"{"):
            return False
        return any(f'"{key}"'.encode() in head for key in CONTEXT_KEYS) or (
            b'"value"' in head and b'"MD5"' in head
        )

    def read(self, stream: BinaryIO, received: Received) -> Iterator[Read]:
        """Yield one entry for each Media; `row` counts them from 1 over the whole file.

        Raises:
            ListFormatError: the JSON is broken (`broken_json`, with the byte), ends early
                (`truncated`), or is not VICS (`not_vics`).
        """
        start = len(BOM) if stream.read(len(BOM)) == BOM else 0
        try:
            model = _model(stream, start)
            if not model.known:
                yield Remark(UNKNOWN_MODEL)
            stream.seek(start)
            prefix = "value.item.Media.item" if model.kind == "cases" else "value.item"
            media = ijson.items(stream, prefix, buf_size=_BLOCK_BYTES)
            for row, record in enumerate(media, 1):
                try:
                    yield from vics_media.read(record, model, received, row)
                except RowError as error:
                    yield error.at(row, vics_media.excerpt(record))
        except (JSONError, IncompleteJSONError) as error:
            raise _broken(stream, start, error) from None

    def write(
        self, entries: Iterable[ListEntry], stream: BinaryIO, options: ExportOptions
    ) -> Written:
        """Write a hash set: model and profile as told, else as the list came, else 2.0 Default.

        Raises:
            UsageError: the model is not one that we write.
        """
        return vics_write.write(entries, stream, options)


def _model(stream: BinaryIO, start: int) -> Model:
    """Read the root up to the first record; only a root whose context stands last costs a pass."""
    stream.seek(start)
    context, kind, rooted = "", "", False
    for prefix, event, value in ijson.parse(stream, buf_size=_BLOCK_BYTES):
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
        for value in ijson.items(stream, key, buf_size=_BLOCK_BYTES):
            return str(value)
    return ""


def _broken(stream: BinaryIO, start: int, error: Exception) -> ListFormatError:
    """Say where the JSON breaks: at which byte of the file, from 0."""
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
            _BLOCK_BYTES if good is None else max(1, min(_BLOCK_BYTES, good - position))
        )
        if not block:
            return None
        try:
            parser.send(block)
        except (JSONError, IncompleteJSONError):
            return position
        position += len(block)
        del events[:]
