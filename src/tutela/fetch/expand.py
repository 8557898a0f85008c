"""Bounded expansion of what came compressed: one layer, piece by piece, never much at a time.

HTTP names the codings of a body in Content-Encoding (RFC 9110, section 8.4). A few kilobytes can
expand to gigabytes, so what comes out is counted against what went in, and against a limit, before
the next step is made.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import ClassVar, Protocol

import brotli
import msgspec

from tutela.core.errors import FetchError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 1 << 16
ACCEPTED = "gzip, deflate, br, zstd"
# RFC 9659: a window of more than 8 MiB is not for HTTP; the format would allow 128 MiB and more.
_ZSTD_WINDOW_LOG = 23
# Frames and members one after another: a row of empty ones costs time for nothing.
_MOST_FRAMES = 4096
_FAILURES = (zlib.error, brotli.error, zstd.ZstdError, ValueError, EOFError)


class Cap(msgspec.Struct, frozen=True, kw_only=True):
    """How far something may expand.

    Attributes:
        size_bytes: Of all that comes out.
        ratio: How many bytes may come out for each that went in, beyond the floor.
        floor_bytes: What may come out whatever went in: a short page of one line is no bomb.
    """

    size_bytes: int
    ratio: int = 100
    floor_bytes: int = 128 << 10


class _Decoder(Protocol):
    """One coding; `step` is called with nothing until it says that it wants more."""

    ended: bool

    def step(self, data: bytes) -> tuple[bytes, bool]:
        """Return what came out, PIECE_BYTES or little more, and whether there is yet more."""


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)
        self.ended = False

    def step(self, data: bytes) -> tuple[bytes, bool]:
        out = self._inner.decompress(self._inner.unconsumed_tail + data, PIECE_BYTES)
        self.ended = self._inner.eof
        # Output can also be left when all input is taken: a full piece says that there may be.
        return out, bool(self._inner.unconsumed_tail) or (not self.ended and bool(out))

    @property
    def rest(self) -> bytes:
        return self._inner.unused_data


class _ZstdFrame:
    def __init__(self) -> None:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        self._inner = zstd.ZstdDecompressor(options=options)
        self.ended = False

    def step(self, data: bytes) -> tuple[bytes, bool]:
        out = self._inner.decompress(data, PIECE_BYTES)
        self.ended = self._inner.eof
        return out, not self.ended and not self._inner.needs_input

    @property
    def rest(self) -> bytes:
        return self._inner.unused_data


class _Framed:
    """Frames one after another; what follows the last is ignored, as browsers do."""

    magic_bytes: ClassVar[int]

    def __init__(self) -> None:
        self._frame: _Zlib | _ZstdFrame = self._fresh()
        self._frames = 1
        self._held = b""
        self._over = False
        self.ended = False

    def _fresh(self) -> _Zlib | _ZstdFrame:
        raise NotImplementedError

    def _begins(self, held: bytes) -> bool:
        raise NotImplementedError

    def step(self, data: bytes) -> tuple[bytes, bool]:
        if self.ended and not self._another(data):
            return b"", False
        data, self._held = self._held + data, b""
        out, more = self._frame.step(data)
        self.ended = self._frame.ended
        if self.ended:
            self._held = self._frame.rest
            more = bool(self._held)
        return out, more

    def _another(self, data: bytes) -> bool:
        """Begin another frame, if one follows; `data` is looked at, and kept if it is too short."""
        held = self._held + data
        if not self._over and len(held) < self.magic_bytes:
            self._held = held
            return False
        if self._over or not self._begins(held):
            self._over, self._held = True, b""
            return False
        self._frames += 1
        if self._frames > _MOST_FRAMES:
            raise FetchError("the body is a row of tiny compressed parts", code="bomb")
        self._frame = self._fresh()
        self.ended = False
        return True


class _Gzip(_Framed):
    """Members of RFC 1952, section 2.2."""

    magic_bytes = 2

    def _fresh(self) -> _Zlib:
        return _Zlib(16 + zlib.MAX_WBITS)

    def _begins(self, held: bytes) -> bool:
        return held.startswith(b"\x1f\x8b")


class _Zstd(_Framed):
    """Frames of RFC 8878, section 3.1, also those to be skipped: these have 16 first bytes."""

    magic_bytes = 4

    def _fresh(self) -> _ZstdFrame:
        return _ZstdFrame()

    def _begins(self, held: bytes) -> bool:
        skipped = held[0] & 0xF0 == 0x50 and held[1:4] == b"\x2a\x4d\x18"
        return skipped or held.startswith(b"\x28\xb5\x2f\xfd")


class _Deflate:
    """zlib's format as RFC 9110 says, or bare deflate as some servers do."""

    def __init__(self) -> None:
        self._begin = b""
        self._inner: _Zlib | None = None
        self.ended = False

    def step(self, data: bytes) -> tuple[bytes, bool]:
        if self._inner is None:
            self._begin += data
            if len(self._begin) < 2:
                return b"", False
            kind, check = self._begin[0], int.from_bytes(self._begin[:2])
            wrapped = kind & 0x0F == zlib.DEFLATED and kind >> 4 <= 7 and check % 31 == 0
            self._inner = _Zlib(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
            data, self._begin = self._begin, b""
        if self.ended:
            return b"", False
        out, more = self._inner.step(data)
        self.ended = self._inner.ended
        return out, more and not self.ended


class _Brotli:
    """Refuses what follows the end, since the decoder does where both come together."""

    def __init__(self) -> None:
        self._inner = brotli.Decompressor()
        self.ended = False

    def step(self, data: bytes) -> tuple[bytes, bool]:
        if self.ended and data:
            raise ValueError("bytes after the end")
        out = self._inner.process(data, output_buffer_limit=PIECE_BYTES)
        self.ended = self._inner.is_finished()
        return out, not self.ended and not self._inner.can_accept_more_data()


class _Identity:
    ended = True

    def step(self, data: bytes) -> tuple[bytes, bool]:
        return data, False


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "": _Identity,
    "identity": _Identity,
    "gzip": _Gzip,
    "x-gzip": _Gzip,
    "deflate": _Deflate,
    "br": _Brotli,
    "zstd": _Zstd,
}


class Expander:
    """Expands one body; memory stays at one piece and the decoder's window (16 MiB at most).

    Args:
        encoding: What Content-Encoding says, as it came.
        cap: How far it may expand.

    Raises:
        FetchError: code `encoding`: it is unknown, or there is more than one layer.
    """

    def __init__(self, encoding: str, cap: Cap) -> None:
        layers = [layer.strip().lower() for layer in encoding.split(",")]
        layers = [layer for layer in layers if layer not in ("", "identity")] or [""]
        if len(layers) > 1 or layers[0] not in _DECODERS:
            raise FetchError(
                "the body is compressed in a way that is not expanded",
                code="encoding",
                hint="one layer of gzip, deflate, br or zstd is",
            )
        self._decoder = _DECODERS[layers[0]]()
        self.compressed = bool(layers[0])
        self._cap = cap
        self._in_bytes = 0
        self._out_bytes = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what comes out of `data`, in pieces of PIECE_BYTES at most, none of them empty.

        Raises:
            FetchError: `bomb`: it expands beyond the ratio; `too_large`: beyond the size;
                `damaged`: it is not what it says.
        """
        self._in_bytes += len(data)
        more = True
        while more:
            try:
                out, more = self._decoder.step(data)
            except _FAILURES:
                raise _damaged() from None
            data = b""
            self._count(len(out))
            for begin in range(0, len(out), PIECE_BYTES):
                yield out[begin : begin + PIECE_BYTES]

    def finish(self) -> None:
        """Say that no more comes.

        Raises:
            FetchError: `damaged`: it ends in the middle.
        """
        if self._in_bytes and not self._decoder.ended:
            raise _damaged()

    def _count(self, size_bytes: int) -> None:
        self._out_bytes += size_bytes
        allowed = max(self._cap.floor_bytes, self._cap.ratio * self._in_bytes)
        if self.compressed and self._out_bytes > allowed:
            raise FetchError(
                f"the body expands to more than {self._cap.ratio} times its size", code="bomb"
            )
        if self._out_bytes > self._cap.size_bytes:
            raise FetchError(
                f"the body is longer than {self._cap.size_bytes} bytes", code="too_large"
            )


def _damaged() -> FetchError:
    return FetchError("the body is not compressed as it says, or ends early", code="damaged")
