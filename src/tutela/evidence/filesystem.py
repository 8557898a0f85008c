"""Walking a FAT, NTFS or ext file system through The Sleuth Kit: allocated files as members."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytsk3

from tutela.evidence.container import Budget, Member
from tutela.evidence.volume import FileSystem

_DEPTH = 1024
# Only of larger files the stored size is worth the work: a hole must be large to matter.
_STORED_FROM_BYTES = 64 << 20
_NTFS_OWN_INODES = 24
_NTFS_EXTEND = 11
_WOF_STREAM = b"WofCompressedData"
_LABEL_SUFFIX = b" (Volume Label Entry)"

_SKIPPED = {
    pytsk3.TSK_FS_META_TYPE_LNK: "symlink",
    pytsk3.TSK_FS_META_TYPE_FIFO: "fifo",
    pytsk3.TSK_FS_META_TYPE_SOCK: "socket",
    pytsk3.TSK_FS_META_TYPE_CHR: "device",
    pytsk3.TSK_FS_META_TYPE_BLK: "device",
}
# The Sleuth Kit adds these to show what is no file: FAT tables, and a folder of deleted files.
_INVENTED = (pytsk3.TSK_FS_META_TYPE_VIRT, pytsk3.TSK_FS_META_TYPE_VIRT_DIR)

FAILURES = (OSError, RuntimeError)


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


class Walk:
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
        except FAILURES as error:
            yield Member(
                path.rstrip(b"/") or b"volume",
                outcome="failed",
                reason="unreadable_folder",
                detail=told(error),
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
            except FAILURES as error:
                yield Member(place, outcome="failed", reason="damaged", detail=told(error))
                return
        yield from self._data(place, entry, streams)

    def _alternate(self, place: bytes, folder: Any) -> Iterator[Member]:
        """Yield the alternate data streams of a folder."""
        if self._volume.file_system != "ntfs":
            return
        try:
            streams = list(_ntfs_data(folder))
        except FAILURES:
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
        except FAILURES:
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


def told(error: Exception) -> str:
    """Return what a native library said, in one line of bounded length."""
    return str(error).replace("\n", " ")[:200]


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
