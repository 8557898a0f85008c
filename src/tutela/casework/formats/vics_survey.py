"""The first pass over a VICS case file: is all of it sound, and what cases does it hold?

Nothing is taken from a file before its last byte has been read: a broken one is refused whole, with
the byte where it breaks. The pass keeps the fields of the cases and counts their media; it holds
one media at no time, so a file of any size takes a few megabytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import ijson
from ijson.common import IncompleteJSONError, JSONError

from tutela.core.errors import InputError, ListFormatError
from tutela.hashlist.format import refuse_utf16
from tutela.hashlist.formats.vics_model import Model
from tutela.hashlist.formats.vics_root import BLOCK_BYTES, broken, read_model, start_of

# A media with this many values, or a case with this many fields, is an attack and no record.
RECORD_EVENTS: Final = 2_000_000
FIELD_EVENTS: Final = 200_000
CASES: Final = 10_000
# So many bytes without one whole value: a single string of 16 MiB.
SILENT_BLOCKS: Final = 64
MEDIA = "value.item.Media.item"

_OPENING = frozenset(("start_map", "start_array"))
_CLOSING = frozenset(("end_map", "end_array"))


@dataclass
class CaseHead:
    """One case of a file: its own fields (no media), and how many Media records it has."""

    fields: dict[str, Any] = field(default_factory=dict)
    media: int = 0


@dataclass
class Survey:
    """What a file holds. `root` are keys of the root that are not ours."""

    model: Model
    sha256: str
    size_bytes: int
    root: dict[str, Any]
    cases: list[CaseHead]


def survey(path: Path) -> Survey:
    """Read a whole file once.

    Raises:
        InputError: the JSON is broken (`broken_json`, with the byte), cut short (`truncated`), no
            VICS (`not_vics`), a hash set (`not_a_case`), or made to exhaust its reader (`hostile`).
    """
    try:
        with path.open("rb") as stream:
            refuse_utf16(stream.read(4))
            start = start_of(stream)
            try:
                model = read_model(stream, start)
                if model.kind != "cases":
                    raise InputError(
                        f"{path.name} is a hash set and holds no case",
                        code="not_a_case",
                        hint="tutela list import takes hash sets",
                    )
                stream.seek(start)
                return _Pass(model).over(stream)
            except (JSONError, IncompleteJSONError) as error:
                raise broken(stream, start, error) from None
    except OSError as error:
        raise InputError(f"cannot read {path.name}: {error.strerror}", code="unreadable") from error


class _Pass:
    """Follows the events of the parser; `depth` is that of open objects and arrays."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._cases: list[CaseHead] = []
        self._root = ijson.ObjectBuilder()
        self._builder: Any = None
        self._depth = 0
        self._key = ""
        self._within = ""
        self._events = 0

    def over(self, stream: BinaryIO) -> Survey:
        digest, size, silent = hashlib.sha256(), stream.tell(), 0
        stream.seek(0)
        digest.update(stream.read(size))
        events = ijson.sendable_list()
        parser = ijson.basic_parse_coro(events)
        while block := stream.read(BLOCK_BYTES):
            digest.update(block)
            size += len(block)
            parser.send(block)
            silent = 0 if events else silent + 1
            if silent > SILENT_BLOCKS:
                raise _hostile("a single value is longer than 16 MiB")
            for event, value in events:
                self._take(event, value)
            del events[:]
        parser.close()
        for event, value in events:
            self._take(event, value)
        root = getattr(self._root, "value", {})
        return Survey(self._model, digest.hexdigest(), size, root, self._cases)

    def _take(self, event: str, value: Any) -> None:
        opening = event in _OPENING
        if event in _CLOSING:
            self._depth -= 1
        place = self._within
        if place == "media":
            self._count(event)
        elif place == "case":
            self._case(event, value)
        elif place == "cases":
            self._between(event)
        elif self._depth == 1 and event == "map_key":
            self._key = value
            if value != "value":
                self._field(self._root, event, value)
        elif self._depth == 1 and event == "start_array" and self._key == "value":
            self._within = "cases"
        else:
            self._field(self._root, event, value)
        if opening:
            self._depth += 1

    def _between(self, event: str) -> None:
        """Inside `value`: a case begins, or the array ends."""
        if event == "start_map":
            if len(self._cases) >= CASES:
                raise _hostile(f"more than {CASES:,} cases in one file")
            self._cases.append(CaseHead())
            self._builder = ijson.ObjectBuilder()
            self._builder.event("start_map", None)
            self._events = 0
            self._within = "case"
        elif event == "end_array":
            self._within = ""
        else:
            raise ListFormatError("a record of value is not an object", code="not_vics")

    def _case(self, event: str, value: Any) -> None:
        """Inside a case: its fields, but not what is under `Media`."""
        if self._depth == 3 and event == "map_key":
            self._key = value
            if value == "Media":
                return
        elif self._depth == 3 and self._key == "Media":
            if event != "start_array":
                if event in _OPENING or value is not None:
                    raise ListFormatError("Media of a case is not an array", code="not_vics")
                return
            self._within, self._events = "media", 0
            return
        if self._depth == 2 and event == "end_map":
            self._builder.event(event, value)
            self._cases[-1].fields = self._builder.value
            self._within = "cases"
            return
        self._field(self._builder, event, value)

    def _count(self, event: str) -> None:
        """Inside `Media`: count records, and refuse a monstrous one."""
        if self._depth == 4:
            if event not in _CLOSING:
                self._cases[-1].media += 1
            self._events = 0
        elif self._depth == 3:
            self._within, self._events, self._key = "case", 0, ""
        else:
            self._events += 1
            if self._events > RECORD_EVENTS:
                raise _hostile(f"a media of more than {RECORD_EVENTS:,} values")

    def _field(self, builder: Any, event: str, value: Any) -> None:
        self._events += 1
        if self._events > FIELD_EVENTS:
            raise _hostile(f"a case of more than {FIELD_EVENTS:,} fields")
        builder.event(event, value)


class Readable(Protocol):
    """What is read of a file."""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""

    def seek(self, offset: int) -> int:
        """Go to a byte."""


def media(stream: Readable) -> Iterator[Any]:
    """Yield the Media records of all cases in the order of the file, each as it came."""
    stream.seek(start_of(stream))
    yield from ijson.items(stream, MEDIA, buf_size=BLOCK_BYTES)


def _hostile(sentence: str) -> InputError:
    return InputError(
        sentence, code="hostile", hint="nothing was imported; ask the sender how it was made"
    )
