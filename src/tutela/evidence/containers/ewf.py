"""Expert Witness (E01) images: compressed, segmented, with digests of the whole disk.

Reading is libewf's, through pyewf, over streams. Source: "Expert Witness Compression Format
specification" (libewf project), section 2 (file header), 3.16 (hash), 3.17 (digest).
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import pyewf

from tutela.core.errors import ContainerError
from tutela.core.media import Digests
from tutela.evidence.container import (
    Budget,
    Container,
    ContainerLimits,
    Format,
    Member,
    Source,
    Verification,
)
from tutela.evidence.containers.image import Image
from tutela.evidence.filesystem import told
from tutela.evidence.stream import Positioned, buffered, size_of

_SIGNATURE = b"EVF\x09\x0d\x0a\xff\x00\x01"
_SECTION_BYTES = 76
_VERIFY_BYTES = 1 << 20
_FAILURES = (OSError, RuntimeError, ValueError)


class _Media(Positioned):
    """The disk inside, as libewf expands it."""

    def __init__(self, handle: Any) -> None:
        super().__init__(handle.get_media_size())
        self._handle = handle

    def read_at(self, position: int, size: int) -> bytes:
        try:
            data: bytes = self._handle.read_buffer_at_offset(size, position)
        except _FAILURES as error:
            raise ContainerError(
                f"the image cannot be read at byte {position}: {told(error)}", code="damaged"
            ) from error
        if not data:
            raise ContainerError("the image ends too early", code="truncated")
        return data


class _Segment:
    """A segment file as libewf wants it; what reading raises comes back as an error of libewf."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._size_bytes = size_of(stream)
        stream.seek(0)

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def get_size(self) -> int:
        return self._size_bytes


class Ewf:
    """An open E01 image; see `Container` and `Verifiable`. Members are those of the disk inside.

    A damaged piece of the image, of 32 KiB as a rule, reads as zeros in libewf, without an error:
    only `verify` tells.
    """

    kind = "ewf"
    splittable = True

    def __init__(self, source: Source, limits: ContainerLimits, budget: Budget) -> None:
        _check_segments(source)
        self._whole = _last_section(source.streams[-1]).startswith(b"done\0")
        self._handle = pyewf.handle()
        try:
            self._handle.open_file_objects([_Segment(stream) for stream in source.streams])
            self.size_bytes: int = self._handle.get_media_size()
            self.stored = Digests(
                md5=_digest(self._handle, "MD5"), sha1=_digest(self._handle, "SHA1")
            )
        except _FAILURES as error:
            raise ContainerError(
                f"the image cannot be opened: {told(error)}", code="damaged"
            ) from error
        if not self.size_bytes:
            raise ContainerError("the image ends before its description", code="truncated")
        self._media = _Media(self._handle)
        if len(source.streams) > 1:  # never nested; what it may expand to is for all segments
            budget = limits.budget(sum(size_of(stream) for stream in source.streams))
        self._image = Image(buffered(self._media), self.size_bytes, limits, budget)

    def members(self) -> Iterator[Member]:
        """Yield the allocated files of all volumes; see `Image.members`."""
        yield from self._image.members()
        if not self._whole and not self.stored:
            raise ContainerError("the image ends before its digests", code="truncated")

    def open(self, member: Member) -> BinaryIO:
        """Return the bytes of a file, seekable."""
        return self._image.open(member)

    def verify(self, progress: Callable[[int], None] | None = None) -> Verification:
        """Read the whole disk and compare its digests with the stored ones.

        Raises:
            ContainerError: a part cannot be read.
        """
        md5, sha1 = hashlib.md5(usedforsecurity=False), hashlib.sha1(usedforsecurity=False)
        sha256 = hashlib.sha256()
        position = 0
        while position < self.size_bytes:
            block = self._media.read_at(position, min(_VERIFY_BYTES, self.size_bytes - position))
            for digest in (md5, sha1, sha256):
                digest.update(block)
            position += len(block)
            if progress is not None:
                progress(position)
        computed = Digests(md5=md5.digest(), sha1=sha1.digest(), sha256=sha256.digest())
        if not self.stored:
            return Verification("no_hash", self.stored, computed)
        same = (self.stored.md5 or computed.md5, self.stored.sha1 or computed.sha1)
        verified = same == (computed.md5, computed.sha1)
        return Verification("verified" if verified else "hash_mismatch", self.stored, computed)


# A segment begins with its signature, one byte, and its number in two (libewf, EWF specification,
# "File header").
_NUMBER_END = 11


def _check_segments(source: Source) -> None:
    """Refuse a set of segments with a gap or without its end; libewf tells that less clearly."""
    for wanted, stream in enumerate(source.streams, 1):
        stream.seek(0)
        head = stream.read(13)
        whole = len(head) >= _NUMBER_END and head.startswith(_SIGNATURE[:8])
        number = struct.unpack_from("<H", head, 9)[0] if whole else 0
        if number != wanted:
            raise _missing(wanted)
    if _last_section(source.streams[-1]).startswith(b"next\0"):
        raise _missing(len(source.streams) + 1)


def _last_section(segment: BinaryIO) -> bytes:
    """Return the header that ends a segment: `next` if another follows, `done` if none does."""
    segment.seek(max(0, size_of(segment) - _SECTION_BYTES))
    return segment.read(_SECTION_BYTES)


def _missing(number: int) -> ContainerError:
    return ContainerError(
        f"segment {number} of the image is missing",
        code="missing_segment",
        hint="put all segments (.E01, .E02, ...) into one folder",
    )


def _digest(handle: Any, name: str) -> bytes | None:
    text = handle.get_hash_value(name)
    try:
        return bytes.fromhex(text) if text else None
    except ValueError:
        return None


def _recognises(source: Source) -> bool:
    return source.head.startswith(_SIGNATURE)


def _open(source: Source, limits: ContainerLimits, budget: Budget) -> Container:
    return Ewf(source, limits, budget)


FORMAT = Format("ewf", _recognises, _open)
