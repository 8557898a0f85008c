"""Disk images: FAT, NTFS and ext file systems, bare or in the partitions of an MBR or GPT disk.

Reading is The Sleuth Kit's, through pytsk3, over a stream; what is deleted is not listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, NamedTuple

import pytsk3

from tutela.core.errors import ContainerError
from tutela.evidence.container import Budget, Container, ContainerLimits, Format, Member, Source
from tutela.evidence.stream import Positioned, buffered
from tutela.evidence.volume import FileSystem, ReadAt, file_system, partition_table

_DEPTH = 1024
# Only of larger files the stored size is worth the work: a hole must be large to matter.
_STORED_FROM_BYTES = 64 << 20
_NTFS_OWN_INODES = 24
_NTFS_EXTEND = 11
_WOF_STREAM = b"WofCompressedData"
_LABEL_SUFFIX = b" (Volume Label Entry)"

_DETECT = {
    "ext": pytsk3.TSK_FS_TYPE_EXT_DETECT,
    "ntfs": pytsk3.TSK_FS_TYPE_NTFS_DETECT,
    "fat": pytsk3.TSK_FS_TYPE_FAT_DETECT,
}
_TABLES = {"mbr": pytsk3.TSK_VS_TYPE_DOS, "gpt": pytsk3.TSK_VS_TYPE_GPT}
_SKIPPED = {
    pytsk3.TSK_FS_META_TYPE_LNK: "symlink",
    pytsk3.TSK_FS_META_TYPE_FIFO: "fifo",
    pytsk3.TSK_FS_META_TYPE_SOCK: "socket",
    pytsk3.TSK_FS_META_TYPE_CHR: "device",
    pytsk3.TSK_FS_META_TYPE_BLK: "device",
}
# The Sleuth Kit adds these to show what is no file: FAT tables, and a folder of deleted files.
_INVENTED = (pytsk3.TSK_FS_META_TYPE_VIRT, pytsk3.TSK_FS_META_TYPE_VIRT_DIR)


class Volume(NamedTuple):
    """A part of the disk: `name` is empty where the whole disk is one file system."""

    name: bytes
    start: int
    size_bytes: int
    file_system: FileSystem
    description: str


class _Data(NamedTuple):
    """One stream of data of a file: which attribute holds it, under which name."""

    name: bytes
    kind: int
    number: int
    size_bytes: int
    encrypted: bool
    attribute: Any


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
        except (OSError, RuntimeError) as error:
            raise ContainerError(f"cannot be read on: {_told(error)}", code="damaged") from error
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
        except (OSError, RuntimeError) as error:
            raise ContainerError(f"cannot be opened: {_told(error)}", code="damaged") from error
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
        except (OSError, RuntimeError) as error:
            yield _changed(whole, "failed", "damaged", _told(error))
            return
        walk = _Walk(files, volume, number, self._size_bytes, self._budget)
        yield from walk.members()


class _Walk:
    """One pass over the folders of a file system."""

    def __init__(
        self, files: Any, volume: Volume, number: int, image_bytes: int, budget: Budget
    ) -> None:
        self._files = files
        self._volume = volume
        self._number = number
        self._image_bytes = image_bytes
        self._budget = budget
        self._block_bytes: int = files.info.block_size

    def members(self) -> Iterator[Member]:
        """Yield the files: in every folder first its own, then those of its subfolders."""
        root = self._files.info.root_inum
        prefix = self._volume.name + b"/" if self._volume.name else b""
        visited = {root}
        pending: list[tuple[bytes, int, int]] = [(prefix, root, 0)]
        while pending:
            path, inode, depth = pending.pop()
            subfolders: list[tuple[bytes, int, int]] = []
            for entry in self._entries(path, inode):
                if isinstance(entry, Member):
                    yield entry
                    continue
                name, meta = entry.info.name, entry.info.meta
                place = path + name.name
                if meta.type != pytsk3.TSK_FS_META_TYPE_DIR:
                    yield from self._file(place, entry)
                    continue
                yield from self._alternate(place, entry)
                if name.meta_addr in visited:
                    yield Member(place, outcome="skipped", reason="visited")
                elif depth >= _DEPTH:
                    yield Member(place, outcome="failed", reason="too_deep")
                else:
                    visited.add(name.meta_addr)
                    subfolders.append((place + b"/", name.meta_addr, depth + 1))
            pending.extend(reversed(subfolders))

    def _entries(self, path: bytes, inode: int) -> Iterator[Any | Member]:
        """Yield the entries of a folder that count, and what is wrong with the others."""
        try:
            for entry in self._files.open_dir(inode=inode):
                name, meta = entry.info.name, entry.info.meta
                if name is None or name.name in (b".", b"..") or not _is_allocated(name, meta):
                    continue
                if meta is None:
                    yield Member(path + name.name, outcome="failed", reason="damaged")
                elif self._is_own(inode, name.meta_addr):
                    reason = "filesystem_metadata"
                    yield Member(path + name.name, outcome="skipped", reason=reason)
                elif meta.type not in _INVENTED and not self._is_label(name.name, meta):
                    yield entry
        except (OSError, RuntimeError) as error:
            yield Member(
                path.rstrip(b"/") or b"volume",
                outcome="failed",
                reason="unreadable_folder",
                detail=_told(error),
            )

    def _is_own(self, folder: int, inode: int) -> bool:
        """Tell whether NTFS keeps itself in this file: `$MFT`, `$LogFile`, `$Extend`, ..."""
        if self._volume.file_system != "ntfs":
            return False
        return inode < _NTFS_OWN_INODES or folder == _NTFS_EXTEND

    def _is_label(self, name: bytes, meta: Any) -> bool:
        return self._volume.file_system == "fat" and not meta.size and name.endswith(_LABEL_SUFFIX)

    def _file(self, place: bytes, entry: Any) -> Iterator[Member]:
        meta = entry.info.meta
        if meta.type != pytsk3.TSK_FS_META_TYPE_REG:
            link = meta.link if meta.type == pytsk3.TSK_FS_META_TYPE_LNK else None
            yield Member(
                place,
                outcome="skipped",
                reason=_SKIPPED.get(meta.type, "unknown_type"),
                detail=(link or b"").decode("utf-8", "backslashreplace"),
            )
            return
        streams = [self._whole(entry)]
        if self._volume.file_system == "ntfs":
            try:
                streams = list(_ntfs_data(entry))
            except (OSError, RuntimeError) as error:
                yield Member(place, outcome="failed", reason="damaged", detail=_told(error))
                return
        yield from self._data(place, entry, streams)

    def _alternate(self, place: bytes, folder: Any) -> Iterator[Member]:
        """Yield the alternate data streams of a folder."""
        if self._volume.file_system != "ntfs":
            return
        try:
            streams = list(_ntfs_data(folder))
        except (OSError, RuntimeError):
            return  # reading the folder itself will tell
        yield from self._data(place, folder, streams)

    def _whole(self, entry: Any) -> _Data:
        kind = pytsk3.TSK_FS_ATTR_TYPE_DEFAULT
        return _Data(b"", int(kind), -1, entry.info.meta.size, False, None)  # noqa: FBT003  fields

    def _data(self, place: bytes, entry: Any, streams: list[_Data]) -> Iterator[Member]:
        packed = any(data.name == _WOF_STREAM for data in streams)
        for data in streams:
            reason = detail = ""
            if data.encrypted:
                reason = "encrypted"
            elif packed and not data.name:
                reason, detail = "unsupported_method", "compressed by Windows (WOF)"
            elif data.size_bytes > self._image_bytes:
                reason, detail = "larger_than_image", f"says it has {data.size_bytes} bytes"
            elif not self._budget.spend(data.size_bytes):
                reason, detail = "expansion_limit", self._budget.exceeded().message
            yield Member(
                place + b":" + data.name if data.name else place,
                (self._number, entry.info.meta.addr, data.kind, data.number),
                data.size_bytes,
                self._stored_bytes(entry, data),
                "failed" if reason else "file",
                reason,
                detail,
                self._modified(entry.info.meta),
            )

    def _stored_bytes(self, entry: Any, data: _Data) -> int | None:
        """Return what a large file takes up; the runs of a hole are not stored."""
        if data.size_bytes < _STORED_FROM_BYTES:
            return None
        hole = int(pytsk3.TSK_FS_ATTR_RUN_FLAG_SPARSE)
        try:
            runs = data.attribute or next(iter(entry), ())
            blocks: int = sum(run.len for run in runs if not int(run.flags) & hole)
        except (OSError, RuntimeError):
            return None
        return blocks * self._block_bytes

    def _modified(self, meta: Any) -> datetime | None:
        if self._volume.file_system == "fat" or not meta.mtime:
            return None
        try:
            return datetime.fromtimestamp(meta.mtime, UTC) + timedelta(
                microseconds=meta.mtime_nano // 1000
            )
        except (OverflowError, ValueError, OSError):
            return None


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
    except (OSError, RuntimeError) as error:
        raise ContainerError(
            f"the partition table is damaged: {_told(error)}", code="damaged"
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


def _ntfs_data(entry: Any) -> Iterator[_Data]:
    for attribute in entry:
        info = attribute.info
        if info.type == pytsk3.TSK_FS_ATTR_TYPE_NTFS_DATA:
            yield _Data(
                info.name or b"",
                int(info.type),
                info.id,
                info.size,
                bool(int(info.flags) & int(pytsk3.TSK_FS_ATTR_ENC)),
                attribute,
            )


def _is_allocated(name: Any, meta: Any) -> bool:
    live = int(name.flags) & int(pytsk3.TSK_FS_NAME_FLAG_ALLOC)
    return bool(live) and (
        meta is None or bool(int(meta.flags) & int(pytsk3.TSK_FS_META_FLAG_ALLOC))
    )


def _changed(member: Member, outcome: Any, reason: str, detail: str) -> Member:
    return Member(
        member.name, size_bytes=member.size_bytes, outcome=outcome, reason=reason, detail=detail
    )


def _told(error: Exception) -> str:
    return str(error).replace("\n", " ")[:200]


def _recognises(source: Source) -> bool:
    return holds(source.read_at, source.size_bytes)


def _open(source: Source, limits: ContainerLimits, budget: Budget) -> Container:
    return Image(source.stream, source.size_bytes, limits, budget)


FORMAT = Format("image", _recognises, _open)
