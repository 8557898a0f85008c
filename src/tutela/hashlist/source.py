"""The foreign file of an import: open it safely, name its content, notice a change under way."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tutela.core.errors import InputError, UsageError


def open_source(file: Path) -> int:
    """Return a descriptor of a regular file; raise UsageError if it is none or cannot be read."""
    try:
        source = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise UsageError(
            f"cannot read {file}: {error.strerror}",
            code="unreadable",
            hint="check the name, and that you may read the file",
        ) from None
    if not os.path.isfile(source):  # noqa: PTH113 - of the descriptor, not of a name
        os.close(source)
        raise UsageError(f"{file} is not a regular file", code="not_a_file", hint="name a file")
    return source


def sha256_of(source: int) -> str:
    """Return the SHA-256 of a file in hexadecimal, and leave its descriptor at the start."""
    with os.fdopen(source, "rb", closefd=False) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    os.lseek(source, 0, os.SEEK_SET)
    return digest


def unchanged(before: os.stat_result, source: int) -> None:
    """Raise InputError unless the file is as it was `before`."""
    after = os.fstat(source)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise InputError(
            "the list file changed while it was read",
            code="changed",
            hint="import it again when nobody writes to it",
        )
