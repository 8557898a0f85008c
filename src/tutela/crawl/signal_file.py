"""The signal file: while it stands, no worker on this machine asks for anything.

It needs neither database nor account, so that nothing can be in its way, and this module loads
nothing heavy. `switch` tells of the other layers of the kill switch.
"""

from __future__ import annotations

import os
from pathlib import Path

from tutela.core.errors import ServiceError


def is_raised(path: Path) -> bool:
    """Tell whether the signal file stands; also where that cannot be found out."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def write(path: Path) -> None:
    """Put the signal file in its place, durably; one that is there stays.

    Raises:
        ServiceError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ServiceError(
            f"cannot write the signal file {path}: {error.strerror}",
            hint="end the workers by hand",
        ) from error


def remove(path: Path) -> None:
    """Take the signal file away; it may be gone already.

    Raises:
        ServiceError: it cannot be taken away.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ServiceError(f"cannot take {path} away: {error.strerror}") from error
