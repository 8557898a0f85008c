"""Expansion of compressed bytes, block by block, under a budget."""

from __future__ import annotations

import bz2
import io
import lzma
import sys
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Protocol

from tutela.core.errors import ContainerError
from tutela.evidence.container import Budget
from tutela.evidence.stream import BLOCK_BYTES

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# A dictionary larger than this is refused: xz allows 4 GiB, its strongest preset uses 64 MiB.
_DICTIONARY_BYTES = 256 << 20

_FAILURES = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstd.ZstdError)


class Decoder(Protocol):
    """One compressed frame, as the decompressors of `bz2`, `lzma` and `zstd` work."""

    @property
    def eof(self) -> bool:
        """Whether the frame has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out without more input."""

    @property
    def unused_data(self) -> bytes:
        """Input that lies after the end of the frame."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """Return at most `max_length` bytes; input not used yet is kept."""


class _Zlib:
    """`zlib` behind the interface of the other decompressors."""

    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max(max_length, 0))


def deflate() -> Decoder:
    """Return a decoder of a bare deflate stream (RFC 1951)."""
    return _Zlib(-zlib.MAX_WBITS)


def gzip() -> Decoder:
    """Return a decoder of one gzip member (RFC 1952)."""
    return _Zlib(16 + zlib.MAX_WBITS)


def bzip2() -> Decoder:
    """Return a decoder of one bzip2 stream."""
    return bz2.BZ2Decompressor()


def xz() -> Decoder:
    """Return a decoder of one xz stream or of an old .lzma file."""
    return lzma.LZMADecompressor(memlimit=_DICTIONARY_BYTES)


def zstandard() -> Decoder:
    """Return a decoder of one Zstandard frame (RFC 8878)."""
    return zstd.ZstdDecompressor()


def raw_lzma(properties: bytes) -> Decoder:
    """Return a decoder of a bare LZMA stream with the 5 property bytes of a zip member.

    Raises:
        ContainerError: the properties are not possible ones, or ask for too much memory.
    """
    packed, dictionary = properties[0], int.from_bytes(properties[1:5], "little")
    literal, position = packed % 9 + packed // 9 % 5, packed // 45
    if literal > 4 or position > 4 or dictionary > _DICTIONARY_BYTES:
        raise ContainerError("impossible LZMA properties", code="damaged")
    return lzma.LZMADecompressor(
        lzma.FORMAT_RAW,
        filters=[
            {
                "id": lzma.FILTER_LZMA1,
                "dict_size": max(dictionary, 4096),
                "lc": packed % 9,
                "lp": packed // 9 % 5,
                "pb": position,
            }
        ],
    )


class Expansion(io.RawIOBase):
    """The expanded bytes of a compressed stream; forward only.

    Args:
        source: Compressed bytes, read from where it stands.
        new_decoder: Makes the decoder of a frame.
        budget: Is charged with every byte that comes out; None where that was done before.
        further: How another frame may begin after the first, as in `cat a.gz b.gz`; anything else
            after a frame is not ours and is left alone, as `gzip` and `xz` do.
    """

    def __init__(
        self,
        source: BinaryIO,
        new_decoder: Callable[[], Decoder],
        budget: Budget | None = None,
        *,
        further: tuple[bytes, ...] = (),
    ) -> None:
        super().__init__()
        self._source = source
        self._new_decoder = new_decoder
        self._decoder = new_decoder()
        self._budget = budget
        self._further = further
        self._pending = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer` with what comes next.

        Raises:
            ContainerError: `damaged`, `truncated`, or `expansion_limit`.
        """
        view = memoryview(buffer).cast("B")
        while len(view) and (not self._decoder.eof or self._next_frame()):
            data = self._step(len(view))
            if data:
                if self._budget is not None and not self._budget.spend(len(data)):
                    raise self._budget.exceeded()
                view[: len(data)] = data
                return len(data)
        return 0

    def _step(self, size: int) -> bytes:
        block = b""
        if self._decoder.needs_input:
            block = self._pending or self._source.read(BLOCK_BYTES)
            self._pending = b""
        hungry = self._decoder.needs_input and not block
        try:
            data = self._decoder.decompress(block, size)
        except _FAILURES as error:
            if hungry:
                raise _too_early() from error
            raise ContainerError(f"compressed data is damaged: {error}", code="damaged") from error
        if hungry and not data and not self._decoder.eof:
            raise _too_early()
        return data

    def _next_frame(self) -> bool:
        """Start on the frame that follows; tell whether there is one."""
        if not self._further:
            return False
        rest = self._decoder.unused_data
        if len(rest) < BLOCK_BYTES:
            rest += self._source.read(BLOCK_BYTES)
        rest = rest.lstrip(b"\0")  # padding
        if not rest.startswith(self._further):
            self._further = ()
            return False
        self._decoder = self._new_decoder()
        self._pending = rest
        return True


def _too_early() -> ContainerError:
    return ContainerError("compressed data ends too early", code="truncated")
