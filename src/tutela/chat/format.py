"""The role of a conversation format: recognise an export, and read its messages one by one.

A format never stops at a bad entry: it yields a `Left` with the reason, and goes on. What ends a
source (it is cut off, it is no such file after all) is an InputError; what was yielded before
stands. Formats run in a confined process, see `reader`; the list of them is in `recognise`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import BinaryIO, Final, Protocol

from tutela.chat.model import Left, Message

HEAD_BYTES: Final = 1 << 16  # what a format may look at to recognise a file


@dataclass(frozen=True)
class Opening:
    """What is known of an export beside its bytes.

    Attributes:
        name: Its file name with the folders above it, as in the export; `/` between them.
        conversation: What its conversation is called where the export itself does not say.
        now: The present; what is later than two days from now is forged.
        zone: Of times that are written without one.
        again: Opens the bytes once more, from the start.
        prefix: Of the numbers of messages that have no ids, where a source has several files.
    """

    name: str
    conversation: str
    now: datetime
    zone: tzinfo
    again: Callable[[], BinaryIO]
    prefix: str = ""


class Format(Protocol):
    """One kind of export."""

    @property
    def name(self) -> str:
        """A stable word: `jsonl`, `whatsapp`."""

    def looks_like(self, head: bytes, file_name: str) -> bool:
        """Tell whether a file that begins with `head` (UTF-8, `HEAD_BYTES` at most) is of it."""

    def read(self, stream: BinaryIO, opening: Opening) -> Iterator[Message | Left]:
        """Yield the messages in the order of the conversation, in bounded memory.

        Raises:
            InputError: the rest cannot be read.
        """
