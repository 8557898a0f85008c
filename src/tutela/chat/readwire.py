"""What the reader and its confined process say to each other."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tutela.chat.model import Left, Message


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Where one file of a source lies.

    Attributes:
        file: Which of the descriptors.
        name: Its name with folders, as in the export.
        member: How it is found again in an archive; empty for the file itself.
        prefix: Of the numbers that its messages get.
    """

    file: int
    name: str
    member: tuple[int, ...] = ()
    prefix: str = ""


class Look(msgspec.Struct, frozen=True, array_like=True, tag="look"):
    """Asks what the one file holds."""

    name: str


class Read(msgspec.Struct, frozen=True, array_like=True, tag="read"):
    """Asks for the messages of a source."""

    format: str
    conversation: str
    parts: tuple[Part, ...]
    now: datetime


class Fetch(msgspec.Struct, frozen=True, array_like=True, tag="fetch"):
    """Asks for members of the one archive: by names, of each the first that is there."""

    names: tuple[tuple[str, ...], ...]
    most_bytes: int


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """Some bytes of the member that was asked for as number `wanted`."""

    wanted: int
    data: bytes
    last: bool = False


class Find(msgspec.Struct, frozen=True, array_like=True):
    """An export: the file itself, or a member of it."""

    format: str
    name: str = ""
    member: tuple[int, ...] = ()
    size_bytes: int = 0


class Looked(msgspec.Struct, frozen=True, array_like=True):
    """What a file holds."""

    archive: bool = False
    finds: tuple[Find, ...] = ()
    left: tuple[Left, ...] = ()


class Batch(msgspec.Struct, frozen=True, array_like=True):
    """Some entries; each of `left` stands before the message of its number in `before`."""

    messages: list[Message]
    left: list[Left]
    before: list[int]

    def entries(self) -> list[Message | Left]:
        """Return all of them in order."""
        if not self.left:
            return list(self.messages)
        found: list[Message | Left] = []
        at = 0
        for left, before in zip(self.left, self.before, strict=True):
            found += self.messages[at:before]
            found.append(left)
            at = before
        return found + self.messages[at:]
