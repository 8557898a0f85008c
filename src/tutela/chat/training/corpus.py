"""A labelled corpus in the form of PAN-2012: conversations as XML, flagged authors as ids.

The form: Inches & Crestani, Overview of the International Sexual Predator Identification
Competition at PAN-2012. Read as a stream; document types and entities are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from io import BufferedReader
from pathlib import Path
from typing import Final
from xml.parsers import expat

import msgspec

from tutela.chat import limits
from tutela.chat.model import Message, Trouble
from tutela.core.errors import InputError

IDS: Final = 2_000_000  # of a list
_CHUNK: Final = 1 << 16
_DEPTH: Final = 8
# What expat holds back of one tag or one piece of text, before we call it hostile.
_PENDING: Final = 1 << 20
_LEAVES: Final = frozenset({"author", "time", "text"})


class Line(msgspec.Struct, frozen=True):
    """A line that the corpus says is telling: a conversation, and the `id` of a message of it."""

    conversation: str
    message: str


class Corpus(msgspec.Struct, frozen=True, kw_only=True):
    """Where a corpus lies, and what it says of authors.

    Attributes:
        conversations: The XML file.
        flagged: Ids of the flagged authors.
        lines: Telling lines, or None where the corpus names none.
        digest: SHA-256 over the digests of all its files.
    """

    conversations: Path
    flagged: frozenset[str]
    lines: frozenset[Line] | None
    digest: bytes


def open_corpus(conversations: Path, flagged: Path, lines: Path | None = None) -> Corpus:
    """Return a corpus; its conversations are not read yet, but digested.

    Raises:
        InputError: a file cannot be opened, or a list is none.
    """
    files = [conversations, flagged] + ([lines] if lines else [])
    digest = hashlib.sha256()
    for file in files:
        with _opened(file) as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    told = frozenset(_lines(lines)) if lines else None
    return Corpus(
        conversations=conversations,
        flagged=ids(flagged),
        lines=told,
        digest=digest.digest(),
    )


def ids(file: Path) -> frozenset[str]:
    """Return the ids of a list, one a line.

    Raises:
        InputError: code `ids`: it is no such list, or too long.
    """
    found = frozenset(_rows(file))
    if not found:
        raise InputError(f"{file.name} has no id", code="ids", hint="one id on each line")
    return found


def read(corpus: Corpus) -> Iterator[Message | Trouble]:
    """Yield every message, conversation by conversation, and a trouble for each that is none.

    PAN-2012 gives the hour and no day: messages have no time.

    Raises:
        InputError: code `malformed` or `doctype`, with the line of the XML.
    """
    taking = _Taking()
    with _opened(corpus.conversations) as stream:
        while chunk := stream.read(_CHUNK):
            yield from taking.feed(chunk)
        yield from taking.feed(b"", last=True)


class _Taking:
    """Takes messages out of the events of a parser."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._depth = self._fed = self._number = 0
        self._conversation = self._line = ""
        self._leaf = ""
        self._values: dict[str, list[str]] = {}
        self._room = 0
        self._cut = False
        self._ready: list[Message | Trouble] = []

    def feed(self, chunk: bytes, *, last: bool = False) -> list[Message | Trouble]:
        """Return what became complete by some more bytes."""
        try:
            self._parser.Parse(chunk, last)
        except (expat.ExpatError, LookupError, ValueError) as error:
            raise self._malformed() from error
        self._fed += len(chunk)
        if self._fed - self._parser.CurrentByteIndex > _PENDING and not last:
            raise self._malformed()
        ready, self._ready = self._ready, []
        return ready

    def _malformed(self) -> InputError:
        line = self._parser.CurrentLineNumber
        return InputError(f"the corpus cannot be read on from line {line:,}", code="malformed")

    def _doctype(self, *_: object) -> None:
        raise InputError("a corpus with a document type", code="doctype", hint="remove it")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise self._malformed()
        if name == "conversation":
            self._conversation, self._number = attributes.get("id", ""), 0
        elif name == "message":
            self._number += 1
            self._line = attributes.get("line") or str(self._number)
            self._values, self._cut = {}, False
        elif name in _LEAVES:
            self._leaf, self._room = name, limits.TEXT_CHARS
            self._values[name] = []

    def _text(self, data: str) -> None:
        if not self._leaf:
            return
        self._cut |= len(data) > self._room
        if self._room:
            self._values[self._leaf].append(data[: self._room])
            self._room -= min(self._room, len(data))

    def _end(self, name: str) -> None:
        self._depth -= 1
        if name == self._leaf:
            self._leaf = ""
        elif name == "message":
            self._ready.append(self._message())

    def _message(self) -> Message | Trouble:
        author = "".join(self._values.get("author", ())).strip()
        names = self._conversation, self._line, author
        if not all(0 < len(name) <= limits.NAME_CHARS for name in names):
            return Trouble.MALFORMED
        return Message(
            conversation=self._conversation,
            id=self._line,
            author=author,
            text="".join(self._values.get("text", ())),
            troubles=(Trouble.CUT,) if self._cut else (),
        )


def _lines(file: Path) -> Iterator[Line]:
    for row in _rows(file):
        conversation, tab, line = row.partition("\t")
        if not tab or not conversation or not line:
            raise InputError(
                f"{file.name} is no list of lines", code="ids", hint="conversation, tab, line"
            )
        yield Line(conversation, line.strip())


def _rows(file: Path) -> Iterator[str]:
    longest = 2 * limits.NAME_CHARS
    with _opened(file) as stream:
        for number in range(IDS + 1):
            raw = stream.readline(4 * longest + 2)
            if not raw:
                return
            row = raw.decode("utf-8", "replace").strip()
            if len(row) > longest or "\0" in row or number == IDS:
                raise InputError(f"{file.name} is no list of ids, or too long", code="ids")
            if row:
                yield row


def _opened(file: Path) -> AbstractContextManager[BufferedReader]:
    try:
        return file.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}", code="unreadable") from error
