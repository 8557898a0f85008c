"""Compressed files: gzip, bzip2, xz, lzma and Zstandard, with one file or a tar archive inside.

Everything in them is read once and forwards. Sources: RFC 1952 (gzip), the xz and lzma file format
specifications of XZ Utils, RFC 8878 (Zstandard); bzip2 has no specification but its source.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from tutela.core.errors import ContainerError
from tutela.evidence import expand
from tutela.evidence.container import Budget, Container, ContainerLimits, Format, Member, Source
from tutela.evidence.containers import tar
from tutela.evidence.stream import buffered, window
from tutela.evidence.tarheader import BLOCK, Cursor

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BZIP2_BLOCKS = (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90")
_ZSTANDARD = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = tuple(bytes((0x50 + n, 0x2A, 0x4D, 0x18)) for n in range(16))


class _Codec(NamedTuple):
    """A way of compressing: how it begins, its decoder, and the suffixes that it adds to names."""

    kind: str
    begins: Callable[[bytes], bool]
    decoder: Callable[[], expand.Decoder]
    further: tuple[bytes, ...]
    suffixes: dict[bytes, bytes]


def _begins_gzip(head: bytes) -> bool:
    return head.startswith(b"\x1f\x8b\x08") and len(head) >= 10 and not head[3] & 0xE0


def _begins_bzip2(head: bytes) -> bool:
    return head[:3] == b"BZh" and head[3:4] in b"123456789" and head[4:10] in _BZIP2_BLOCKS


def _begins_xz(head: bytes) -> bool:
    return head.startswith(b"\xfd7zXZ\0")


def _begins_lzma(head: bytes) -> bool:
    """Tell by what the old header without a magic number allows: usual properties, a round size."""
    if len(head) < 14 or head[0] != 0x5D or head[13]:
        return False
    dictionary, size = int.from_bytes(head[1:5], "little"), int.from_bytes(head[5:13], "little")
    power = dictionary & (dictionary - 1)
    rounded = not power or not power & (power - 1)  # 2^n, or 2^n + 2^(n-1)
    return dictionary >= 4096 and rounded and (size == 2**64 - 1 or size < 1 << 40)


def _begins_zstandard(head: bytes) -> bool:
    return head.startswith((_ZSTANDARD, *_SKIPPABLE))


_CODECS = (
    _Codec("gzip", _begins_gzip, expand.gzip, (b"\x1f\x8b\x08",), {b".tgz": b".tar", b".gz": b""}),
    _Codec("bzip2", _begins_bzip2, expand.bzip2, (b"BZh",), {b".tbz2": b".tar", b".bz2": b""}),
    _Codec("xz", _begins_xz, expand.xz, (b"\xfd7zXZ\0",), {b".txz": b".tar", b".xz": b""}),
    _Codec("lzma", _begins_lzma, expand.xz, (), {b".lzma": b""}),
    _Codec(
        "zstd",
        _begins_zstandard,
        expand.zstandard,
        (_ZSTANDARD, *_SKIPPABLE),
        {b".tzst": b".tar", b".zst": b""},
    ),
)


class Compressed:
    """An open compressed file; see `Container`. A tar archive inside shows its members."""

    splittable = False

    def __init__(
        self, codec: _Codec, source: Source, limits: ContainerLimits, budget: Budget
    ) -> None:
        self.kind = codec.kind
        self._codec = codec
        self._source = source
        self._limits = limits
        self._budget = budget
        self._current: tuple[Member, BinaryIO] | None = None

    def members(self) -> Iterator[Member]:
        """Yield the only member, or those of the tar archive inside."""
        if not self._holds_tar():
            member = Member(self._inner_name(), stored_bytes=self._source.size_bytes)
            self._current = (member, self._expanded(self._budget))
            yield member
            return
        cursor = Cursor(self._expanded(self._budget))
        for entry in tar.entries(cursor, self._limits.members):
            member = tar.member_of(entry, self._budget)
            self._current = (member, buffered(_Passing(cursor, entry)))
            yield member
        self._current = None

    def open(self, member: Member) -> BinaryIO:
        """Return the bytes of the member that `members` yielded last; only once, forwards.

        Raises:
            ValueError: the member has passed.
        """
        if self._current is None or self._current[0] is not member:
            raise ValueError("members of a compressed stream are read as they come")
        stream = self._current[1]
        self._current = None
        return stream

    def _holds_tar(self) -> bool:
        """Look at the first block; what cannot be read will show again where it is told of."""
        try:
            head = self._expanded(None).read(BLOCK)
        except ContainerError:
            return False
        return tar.begins(head)

    def _expanded(self, budget: Budget | None) -> BinaryIO:
        packed = window(self._source.stream, 0, self._source.size_bytes)
        return buffered(
            expand.Expansion(packed, self._codec.decoder, budget, further=self._codec.further)
        )

    def _inner_name(self) -> bytes:
        for suffix, instead in self._codec.suffixes.items():
            if self._source.name.lower().endswith(suffix) and self._source.name != suffix:
                return self._source.name[: -len(suffix)] + instead
        return b"content"


class _Passing(io.RawIOBase):
    """The bytes of a tar entry as they come by, with zeros in the holes of a sparse one."""

    def __init__(self, cursor: Cursor, entry: tar.Entry) -> None:
        super().__init__()
        self._cursor = cursor
        self._size_bytes = entry.size_bytes
        whole = [(0, entry.data_at, entry.stored_bytes)]
        self._pieces = iter(whole if entry.pieces is None else entry.pieces)
        self._piece = next(self._pieces, None)
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        while self._piece and self._position >= self._piece[0] + self._piece[2]:
            self._piece = next(self._pieces, None)
        here, there, length = self._piece or (self._size_bytes, 0, 0)
        if self._position < here:
            data = bytes(min(len(view), here - self._position))
        elif length:
            offset = self._position - here
            self._cursor.go_to(there + offset)
            data = self._cursor.read(min(len(view), length - offset))
            if not data and len(view):
                raise ContainerError("ends in the middle of a file", code="truncated")
        else:
            data = b""
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def _format(codec: _Codec) -> Format:
    def recognises(source: Source) -> bool:
        return codec.begins(source.head)

    def open_(source: Source, limits: ContainerLimits, budget: Budget) -> Container:
        return Compressed(codec, source, limits, budget)

    return Format(codec.kind, recognises, open_)


FORMATS = tuple(_format(codec) for codec in _CODECS)
