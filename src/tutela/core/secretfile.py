"""Files that hold a secret: made once, for this user only."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tutela.core.errors import ServiceError, UsageError


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


def read(path: Path, limit_bytes: int) -> bytes:
    """Return the content of a file that only this user can read.

    Raises:
        ServiceError: it cannot be read, or is longer than `limit_bytes`.
        UsageError: others can read it.
    """
    try:
        with path.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            secret = stream.read(limit_bytes + 1)
    except OSError as error:
        raise ServiceError(f"cannot read {path}: {error.strerror}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise UsageError(f"{path} can be read by others", hint=f"chmod 600 {path}")
    if len(secret) > limit_bytes:
        raise ServiceError(f"{path} is longer than {limit_bytes} bytes")
    return secret
