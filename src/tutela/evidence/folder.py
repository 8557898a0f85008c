"""Folders: names and opened files, on the trusted side; nothing in a file is looked at here.

Every directory entry that is not a readable directory becomes one `Found`, so that totals add up.
Symbolic links below a root are never followed, a directory is read once however often it is
mounted, and depth is bounded by memory only.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from tutela.core.errors import InputError, UsageError
from tutela.evidence.reach import Node, Walker, identity, open_path
from tutela.evidence.segment import images

_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY

_SPECIAL = {
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
}


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """One directory entry.

    `path` is absolute, in the bytes of the file system. `outcome` is `file` (to be read),
    `skipped` (`reason` one of `symlink`, `fifo`, `socket`, `device`, `visited`, `segment`) or
    `failed` (`unreadable`). `detail` says more, for people. `allocated_bytes` is what is stored on
    the disk, far less than `size_bytes` in a sparse file. `segments` are the paths of the parts of
    an E01 image in order, this file first; `identities` are (device, inode) of this file, or of
    each segment, as they were when the folder was read.
    """

    path: bytes
    outcome: Literal["file", "skipped", "failed"]
    size_bytes: int = 0
    allocated_bytes: int = 0
    mtime_ns: int = 0
    reason: str = ""
    detail: str = ""
    segments: tuple[bytes, ...] = ()
    identities: tuple[tuple[int, int], ...] = ()


class _Segments:
    """The E01 images of one folder: `parts` by first segment, `first` by any later one."""

    def __init__(self, parts: dict[bytes, tuple[bytes, ...]]) -> None:
        self.parts = parts
        self.first = {part: first for first, names in parts.items() for part in names[1:]}


def walk(roots: Sequence[Path]) -> Iterator[Found]:
    """Yield every entry below `roots` that is not a readable directory, in a fixed order.

    Roots come in the order given, one that lies inside another is left out; in a folder files come
    before subfolders, both sorted bytewise. A root that is a symbolic link is resolved; with the
    first segment of an E01 image come the others.

    Raises:
        UsageError: a root does not exist.
    """
    visited: set[tuple[int, int]] = set()
    told: set[bytes] = set()
    for root in _resolved(roots):
        if not stat.S_ISDIR(os.lstat(root).st_mode):
            fresh = [found for found in _lone_file(root) if found.path not in told]
            told.update(found.path for found in fresh)
            yield from fresh
            continue
        with contextlib.closing(Walker()) as walker:
            pending = [Node(None, root.rstrip(b"/"))]
            while pending:
                node = pending.pop()
                subfolders: list[bytes] = []
                yield from _read_folder(node, walker, visited, subfolders)
                pending.extend(Node(node, name) for name in reversed(subfolders))


def open_found(found: Found) -> list[int]:
    """Open the file, or all segments of an E01 image, for reading; the caller closes them.

    Access times are left alone where the system allows it.

    Returns:
        File descriptors, in the order of `segments`.

    Raises:
        InputError: `unreadable` (the system refuses), `vanished`, or `swapped` (something else
            lies at the path than when the folder was read).
    """
    opened: list[int] = []
    try:
        for path, known in zip(found.segments or (found.path,), found.identities, strict=True):
            opened.append(_open_file(path))
            _check_same(opened[-1], known, found)
    except BaseException:
        for descriptor in opened:
            os.close(descriptor)
        raise
    return opened


def _check_same(descriptor: int, known: tuple[int, int], found: Found) -> None:
    """Refuse another file than the one that was found.

    FAT and some network file systems number a file anew each time they meet it (Linux, `iunique`):
    there, the same size and time of change will do.
    """
    now = os.fstat(descriptor)
    same = identity(descriptor) == known
    alike = not found.segments and (now.st_size, now.st_mtime_ns) == (
        found.size_bytes,
        found.mtime_ns,
    )
    if not stat.S_ISREG(now.st_mode) or not (same or alike):
        raise InputError(
            "another file lies there now than when the folder was read", code="swapped"
        )


def _resolved(roots: Sequence[Path]) -> list[bytes]:
    """Return absolute paths without symbolic links, without those that lie inside another."""
    real: list[bytes] = []
    for root in roots:
        try:
            real.append(os.path.realpath(os.fsencode(root), strict=True))
        except OSError as error:
            raise UsageError(
                f"cannot scan {_shown(os.fsencode(root))}: {error.strerror}",
                code="no_such_path",
                hint="check the path, and that the device is mounted",
            ) from error
    unique = dict.fromkeys(real)
    return [root for root in unique if not any(above in unique for above in _folders_above(root))]


def _folders_above(path: bytes) -> Iterator[bytes]:
    while path != (path := os.path.split(path)[0]):
        yield path


def _lone_file(path: bytes) -> Iterator[Found]:
    """Yield the entry of a root that is not a directory, with the other segments of an image."""
    folder, name = os.path.split(path)
    parts = images((name,))
    if parts:
        with contextlib.suppress(PermissionError):
            parts = {name: images(os.listdir(folder))[name]}  # noqa: PTH208  names are bytes here
    for part in parts.get(name, (name,)):
        yield _entry(folder.rstrip(b"/"), part, _Segments(parts), None)


def _read_folder(
    node: Node, walker: Walker, visited: set[tuple[int, int]], subfolders: list[bytes]
) -> Iterator[Found]:
    """Yield the files of one folder, and put the names of its subfolders into `subfolders`."""
    try:
        descriptor = walker.enter(node)
    except OSError as error:
        yield _unreadable(node.path(), error)
        return
    if identity(descriptor) in visited:
        detail = "read before under another path"
        yield Found(node.path(), "skipped", reason="visited", detail=detail)
        return
    visited.add(identity(descriptor))
    files, failure = _names(descriptor, subfolders)
    if failure is not None:
        yield _unreadable(node.path(), failure)
    if not files:
        return
    path = node.path()
    segments = _Segments(images(files))
    for name in files:
        yield _entry(path, name, segments, descriptor)


def _unreadable(path: bytes, error: OSError) -> Found:
    return Found(path or b"/", "failed", reason="unreadable", detail=error.strerror or "")


def _names(descriptor: int, subfolders: list[bytes]) -> tuple[list[bytes], OSError | None]:
    """Return the sorted names that are not directories, and what ended the reading early if so."""
    files: list[bytes] = []
    failure: OSError | None = None
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                folder = entry.is_dir(follow_symlinks=False)
                (subfolders if folder else files).append(os.fsencode(entry.name))
    except OSError as error:
        failure = error
    # A damaged file system may name an entry twice; only one of them can be opened.
    subfolders[:] = sorted(set(subfolders))
    return sorted(set(files)), failure


def _entry(folder: bytes, name: bytes, segments: _Segments, descriptor: int | None) -> Found:
    """Return what lies under `name`; `descriptor` is the open folder, if it is open."""
    path = folder + b"/" + name
    place = path if descriptor is None else name
    parts = segments.parts.get(name, ())
    try:
        status = os.stat(place, dir_fd=descriptor, follow_symlinks=False)
        reason = _SPECIAL.get(stat.S_IFMT(status.st_mode), "")
        detail = _shown(os.readlink(place, dir_fd=descriptor)) if reason == "symlink" else ""
        identities = [(status.st_dev, status.st_ino)]
        for part in parts[1:]:
            other = folder + b"/" + part if descriptor is None else part
            identities.append(_identity(other, descriptor))
    except OSError as error:
        return _unreadable(path, error)
    if not reason and name in segments.first:
        reason, detail = "segment", f"read with {_shown(segments.first[name])}"
    return Found(
        path,
        "skipped" if reason else "file",
        size_bytes=status.st_size,
        allocated_bytes=status.st_blocks * 512,
        mtime_ns=status.st_mtime_ns,
        reason=reason,
        detail=detail,
        segments=tuple(folder + b"/" + part for part in parts),
        identities=tuple(identities),
    )


def _identity(place: bytes, descriptor: int | None) -> tuple[int, int]:
    status = os.stat(place, dir_fd=descriptor, follow_symlinks=False)
    return status.st_dev, status.st_ino


def _open_file(path: bytes) -> int:
    try:
        try:
            return open_path(path, _FILE | os.O_NOATIME)
        except PermissionError:  # only the owner may leave the access time alone
            return open_path(path, _FILE)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError("the file is no longer there", code="vanished") from error
    except OSError as error:
        reason = (error.strerror or "the system refuses").lower()
        raise InputError(f"cannot be opened: {reason}", code="unreadable") from error


def _shown(name: bytes) -> str:
    """Return bytes as text for people; what is not UTF-8 stays visible as hexadecimal escapes."""
    return name.decode("utf-8", "backslashreplace")
