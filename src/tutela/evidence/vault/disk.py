"""Files of the vault: created, written whole, made durable, locked."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from tutela.core.errors import IntegrityError, ServiceError

_libc = ctypes.CDLL(None, use_errno=True)


def locked(path: Path, how: int) -> int:
    """Take the vault's lock (fcntl's LOCK_SH to use it, LOCK_EX to change its master key).

    Raises:
        ServiceError: code `busy`: it is taken in a way that does not go with this one.
    """
    with explained(path):
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        lock = os.open(path / "lock", flags, 0o600)
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ServiceError(
                "the vault is in use",
                code="busy",
                hint="`tutela serve` and others must stop while the master key is changed",
            ) from None
    return lock


def master_ids(path: Path) -> list[bytes]:
    """Return the id of the vault's master key; two while it is being changed, none at first."""
    try:
        words = (path / "keys" / "master").read_text(encoding="ascii").split()
        return [bytes.fromhex(word) for word in words]
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise IntegrityError("keys/master in the vault is damaged") from error


def write_master_ids(path: Path, ids: list[bytes]) -> None:
    """Put down the id of the master key, or the old and the new one while it is being changed."""
    target = path / "keys" / "master"
    fresh = target.with_name(f"master.{secrets.token_hex(4)}")
    with explained(path):
        fresh.write_text(" ".join(one.hex() for one in ids) + "\n", encoding="ascii")
        sync_file(fresh)
        fresh.replace(target)
        sync_folder(target.parent)


def created(path: Path) -> int:
    """Create a file, and its folder if need be, and return the descriptor to write to."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(exist_ok=True, mode=0o700)
        return os.open(path, flags, 0o600)


def write_all(file: int, data: bytes) -> None:
    """Write all of `data`, however often the system takes a part only."""
    with memoryview(data) as whole:
        written = 0
        while written < len(whole):
            written += os.write(file, whole[written:])


def sync_file(path: Path) -> None:
    """Make the bytes of a file durable."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def sync_file_system(path: Path) -> None:
    """Make the whole file system durable on which `path` lies: syncfs(2).

    It reports errors of writing since Linux 5.8.
    """
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(file) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(file)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say in our words what the disk refuses."""
    try:
        yield
    except OSError as error:
        raise ServiceError(
            f"the vault {path} cannot be used: {error.strerror or error}", code="vault"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
