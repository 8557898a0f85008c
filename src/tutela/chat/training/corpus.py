"""A labelled corpus in the form of PAN-2012: conversations as XML, flagged authors as ids.

The form: Inches & Crestani, Overview of the International Sexual Predator Identification
Competition at PAN-2012. The XML is hostile until shown otherwise: the confined reader reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from io import BufferedReader
from pathlib import Path
from typing import Final

import msgspec

from tutela.chat import limits
from tutela.chat.model import Left, Message, Trouble
from tutela.chat.reader import Reader
from tutela.chat.sources import sources
from tutela.core.errors import InputError

FORMAT: Final = "pan"
IDS: Final = 2_000_000  # of a list


class Line(msgspec.Struct, frozen=True):
    """A line that the corpus says is telling: a conversation, and the `id` of a message of it."""

    conversation: str
    message: str


class Corpus(msgspec.Struct, frozen=True, kw_only=True):
    """Where a corpus lies, and what it says of authors.

    Attributes:
        reader: Reads the conversations, confined; None to begin one for each reading.
        conversations: The XML file.
        flagged: Ids of the flagged authors.
        lines: Telling lines, or None where the corpus names none.
        digest: SHA-256 over the digests of all its files.
    """

    reader: Reader | None
    conversations: Path
    flagged: frozenset[str]
    lines: frozenset[Line] | None
    digest: bytes


def open_corpus(
    conversations: Path, flagged: Path, lines: Path | None = None, *, reader: Reader | None = None
) -> Corpus:
    """Return a corpus; its conversations are not read yet, but digested.

    Give a `reader` where a key or the database is open: it was to begin before them.

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
        reader=reader,
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


def read(corpus: Corpus) -> Iterator[Message | Left]:
    """Yield every message, conversation by conversation, and each entry that is none.

    PAN-2012 gives the hour and no day: messages have no time.

    Raises:
        InputError: code `no_corpus`, or why it cannot be read to its end (`xml`, `doctype`,
            `memory`, ...): figures of a part would be taken for those of the whole.
    """
    if corpus.reader is None:
        with Reader() as reader:
            yield from _read(corpus, reader)
    else:
        yield from _read(corpus, corpus.reader)


def _read(corpus: Corpus, reader: Reader) -> Iterator[Message | Left]:
    for source in sources(corpus.conversations, reader):
        if isinstance(source, Left):
            raise _broken(corpus, source)
        if source.format != FORMAT:
            raise InputError(
                f"{corpus.conversations.name} is no corpus of PAN-2012's form",
                code="no_corpus",
                hint="conversations as XML; see docs/how-to/train-and-evaluate-chat.md",
            )
        for batch in reader.read(source):
            for entry in batch:
                if isinstance(entry, Left) and entry.reason != Trouble.MALFORMED:
                    raise _broken(corpus, entry)
                yield entry


def _broken(corpus: Corpus, left: Left) -> InputError:
    name = corpus.conversations.name
    return InputError(f"{name} cannot be read to its end: {left.reason}", code=left.reason)


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
