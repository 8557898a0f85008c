"""Disk images: FAT, NTFS and ext file systems, bare or in the partitions of an MBR or GPT disk.

Reading is The Sleuth Kit's, through pytsk3, over a stream; what is deleted is not listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import pytsk3

from tutela.core.errors import ContainerError
from tutela.evidence.container import Budget, Container, ContainerLimits, Format, Member, Source
from tutela.evidence.filesystem import FAILURES, Volume, Walk, told
from tutela.evidence.stream import Positioned, buffered
from tutela.evidence.volume import ReadAt, file_system, partition_table

_DETECT = {
    "ext": pytsk3.TSK_FS_TYPE_EXT_DETECT,
    "ntfs": pytsk3.TSK_FS_TYPE_NTFS_DETECT,
    "fat": pytsk3.TSK_FS_TYPE_FAT_DETECT,
}
_TABLES = {"mbr": pytsk3.TSK_VS_TYPE_DOS, "gpt": pytsk3.TSK_VS_TYPE_GPT}


class _Disk(pytsk3.Img_Info):  # type: ignore[misc]  # the package has no types
    """A stream as The Sleuth Kit reads it."""

    def __init__(self, stream: BinaryIO, size_bytes: int) -> None:
        self._stream = stream
        self._size_bytes = size_bytes
        super().__init__(url="", type=pytsk3.TSK_IMG_TYPE_EXTERNAL)

    def get_size(self) -> int:
        return self._size_bytes

    def read(self, offset: int, size: int) -> bytes:
        """Return all that was asked for, or raise: less would be taken for data read before."""
        self._stream.seek(offset)
        data = self._stream.read(size)
        if len(data) < min(size, self._size_bytes - offset):
            raise OSError("the image ends too early")
        return data

    def close(self) -> None:
        """Leave the stream open: it is the caller's."""


class _Stored(Positioned):
    """The bytes of one data stream of a file."""

    def __init__(self, file: Any, kind: int, number: int, size_bytes: int) -> None:
        super().__init__(size_bytes)
        self._file = file
        self._kind = kind
        self._number = number

    def read_at(self, position: int, size: int) -> bytes:
        try:
            data: bytes = self._file.read_random(position, size, self._kind, self._number)
        except FAILURES as error:
            raise ContainerError(f"cannot be read on: {told(error)}", code="damaged") from error
        if not data:
            raise ContainerError(
                f"ends {self.size_bytes - position} bytes too early", code="truncated"
            )
        return data


class Image:
    """An open disk image; see `Container`.

    Names begin with the partition (`p1/`, `p2/`, in the table's order) where there is a table. A
    locator is (volume, inode, attribute type, attribute number). FAT keeps local times without a
    zone, which are not given.
    """

    kind = "image"
    splittable = True

    def __init__(
        self, stream: BinaryIO, size_bytes: int, limits: ContainerLimits, budget: Budget
    ) -> None:
        self._size_bytes = size_bytes
        self._limits = limits
        self._budget = budget
        self._disk = _Disk(stream, size_bytes)
        self._volumes = _volumes(self._disk, size_bytes)
        self._opened: dict[int, Any] = {}

    def members(self) -> Iterator[Member]:
        """Yield the allocated files of all volumes; a volume that is unknown is a skipped member.

        A folder that cannot be read is a failed member.
        """
        count = 0
        for number, volume in enumerate(self._volumes):
            for member in self._volume_members(number, volume):
                count += 1
                if count > self._limits.members:
                    raise ContainerError("holds too many entries", code="member_limit")
                yield member

    def open(self, member: Member) -> BinaryIO:
        """Return the bytes of a file, seekable."""
        volume, inode, kind, number = member.locator
        try:
            file = self._file_system(volume).open_meta(inode=inode)
        except FAILURES as error:
            raise ContainerError(f"cannot be opened: {told(error)}", code="damaged") from error
        return buffered(_Stored(file, kind, number, member.size_bytes or 0))

    def _file_system(self, number: int) -> Any:
        if number not in self._opened:
            volume = self._volumes[number]
            self._opened[number] = pytsk3.FS_Info(
                self._disk, volume.start, _DETECT[volume.file_system]
            )
        return self._opened[number]

    def _volume_members(self, number: int, volume: Volume) -> Iterator[Member]:
        whole = Member(volume.name or b"volume", size_bytes=volume.size_bytes)
        if not volume.file_system:
            yield _changed(whole, "skipped", "unknown_filesystem", volume.description)
            return
        try:
            files = self._file_system(number)
        except FAILURES as error:
            yield _changed(whole, "failed", "damaged", told(error))
            return
        walk = Walk(files, volume, number, self._size_bytes, self._budget)
        yield from walk.members()
        if files.info.last_block_act < files.info.last_block:
            missing = (files.info.last_block - files.info.last_block_act) * files.info.block_size
            cut = f"ends {missing:,} bytes before its file system does"
            yield _changed(whole, "failed", "truncated", cut)


def holds(read_at: ReadAt, size_bytes: int) -> bool:
    """Tell whether a content is a disk image that `Image` reads."""
    return bool(file_system(read_at, 0) or partition_table(read_at, size_bytes))


def _volumes(disk: _Disk, size_bytes: int) -> list[Volume]:
    whole = file_system(disk.read, 0)
    table = partition_table(disk.read, size_bytes)
    # The boot sector of FAT and NTFS ends like a table; an ext superblock before the first
    # partition is one that was left behind.
    if not table or whole in ("fat", "ntfs"):
        return [Volume(b"", 0, size_bytes, whole, "")]
    try:
        disk_parts = pytsk3.Volume_Info(disk, _TABLES[table])
        sector_bytes = disk_parts.info.block_size
        parts = [
            (part.start * sector_bytes, part.len * sector_bytes, part.desc)
            for part in disk_parts
            if int(part.flags) == int(pytsk3.TSK_VS_PART_FLAG_ALLOC)
        ]
    except FAILURES as error:
        raise ContainerError(
            f"the partition table is damaged: {told(error)}", code="damaged"
        ) from error
    return [
        Volume(
            f"p{number}".encode(),
            start,
            length,
            file_system(disk.read, start) if start < size_bytes else "",
            description.decode("utf-8", "backslashreplace"),
        )
        for number, (start, length, description) in enumerate(parts, 1)
    ]


def _changed(member: Member, outcome: Any, reason: str, detail: str) -> Member:
    return Member(
        member.name, size_bytes=member.size_bytes, outcome=outcome, reason=reason, detail=detail
    )


def _recognises(source: Source) -> bool:
    return holds(source.read_at, source.size_bytes)


def _open(source: Source, limits: ContainerLimits, budget: Budget) -> Container:
    return Image(source.stream, source.size_bytes, limits, budget)


FORMAT = Format("image", _recognises, _open)
