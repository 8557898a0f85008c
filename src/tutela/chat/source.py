"""A source: one export, which lies in one file or in several, on a disk or in an archive."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Final

import msgspec

from tutela.chat.model import MediaRef
from tutela.evidence.folder import Found, open_found

_NAME_CHARS: Final = 1_000
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class SourcePart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One file of a source.

    Attributes:
        file: Which of the source's `files` it is or lies in.
        name: Its name with folders, from where the walk began or within its archive.
        member: How it is found in an archive; empty where it lies in a folder.
        prefix: Of the numbers that its messages get, where they have no ids.
    """

    file: int
    name: str
    member: tuple[int, ...] = ()
    prefix: str = ""


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One export.

    Attributes:
        name: From where the walk began; a member of an archive stands behind it, as in a folder.
        format: Of which format, see `recognise.NAMES`.
        conversation: What its conversation is called where the export does not say.
        files: The files on the disk that it lies in.
        parts: What is read, the oldest first.
        root: The folder where the walk began.
        folder: The folder that its media lie in or below; None for an export in an archive.
        size_bytes: Of all parts together, as far as is known.
    """

    name: str
    format: str
    conversation: str
    files: tuple[Found, ...]
    parts: tuple[SourcePart, ...]
    root: Path
    folder: Path | None = None
    size_bytes: int = 0


def digest_of(source: Source) -> bytes:
    """Return SHA-256 over the files of a source and which parts of them it is; 32 bytes.

    Raises:
        InputError: a file cannot be opened any more.
    """
    whole = hashlib.sha256()
    for found in source.files:
        opened = open_found(found)
        try:
            for file in opened:
                with os.fdopen(os.dup(file), "rb") as stream:
                    whole.update(hashlib.file_digest(stream, "sha256").digest())
        finally:
            for file in opened:
                os.close(file)
    for part in source.parts:
        whole.update(repr((part.file, part.member)).encode())
    return whole.digest()


def media_path(source: Source, ref: MediaRef) -> Path | None:
    """Return where a file lies that a message refers to; None where it is not in the export.

    It is looked for from the export's folder, then from those above it up to where the walk began
    (Instagram names its files from the top). Nothing outside is returned: no `..`, no absolute
    name, no symbolic link on the way, and only a regular file.
    """
    inner = _inner(ref)
    if source.folder is None or inner is None:
        return None
    folder = source.folder
    while folder.is_relative_to(source.root):
        if _is_file(folder, inner.parts):
            return folder.joinpath(*inner.parts)
        if folder == source.root:
            break
        folder = folder.parent
    return None


def archive_names(source: Source, ref: MediaRef) -> tuple[str, ...]:
    """Return the names that a file may have in a source's archive, the likeliest first.

    None for a source in a folder, or a name that leads out of the archive.
    """
    inner = _inner(ref)
    if source.folder is not None or inner is None:
        return ()
    archive = os.fsencode(Path(os.fsdecode(source.files[0].path)).relative_to(source.root))
    place = PurePosixPath(source.parts[0].name)
    above = place.relative_to(archive.decode("utf-8", "replace")).parents
    return tuple(str(folder / inner) for folder in above)


def _inner(ref: MediaRef) -> PurePosixPath | None:
    """Return a name as one that leads inwards; None where it does not."""
    if not 0 < len(ref.name) <= _NAME_CHARS or "\0" in ref.name:
        return None
    inner = PurePosixPath(ref.name.replace("\\", "/"))
    if inner.is_absolute() or ".." in inner.parts or not inner.parts:
        return None
    return inner


def _is_file(folder: Path, names: tuple[str, ...]) -> bool:
    """Whether there is a regular file, going from folder to folder without following links."""
    try:
        standing = os.open(folder, _FOLDER)
    except (OSError, ValueError):
        return False
    try:
        for name in names[:-1]:
            inner = os.open(name, _FOLDER, dir_fd=standing)
            os.close(standing)
            standing = inner
        return stat.S_ISREG(os.lstat(names[-1], dir_fd=standing).st_mode)
    except (OSError, ValueError):
        return False
    finally:
        with contextlib.suppress(OSError):
            os.close(standing)
