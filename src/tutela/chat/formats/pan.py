"""The XML of PAN-2012 (Inches & Crestani, CLEF 2012): conversations with authors and clock times.

The corpus cuts what two persons wrote to each other into pieces, by time and length: each piece is
a conversation of its own here too, for nothing in the file says which belong together. Its times
have no date, and so are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from tutela.chat.charset import utf8
from tutela.chat.entries import Entries, malformed
from tutela.chat.format import Opening
from tutela.chat.model import Left, Message, Trouble
from tutela.chat.times import iso
from tutela.chat.xmlread import elements

_START_BYTES: Final = 4_096


class Pan:
    """See `Format`."""

    name = "pan"

    def looks_like(self, head: bytes, file_name: str) -> bool:  # noqa: ARG002 - the content says it
        """By the element that all of it stands in."""
        start = head[:_START_BYTES].lstrip()
        return start.startswith(b"<") and b"<conversations" in start

    def read(self, stream: BinaryIO, opening: Opening) -> Iterator[Message | Left]:
        """See `Format`."""
        return elements(utf8(stream), lambda: _Conversations(opening))


class _Conversations:
    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._entries = Entries(opening)
        self._done: list[Message | Left] = []
        self._conversation = ""
        self._line = ""
        self._fields: dict[str, str] = {}
        self._number = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "conversation":
            self._conversation = attributes.get("id", "") or self._opening.conversation
        elif name == "message":
            self._number += 1
            self._line = attributes.get("line", "")
            self._fields = {}

    def end(self, name: str, text: str) -> None:
        if name in {"author", "time", "text"}:
            self._fields[name] = text
        elif name == "message":
            self._done.append(self._message())

    def taken(self) -> list[Message | Left]:
        done, self._done = self._done, []
        return done

    def _message(self) -> Message | Left:
        author = self._fields.get("author", "").strip()
        if not author:
            return malformed(f"message {self._number}")
        text = self._fields.get("text", "")
        return self._entries.message(
            self._conversation,
            author,
            text,
            id=self._line,
            time=iso(self._fields.get("time", ""), self._opening.zone),
            troubles=(Trouble.ENCODING,) if "\ufffd" in text else (),
        )
