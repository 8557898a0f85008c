"""Makes what is quoted short while it is being read, so that no huge text is ever in memory.

A string of JSON or a quoted field of CSV that is longer than any text that is kept loses its rest;
enough of it stays for the reader to see that it was longer.
"""

from __future__ import annotations

import re
from typing import Final

from tutela.chat.limits import TEXT_CHARS

# A character takes at most twelve bytes: two escapes of JSON, `\ud83d\ude00`.
KEPT_BYTES: Final = 12 * (TEXT_CHARS + 2)
# Beyond this, a line or value is squeezed.
LONG_BYTES: Final = 1 << 18
# What has still so many bytes after that is no message.
SQUEEZED_BYTES: Final = 4 << 20

# Possessive: nothing is tried twice. What follows the inner part is the closing quote, or the end
# of what was read so far, before which the first half of an escape may stand.
JSON: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
CSV: Final = re.compile(rb'(?:[^"]++|"")*+', re.DOTALL)
_HALVES: Final = {JSON: b"\\", CSV: b'"'}

_BROKEN_ESCAPE: Final = re.compile(rb"(?:\\u[dD][89abAB][0-9a-fA-F]{0,2}|\\u[0-9a-fA-F]{0,3})\Z")
_BROKEN_UTF8: Final = re.compile(rb"[\xc0-\xff][\x80-\xbf]{0,3}\Z")


class Squeeze:
    """Follows what is quoted from piece to piece.

    Args:
        inner: `JSON` or `CSV`, which match what stands between the quotes.
    """

    def __init__(self, inner: re.Pattern[bytes]) -> None:
        self._inner = inner
        self._half = _HALVES[inner]
        self._inside = False
        self._kept = 0
        self._rest = b""

    @property
    def full(self) -> bool:
        """Whether nothing more is kept of the string that it stands in."""
        return self._inside and self._kept >= KEPT_BYTES and not self._rest

    def feed(self, piece: bytes, *, last: bool = False) -> bytes:
        """Return `piece` without the rests of long strings; a half escape waits for the next."""
        data, self._rest = self._rest + piece, b""
        out: list[bytes] = []
        at = 0
        while at < len(data):
            if not self._inside:
                quote = data.find(b'"', at) + 1
                out.append(data[at : quote or len(data)])
                at, self._inside, self._kept = quote or len(data), bool(quote), 0
                continue
            end = self._inner.match(data, at).end()  # type: ignore[union-attr] # it matches nothing, too
            out.append(self._take(data, at, end))
            at = end
            if end + 1 == len(data) and data[end:] == self._half and not last:
                self._rest = data[end:]
                break
            if end < len(data):
                out.append(data[end : end + 1])
                self._inside = data[end : end + 1] != b'"'
                at = end + 1
        return b"".join(out)

    def _take(self, data: bytes, start: int, end: int) -> bytes:
        room = KEPT_BYTES - self._kept
        self._kept += end - start
        if end - start <= room:
            return data[start:end]
        return shortened(self._inner, data, start, max(room, 0))


def shortened(inner: re.Pattern[bytes], data: bytes | bytearray, start: int, size: int) -> bytes:
    """Return at most `size` bytes of a string from `start`, no escape or character broken."""
    found = inner.match(data, start, start + size)
    taken = bytes(found[0]) if found else b""
    if inner is JSON:
        taken = _BROKEN_ESCAPE.sub(b"", taken)
    return _BROKEN_UTF8.sub(b"", taken)
