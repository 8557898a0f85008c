"""Asks the hash lists about files that messages carry; a file is read once and kept nowhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Generic, TypeVar

from tutela.chat.model import MediaRef
from tutela.core.entry import Role
from tutela.core.errors import ServiceError
from tutela.core.media import PDQ_RADIUS_BITS, Digests
from tutela.hashlist.library import Library
from tutela.scan.hasher import Hasher

MOST_BYTES: Final = 64 << 20  # of a file; of a larger one the export's word alone is asked about
Source = TypeVar("Source")


class Attached(Generic[Source]):
    """Looks files of messages up; not for several threads.

    Args:
        hasher: Fingerprints files, confined.
        library: The hash lists.
        path_of: Where a file of a source lies, None where the export has it not.
        inside: Gives a file of an export that lies in an archive.
        radius_bits: PDQ distance up to which a picture is a hit.
    """

    def __init__(
        self,
        hasher: Hasher,
        library: Library,
        path_of: Callable[[Source, MediaRef], Path | None],
        inside: Callable[[Source, MediaRef], bytes | None],
        radius_bits: int = PDQ_RADIUS_BITS,
    ) -> None:
        self._hasher = hasher
        self._library = library
        self._path_of = path_of
        self._inside = inside
        self._radius_bits = radius_bits
        self._answers: dict[Path, bool] = {}

    def is_known(self, source: Source, ref: MediaRef) -> bool | None:
        """Tell whether a list for alerts has a file; None where there is nothing to ask about.

        An export's own digest is believed where the file itself is missing: it orders work only.
        """
        path = self._path_of(source, ref)
        if path is None:
            data = self._inside(source, ref)
            answer = None if data is None else self._looked_up(data)
        elif path in self._answers:
            answer = self._answers[path]
        else:
            data = _read(path)
            answer = None if data is None else self._looked_up(data)
            if answer is not None:
                self._answers[path] = answer
        return self._said(ref) if answer is None else answer

    def _looked_up(self, data: bytes) -> bool | None:
        try:
            (digests, found), _ = self._hasher.known(data)
        except ServiceError:
            return None
        hits = self._library.find(digests, found, radius_bits=self._radius_bits)
        return any(hit.role is Role.ALERT for hit in hits)

    def _said(self, ref: MediaRef) -> bool | None:
        if not ref.sha256:
            return None
        hits = self._library.find(Digests(sha256=ref.sha256))
        return any(hit.role is Role.ALERT for hit in hits)


def _read(path: Path) -> bytes | None:
    """Return a regular file of bounded size; what is none is as good as missing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_size > MOST_BYTES:
            return None
        data = file.read(MOST_BYTES + 1)
    return data if len(data) <= MOST_BYTES else None
