"""Files that lie beside a VICS file: written by an export, opened by an import that asks for them.

A path in a file of others may lead anywhere. Only what lies in the folder of that file is opened;
`..`, absolute paths, drives and symbolic links are refused at every step.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path, PureWindowsPath
from typing import BinaryIO, Final

from tutela.core.errors import InputError, ServiceError
from tutela.core.ids import MediaId
from tutela.evidence.folder import Found

FOLDER: Final = "Files"
_STEP = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
# What a media is read as; None where it is not kept.
OpenMedia = Callable[[MediaId], Iterable[bytes] | None]


def parts_of(relative: str) -> tuple[str, ...]:
    """Return the names that `RelativeFilePath` goes through, below its folder.

    Raises:
        InputError: it leads out of the folder, or nowhere (code `path`).
    """
    path = PureWindowsPath(relative)
    parts = path.parts
    if path.drive or path.root or not parts or ".." in parts or "\0" in relative:
        raise InputError("the path of a media leads out of its folder", code="path")
    return parts


def opened(folder: Path, relative: str) -> BinaryIO:
    """Open the file that `RelativeFilePath` names, below `folder` and nowhere else.

    Raises:
        InputError: it is not there (code `missing`), or it leads out of the folder, through a
            link, or to no plain file (code `path`).
    """
    parts = parts_of(relative)
    try:
        at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(
            f"the folder of the media cannot be opened: {error.strerror}", code="missing"
        ) from error
    try:
        for part in parts[:-1]:
            below = os.open(part, _STEP | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at = below
        descriptor = os.open(parts[-1], _STEP | os.O_NONBLOCK, dir_fd=at)
    except FileNotFoundError as error:
        raise InputError("the file of a media is not there", code="missing") from error
    except (OSError, UnicodeEncodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no name of a file"
        raise InputError(f"the file of a media cannot be opened: {reason}", code="path") from error
    finally:
        os.close(at)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InputError("the path of a media names no plain file", code="path")
    return os.fdopen(descriptor, "rb")


def lies(folder: Path, relative: str) -> bool:
    """Tell whether the file that `RelativeFilePath` names can be opened."""
    try:
        opened(folder, relative).close()
    except InputError:
        return False
    return True


def top(folder: Path) -> bytes:
    """Return the folder as the paths of its files begin."""
    return os.path.realpath(os.fsencode(folder))


def found(folder: Path, relative: str) -> Found:
    """Return the file that `RelativeFilePath` names as the walk of a scan would meet it.

    What `opened` would refuse is `failed`, with the reason. What lies there is asked once more
    when a worker shall read it: another file is not read.
    """
    above = top(folder)
    try:
        with opened(folder, relative) as stream:
            status = os.fstat(stream.fileno())
    except InputError as error:
        path = above + b"/" + relative.encode("utf-8", "surrogatepass")
        return Found(path, "failed", reason=error.code, detail=error.message)
    return Found(
        b"/".join([above, *map(os.fsencode, parts_of(relative))]),
        "file",
        size_bytes=status.st_size,
        allocated_bytes=status.st_blocks * 512,
        mtime_ns=status.st_mtime_ns,
        identities=((status.st_dev, status.st_ino),),
    )


class Folder:
    """Puts the files of an export into `Files` beside it, numbered in the order of the export."""

    def __init__(self, folder: Path, open_media: OpenMedia) -> None:
        self._folder = folder / FOLDER
        self._open_media = open_media

    def put(self, media_id: MediaId, number: int, kind: str) -> str:
        """Write one file and return its path as VICS has it; empty where the media is not kept.

        Raises:
            ServiceError: it cannot be written.
        """
        chunks = self._open_media(media_id)
        if chunks is None:
            return ""
        ending = f".{kind}" if kind.isascii() and kind.isalnum() else ""
        name = f"{number:07}{ending}"
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            with (self._folder / name).open("xb") as stream:
                stream.writelines(chunks)
        except OSError as error:
            raise ServiceError(
                f"cannot write {self._folder / name}: {error.strerror}",
                code="unwritable",
                hint="name a new folder with room that you can write",
            ) from error
        return f"{FOLDER}\\{name}"
