"""XML of exports as a stream of elements: no document type, bounded depth and text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, Protocol, TypeVar
from xml.parsers import expat

from tutela.chat.charset import sound_xml, utf8
from tutela.chat.limits import TEXT_CHARS
from tutela.core.errors import InputError

_PIECE: Final = 1 << 16
_DEPTH: Final = 64
_TAG_BYTES: Final = 1 << 20
_DECLARATION_BYTES: Final = 200
_T = TypeVar("_T")


class Handler(Protocol[_T]):
    """What follows the elements; names are without their namespaces."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Begin an element."""

    def end(self, name: str, text: str) -> None:
        """End an element; `text` is its own, one character longer than is kept where it is cut."""

    def taken(self) -> list[_T]:
        """Return what came of it since the last time."""


class _Follow:
    """Keeps the text of the elements that are open."""

    def __init__(self, handler: Handler[Any]) -> None:
        self._handler = handler
        self._texts: list[list[str]] = []
        self._sizes: list[int] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._texts) == _DEPTH:
            raise InputError("it nests deeper than any export does", code="nesting")
        self._texts.append([])
        self._sizes.append(0)
        self._handler.start(name.rpartition(":")[2], attributes)

    def end(self, name: str) -> None:
        self._sizes.pop()
        self._handler.end(name.rpartition(":")[2], "".join(self._texts.pop()))

    def text(self, text: str) -> None:
        if not self._texts:
            return
        room = TEXT_CHARS + 1 - self._sizes[-1]
        if room > 0:
            self._texts[-1].append(text[:room])
            self._sizes[-1] += len(text)


def elements(stream: BinaryIO, make: Callable[[], Handler[_T]]) -> Iterator[_T]:
    """Yield what a handler makes of the elements of a document.

    Raises:
        InputError: `doctype` (entities can be made to fill the memory), `nesting`, `xml`: it is no
            XML, or cut off.
    """
    handler = make()
    follow = _Follow(handler)
    parser = expat.ParserCreate()
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refused
    parser.EntityDeclHandler = _refused
    parser.StartElementHandler = follow.start
    parser.EndElementHandler = follow.end
    parser.CharacterDataHandler = follow.text
    fed = 0
    source = _sound(utf8(stream))
    while True:
        piece = source.read(_PIECE)
        error = _feed(parser, piece)
        yield from handler.taken()
        if error is not None:
            raise error
        if not piece:
            return
        fed += len(piece)
        # A tag that does not end is held as a whole, and gone through anew with every piece.
        if fed - parser.CurrentByteIndex > _TAG_BYTES:
            raise InputError("a tag is longer than any tag is", code="xml")


def _feed(parser: expat.XMLParserType, piece: bytes) -> InputError | None:
    try:
        parser.Parse(piece, not piece)
    except InputError as error:
        return error
    except (expat.ExpatError, ValueError, LookupError) as error:
        # The latter two: an encoding that there is not, or one that is none of text.
        line = getattr(error, "lineno", 0)
        found = InputError(f"it is no XML from line {line} on, or cut off", code="xml")
        found.__cause__ = error
        return found
    return None


def _sound(stream: BinaryIO) -> BinaryIO:
    """Repair a stream, but for one that names another encoding, which the parser knows."""
    peek = getattr(stream, "peek", None)
    head: bytes = peek(_DECLARATION_BYTES) if peek is not None else b""
    declared = head[:_DECLARATION_BYTES].lower().partition(b"?>")[0]
    named = b"encoding" in declared and b"utf-8" not in declared and b"utf-16" not in declared
    return stream if named else sound_xml(stream)


def _refused(*_: object) -> None:
    raise InputError(
        "XML with a document type is not read",
        code="doctype",
        hint="no export has one, and entities can be made to fill the memory",
    )
