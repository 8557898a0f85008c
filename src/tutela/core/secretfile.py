"""Files that hold a secret: made once, for this user only."""

from __future__ import annotations

import os
from pathlib import Path

from tutela.core.errors import ServiceError


def create(path: Path, secret: bytes) -> None:
    """Write `secret` to a new file of mode 0600 in a folder of this user, durably.

    Raises:
        ServiceError: it cannot be written; code `exists`: something is there already.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secret)
            stream.flush()
            os.fsync(stream.fileno())
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError as error:
        raise ServiceError(
            f"cannot write {path}: it is there already and is never overwritten", code="exists"
        ) from error
    except OSError as error:
        raise ServiceError(f"cannot write {path}: {error.strerror}") from error
