"""The manifest: one small file that says which segments and lists make up the index.

It is replaced as a whole by a rename, which is the one moment at which a commit happens. Its first
line is the SHA-256 of the JSON that follows.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from tutela.core.entry import Role
from tutela.core.errors import IntegrityError
from tutela.match.segment import HINT, Record

NAME = "manifest"
VERSION = 1


class ListInfo(msgspec.Struct, frozen=True):
    """A list in the index: its number (never used again), its name and what a match means.

    `note` is for whoever keeps the list: it means nothing to the index, and changes with a commit
    or not at all.
    """

    number: int
    name: str
    role: Role
    note: bytes = b""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One generation of the index.

    `sequence` orders segments and deletions within and across generations; `deleted` is the segment
    of deleted keys; `deleted_lists` still have rows in segments.
    """

    version: int = VERSION
    generation: int = 0
    sequence: int = 0
    next_list: int = 1
    next_file: int = 0
    lists: tuple[ListInfo, ...] = ()
    segments: tuple[Record, ...] = ()
    deleted: Record | None = None
    deleted_lists: tuple[int, ...] = ()

    def files(self) -> set[str]:
        """Return the names of all segment files."""
        names = {record.file for record in self.segments}
        return names | ({self.deleted.file} if self.deleted else set())


def read(folder: Path) -> Manifest:
    """Read the manifest of an index.

    Raises:
        FileNotFoundError: there is none.
        IntegrityError: it is damaged, or of a later version.
    """
    digest, _, body = (folder / NAME).read_bytes().partition(b"\n")
    if digest.decode(errors="replace") != hashlib.sha256(body).hexdigest():
        raise IntegrityError("the manifest of the index is damaged", code="manifest", hint=HINT)
    try:
        manifest = msgspec.json.decode(body, type=Manifest)
    except msgspec.DecodeError as error:
        raise IntegrityError(
            f"the manifest of the index is not understood: {error}", code="manifest", hint=HINT
        ) from None
    if manifest.version != VERSION:
        raise IntegrityError(
            f"the index has format {manifest.version} and this program reads {VERSION}",
            code="manifest_version",
            hint="use the version of Tutela that wrote it",
        )
    return manifest


def write(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest, so that after a crash either the old or the new one is there, whole."""
    body = msgspec.json.encode(manifest)
    staged = folder / f"{NAME}.new"
    with staged.open("wb") as stream:
        stream.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        stream.flush()
        os.fsync(stream.fileno())
    staged.replace(folder / NAME)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make renames and new names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
