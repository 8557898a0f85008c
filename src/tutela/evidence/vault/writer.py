"""One object on its way into the vault."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tutela.evidence.vault.disk import created, explained, write_all
from tutela.evidence.vault.master import KEY_BYTES
from tutela.evidence.vault.sealed import Sealer


class Writer:
    """Takes the parts of one object; what is not finished leaves nothing behind.

    Args:
        path: Where the object is written.
        object_id: Its id.
        kind: Its kind.
        keep: Takes id, key and path when all is written.
    """

    def __init__(
        self, path: Path, object_id: bytes, kind: str, keep: Callable[[bytes, bytes, Path], None]
    ) -> None:
        self._path = path
        self._id = object_id
        self._keep = keep
        self._key = secrets.token_bytes(KEY_BYTES)
        self._sealer = Sealer(self._key, object_id, kind)
        self._file = -1
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Add bytes.

        Raises:
            ServiceError: the disk is full or fails.
        """
        self.size_bytes += len(data)
        for chunk in self._sealer.feed(data):
            self._write_out(chunk)

    def close(self) -> str:
        """Write the end, keep the object and return its id.

        Raises:
            ServiceError: the disk is full or fails.
        """
        self._write_out(self._sealer.finish())
        os.close(self._file)
        self._file = -1
        self._keep(self._id, self._key, self._path)
        self._key = b""
        return self._id.hex()

    def abandon(self) -> None:
        """Remove what was written; does nothing once it is finished."""
        if not self._key:
            return
        self._key = b""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        with contextlib.suppress(OSError):  # `check` finds it as an orphan
            self._path.unlink(missing_ok=True)

    def _write_out(self, sealed: bytes) -> None:
        with explained(self._path):
            if self._file < 0:
                self._file = created(self._path)
                sealed = self._sealer.header + sealed
            write_all(self._file, sealed)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Abandon what was not finished."""
        self.abandon()
