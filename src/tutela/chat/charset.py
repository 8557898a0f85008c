"""From bytes to text that is text: what is not UTF-8 is repaired, and said to be."""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, BinaryIO, Final, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK: Final = 1 << 16
_MARKS: Final = (
    (codecs.BOM_UTF8, ""),
    # Before UTF-16, whose mark is the beginning of this one.
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def text_of(raw: bytes) -> tuple[str, bool]:
    """Return bytes as text, and whether some of them had to be replaced or guessed.

    What is not UTF-8 is Windows-1252, as old logs mix them line by line; where other characters of
    the line are UTF-8, single bytes of it are damaged, and become U+FFFD.
    """
    try:
        return raw.decode("utf-8"), False
    except UnicodeDecodeError:
        pass
    repaired = raw.decode("utf-8", "replace")
    if any(character > "\x7f" and character != "\ufffd" for character in repaired):
        return repaired, True
    return raw.decode("cp1252", "replace"), True


class _Transcoded(io.RawIOBase):
    """The text of a stream in UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        super().__init__()
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._pending = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        while not self._pending and not self._ended:
            block = self._stream.read(_BLOCK)
            self._ended = not block
            text = self._decoder.decode(block, final=self._ended)
            self._pending = self._kept(text).encode("utf-8", "replace")
        size = min(len(view), len(self._pending))
        view[:size] = self._pending[:size]
        self._pending = self._pending[size:]
        return size

    def _kept(self, text: str) -> str:
        """Return what is kept of a piece of text."""
        return text


def utf8(stream: BinaryIO) -> BinaryIO:
    """Return a buffered stream at its start as one of UTF-8, without a byte-order mark."""
    peek = getattr(stream, "peek", None)
    start: bytes = peek(4)[:4] if peek is not None else b""
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            stream.read(len(mark))
            if encoding:
                return buffered(_Transcoded(stream, encoding))
            break
    return stream


def buffered(raw: io.RawIOBase) -> BinaryIO:
    """Return `raw` with a read buffer."""
    return cast("BinaryIO", io.BufferedReader(raw, _BLOCK))


class _Sound(_Transcoded):
    """A stream of XML in which bytes that are no UTF-8, and characters that XML refuses, are gone.

    One such byte would end the reading of a whole report.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream, "utf-8")

    def _kept(self, text: str) -> str:
        return text.translate(_REFUSED)


# XML 1.0, section 2.2.
_REFUSED: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 65534, 65535), "�")


def sound_xml(stream: BinaryIO) -> BinaryIO:
    """Return a stream of XML in UTF-8 with what a parser would refuse replaced by U+FFFD."""
    return buffered(_Sound(stream))
