"""Reading XML of others: no document type, nothing external, and limits on all that can grow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.parsers import expat

from tutela.core.errors import InputError

_PIECE = 1 << 16


@dataclass(frozen=True)
class Limits:
    """What a document may have.

    Attributes:
        depth: Elements within each other.
        elements: Below one that is given as a whole, itself included.
        text: Characters of that, names and values of attributes included.
    """

    depth: int = 16
    elements: int = 4_096
    text: int = 1 << 20


@dataclass
class Element:
    """An element with what is in it; names are without their namespaces."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def first(self, name: str) -> Element | None:
        """Return the first child of this name, or None."""
        return next((one for one in self.children if one.name == name), None)

    def word(self, name: str) -> str:
        """Return the text of the first child of this name, empty where there is none."""
        found = self.first(name)
        return found.text.strip() if found else ""


def elements(
    stream: BinaryIO, root: str, level: int, limits: Limits = Limits()
) -> Iterator[Element]:
    """Yield the elements that lie `level` deep (the root lies 1 deep), each as a whole.

    `root` is what the root has to be called, empty for anything.

    Raises:
        InputError: it is no XML, is cut off, has another root or more than `limits` allow (code
            `xml`), or it has a document type (code `doctype`).
    """
    reader = _Reader(root, level, limits)
    while True:
        piece = stream.read(_PIECE)
        reader.feed(piece)
        yield from reader.done
        reader.done.clear()
        if not piece:
            return


class _Reader:
    def __init__(self, root: str, level: int, limits: Limits) -> None:
        self.done: list[Element] = []
        self._root, self._level, self._limits = root, level, limits
        self._open: list[Element] = []
        self._elements = self._length = 0
        self._parser = expat.ParserCreate()
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.StartDoctypeDeclHandler = _no_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def feed(self, piece: bytes) -> None:
        try:
            self._parser.Parse(piece, not piece)
        except (expat.ExpatError, ValueError, LookupError) as error:
            # The latter two: an encoding that there is not, or one that is none of text.
            raise InputError("it is no XML, or cut off", code="xml") from error

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        depth = len(self._open) + 1
        if depth > self._limits.depth:
            raise _too_much("depth")
        if depth == 1 and self._root not in {"", name}:
            raise InputError(f"it has no {self._root}", code="xml")
        if depth <= self._level:
            self._elements = self._length = 0
        self._elements += 1
        if self._elements > self._limits.elements:
            raise _too_much("elements")
        named = {key.rpartition(":")[2]: value for key, value in attributes.items()}
        self._grow(len(name) + sum(len(key) + len(value) for key, value in named.items()))
        one = Element(name, named)
        if depth > self._level:
            self._open[-1].children.append(one)
        self._open.append(one)

    def _end(self, _name: str) -> None:
        if len(self._open) == self._level:
            self.done.append(self._open[-1])
        self._open.pop()

    def _text(self, text: str) -> None:
        self._grow(len(text))
        if len(self._open) >= self._level:
            self._open[-1].text += text

    def _grow(self, length: int) -> None:
        self._length += length
        # Above what is given as a whole text is only space between elements, and not kept.
        if self._length > self._limits.text and len(self._open) >= self._level:
            raise _too_much("text")


def _too_much(what: str) -> InputError:
    return InputError(f"it has more {what} than anybody needs who means well", code="xml")


def _no_doctype(*_: object) -> None:
    raise InputError(
        "XML with a document type is not read",
        code="doctype",
        hint="nobody needs one here, and entities can be made to fill the memory",
    )
