"""Lines of any length in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple, Protocol

from tutela.chat.limits import ENTRY_BYTES, TEXT_CHARS
from tutela.chat.squeeze import LONG_BYTES, SQUEEZED_BYTES

# Of a line of plain text: more than any text that is kept, in any encoding.
PLAIN_BYTES: Final = 8 * TEXT_CHARS


class Line(NamedTuple):
    """One line.

    Attributes:
        number: From 1.
        raw: Without its end; None where even what is left of it is no message.
    """

    number: int
    raw: bytes | None


class Shortening(Protocol):
    """What is done with the pieces of a long line: `Front`, or `squeeze.Squeeze`."""

    def feed(self, piece: bytes, *, last: bool = False) -> bytes:
        """Return what to keep of a piece."""


class Front:
    """Keeps the front of a line."""

    def __init__(self) -> None:
        self._room = PLAIN_BYTES

    def feed(self, piece: bytes, *, last: bool = False) -> bytes:  # noqa: ARG002 - the role has it
        """Return what there is room for."""
        kept = piece[: self._room]
        self._room -= len(kept)
        return kept


def lines(stream: BinaryIO, shorten: Callable[[], Shortening] = Front) -> Iterator[Line]:
    """Yield every line, a long one shortened by a fresh `shorten()`.

    LF ends a line, and CR LF.
    """
    number = 0
    while piece := stream.readline(LONG_BYTES):
        number += 1
        if len(piece) < LONG_BYTES or piece.endswith(b"\n"):
            yield Line(number, piece.rstrip(b"\r\n"))
        else:
            yield Line(number, _long(stream, piece, shorten()))


def _long(stream: BinaryIO, piece: bytes, short: Shortening) -> bytes | None:
    """Return what is kept of a line that goes on behind `piece`."""
    kept = bytearray()
    size = 0
    while piece:
        size += len(piece)
        last = piece.endswith(b"\n")
        if size <= ENTRY_BYTES and len(kept) <= SQUEEZED_BYTES:
            kept += short.feed(piece, last=last)
        if last:
            break
        piece = stream.readline(LONG_BYTES)
    if size > ENTRY_BYTES or len(kept) > SQUEEZED_BYTES:
        return None
    return bytes(kept.rstrip(b"\r\n"))
