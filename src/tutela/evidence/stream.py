"""Byte streams that containers read from and give out.

All of them read by position, so that several may lie over one base, and workers that share a file
description do not move each other's offset.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, BinaryIO, cast

from tutela.core.errors import ContainerError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 1 << 16


class Positioned(io.RawIOBase):
    """A readable, seekable stream of known length; subclasses say how to read at a position."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__()
        self.size_bytes = size_bytes
        self._position = 0

    def read_at(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from `position`, at least one before the end."""
        raise NotImplementedError

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position, which may lie beyond the end; ValueError if before the start."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size_bytes}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read from the position on; may raise what `read_at` raises."""
        view = memoryview(buffer).cast("B")
        size = min(len(view), self.size_bytes - self._position)
        if size <= 0:
            return 0
        data = self.read_at(self._position, size)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


class _Descriptor(Positioned):
    def __init__(self, descriptor: int) -> None:
        super().__init__(os.fstat(descriptor).st_size)
        self._descriptor = descriptor

    def read_at(self, position: int, size: int) -> bytes:
        return os.pread(self._descriptor, size, position)


class _Window(Positioned):
    def __init__(self, base: BinaryIO, start: int, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self._base = base
        self._start = start

    def read_at(self, position: int, size: int) -> bytes:
        self._base.seek(self._start + position)
        data = self._base.read(size)
        if not data:
            raise ContainerError(
                f"ends {self.size_bytes - position} bytes too early", code="truncated"
            )
        return data


class _Mosaic(Positioned):
    """Pieces of a base among zeros: a sparse file."""

    def __init__(self, base: BinaryIO, pieces: list[tuple[int, int, int]], size_bytes: int) -> None:
        super().__init__(size_bytes)
        self._base = base
        self._pieces = pieces  # (position here, position in base, length), ascending

    def read_at(self, position: int, size: int) -> bytes:
        low, high = 0, len(self._pieces)
        while low < high:  # the first piece that ends after `position`
            middle = (low + high) // 2
            here, _, length = self._pieces[middle]
            low, high = (middle + 1, high) if here + length <= position else (low, middle)
        if low == len(self._pieces):
            return bytes(size)
        here, there, length = self._pieces[low]
        if position < here:
            return bytes(min(size, here - position))
        inner = _Window(self._base, there, length)
        return inner.read_at(position - here, min(size, here + length - position))


def descriptor(number: int) -> BinaryIO:
    """Return a seekable stream over an open file, which keeps a position of its own.

    The descriptor stays the caller's to close.
    """
    return buffered(_Descriptor(number))


def window(base: BinaryIO, start: int, size_bytes: int) -> BinaryIO:
    """Return `size_bytes` of a seekable `base` from `start` as a stream; nothing is copied.

    Reading raises ContainerError (`truncated`) where the base ends too early.
    """
    return buffered(_Window(base, start, size_bytes))


def mosaic(base: BinaryIO, pieces: list[tuple[int, int, int]], size_bytes: int) -> BinaryIO:
    """Return a sparse file: pieces (position, position in `base`, bytes), ascending, and zeros."""
    return buffered(_Mosaic(base, pieces, size_bytes))


def buffered(raw: io.RawIOBase) -> BinaryIO:
    """Return `raw` with a read buffer."""
    return cast("BinaryIO", io.BufferedReader(raw, BLOCK_BYTES))


def size_of(stream: BinaryIO) -> int:
    """Return the length of a seekable stream in bytes; its position is then undefined."""
    return stream.seek(0, io.SEEK_END)


def seekable(stream: BinaryIO, limit_bytes: int) -> BinaryIO:
    """Return `stream` itself if it is seekable, else a copy of all of it in memory.

    The copy lies in ordinary memory, so that the limit of a confined process covers it.

    Raises:
        ContainerError: `nested_too_large`, there are more than `limit_bytes` or memory is short.
    """
    if stream.seekable():
        return stream
    copy = io.BytesIO()
    try:
        while block := stream.read(min(BLOCK_BYTES, limit_bytes + 1 - copy.tell())):
            copy.write(block)
            if copy.tell() > limit_bytes:
                break
        else:
            copy.seek(0)
            return copy
    except MemoryError:
        copy.close()
    raise ContainerError(
        f"a compressed container of more than {limit_bytes} bytes inside another is not opened",
        code="nested_too_large",
        hint="raise scan.nested_mib, or unpack it and scan the result",
    )
