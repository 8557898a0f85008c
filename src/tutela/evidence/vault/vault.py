"""Puts objects into the vault, opens and shreds them.

    objects/ab/abcd...   an object, named by its random id: the name tells nothing
    keys/01234567.keys   wrapped keys (`book`); may lie on another disk, and are in no backup
    keys/master          which master key wraps them
    shreds.log           ids of what was shredded, so that a restored backup is shredded again

Overwriting a key destroys its object as far as the disk overwrites in place. A disk of flash cells
or a file system that copies on write may keep an old sector: there, `rotate` afterwards makes every
old wrapped key worthless.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

from tutela.core.errors import IntegrityError, ServiceError, UsageError
from tutela.core.time import iso, now
from tutela.evidence.vault.book import Books, Slot, parsed
from tutela.evidence.vault.disk import (
    explained,
    locked,
    master_ids,
    sync_file,
    sync_file_system,
    sync_folder,
    write_all,
    write_master_ids,
)
from tutela.evidence.vault.master import KEY_BYTES, MasterKey
from tutela.evidence.vault.sealed import KINDS, unsealed
from tutela.evidence.vault.writer import Writer

# So many files are flushed one by one; more of them by flushing the file system, which is one wait
# instead of thousands (syncfs(2); it reports errors since Linux 5.8).
_ONE_BY_ONE = 32
_MOST_BYTES = 1 << 30


class Vault:
    """An open vault; threads may share it.

    Args:
        path: Its folder; made if it is not there.
        master: The master key; the first one used becomes the vault's.

    Raises:
        ServiceError: the folder cannot be used; code `master_key` if the vault has another master
            key, `rotating` if a change of it was begun and not finished, `busy` during one.
    """

    def __init__(self, path: Path, master: MasterKey) -> None:
        self.path = path
        self.books = Books(path / "keys")
        self._master = master
        self._turn = threading.Lock()
        self._flushing = threading.Lock()
        self._pending: list[Path] = []
        with explained(path):
            for folder in (path / "objects", self.books.folder):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = locked(path, fcntl.LOCK_SH)
        try:
            self._check_master()
        except BaseException:
            os.close(self._lock)
            raise

    def _check_master(self) -> None:
        present = master_ids(self.path)
        if not present:
            write_master_ids(self.path, [self._master.key_id])
        elif len(present) > 1:
            raise ServiceError(
                "a change of the master key was begun and not finished",
                code="rotating",
                hint="run `tutela vault rotate` again, with the same two keys",
            )
        elif present != [self._master.key_id]:
            raise ServiceError(
                "this is not the master key of this vault",
                code="master_key",
                hint=f"the vault wants the key with id {present[0].hex()}",
            )

    def put(self, kind: str, data: bytes | Iterable[bytes]) -> str:
        """Encrypt bytes and return the id of the object; durable after `flush`.

        Args:
            kind: `original`, `thumbnail` or `sheet`.
            data: The bytes, or parts of them in order.

        Raises:
            ServiceError: the disk is full or fails.
        """
        with self.begin(kind) as writer:
            for part in (data,) if isinstance(data, bytes) else data:
                writer.write(part)
            return writer.close()

    def begin(self, kind: str) -> Writer:
        """Begin an object whose parts come one by one."""
        if kind not in KINDS:
            raise ValueError(f"{kind} is no kind of object")
        with self._turn:
            object_id = self.books.reserve()
        return Writer(self.object_path(object_id), object_id, kind, self._keep)

    def _keep(self, object_id: bytes, key: bytes, path: Path) -> None:
        """Keep the key of an object that is written."""
        wrapped = self._master.wrap(key, object_id)
        with self._turn, explained(self.path):
            self.books.write(Slot(object_id, self._master.key_id, wrapped))
            self._pending.append(path)

    def new_key(self) -> tuple[str, bytes]:
        """Keep a new key without an object, for what is sealed elsewhere; return its id and it.

        It is durable at once. `shred` destroys it like those of objects, and `rotate` wraps it
        anew.

        Raises:
            ServiceError: the disk is full or fails.
        """
        key = secrets.token_bytes(KEY_BYTES)
        with self._turn, explained(self.path):
            object_id = self.books.reserve()
            wrapped = self._master.wrap(key, object_id)
            self.books.write(Slot(object_id, self._master.key_id, wrapped))
            self.books.flush()
        return object_id.hex(), key

    def key(self, object_id: str) -> bytes:
        """Return the key of an object, or one that `new_key` made.

        Raises:
            UsageError: code `shredded`.
            IntegrityError: code `missing`, `damaged` or `wrapped_key`.
        """
        raw_id = parsed(object_id)
        with explained(self.path):
            slot = self.books.read(raw_id)
            if slot.master_id != self._master.key_id:
                raise IntegrityError(
                    "the key of an object is wrapped by another master key", code="wrapped_key"
                )
            return self._master.unwrap(slot.wrapped, raw_id)

    def has_key(self, object_id: str) -> bool:
        """Tell whether a key is there that opens something."""
        try:
            self.key(object_id)
        except (UsageError, IntegrityError):
            return False
        return True

    def flush(self) -> None:
        """Wait until everything put so far is on disk.

        Raises:
            ServiceError: the disk is full or fails.
        """
        with self._flushing:
            with self._turn:
                pending, self._pending = self._pending, []
            if not pending:
                return
            try:
                with explained(self.path):
                    self._sync(pending)
            except BaseException:
                with self._turn:
                    self._pending += pending
                raise

    def _sync(self, paths: list[Path]) -> None:
        if len(paths) > _ONE_BY_ONE:
            sync_file_system(self.path / "objects")
        else:
            for path in paths:
                sync_file(path)
            for folder in {path.parent for path in paths}:
                sync_folder(folder)
            sync_folder(self.path / "objects")
        with self._turn:
            self.books.flush()

    def open(self, object_id: str, most_bytes: int = _MOST_BYTES) -> bytes:
        """Return the plain bytes of an object.

        Raises:
            UsageError: code `shredded`, or `too_large` if it has more than `most_bytes`.
            IntegrityError: code `missing`, `damaged` or `wrapped_key`.
            ServiceError: it cannot be read.
        """
        parts, total = [], 0
        for part in self.stream(object_id):
            total += len(part)
            if total > most_bytes:
                raise UsageError(f"the object has more than {most_bytes} bytes", code="too_large")
            parts.append(part)
        return b"".join(parts)

    def stream(self, object_id: str) -> Iterator[bytes]:
        """Yield the plain bytes of an object in chunks of 1 MiB, each verified; as `open`."""
        raw_id = parsed(object_id)
        with explained(self.path):
            key = self.key(object_id)
            try:
                stream = self.object_path(raw_id).open("rb")
            except FileNotFoundError:
                raise IntegrityError(
                    "an object is missing in the vault",
                    code="missing",
                    hint="bring it back from a backup of the vault's objects",
                ) from None
            with stream:
                yield from unsealed(stream, key, raw_id)

    def shred(self, object_ids: Iterable[str]) -> int:
        """Destroy the keys of objects and remove the objects; return how many there are.

        Commit to the database first that they are shredded. First of all the ids go into
        `shreds.log`; what a crash leaves undone, `check` with repair does.

        Raises:
            ServiceError: the disk fails.
        """
        ids = [parsed(one) for one in object_ids]
        if not ids:
            return 0
        with explained(self.path):
            self._log_shreds(ids)
            self.books.destroy(ids)
            paths = {self.object_path(one) for one in ids}
            with self._turn:
                self._pending = [path for path in self._pending if path not in paths]
            for path in paths:
                path.unlink(missing_ok=True)
        return len(ids)

    def _log_shreds(self, ids: list[bytes]) -> None:
        moment = iso(now())
        lines = "".join(f"\n{one.hex()} {moment}" for one in ids)
        new = not (self.path / "shreds.log").exists()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        log = os.open(self.path / "shreds.log", flags, 0o600)
        try:
            # A line begins with its end of line, so that one torn by a crash spoils no other.
            write_all(log, lines.encode())
            os.fsync(log)
        finally:
            os.close(log)
        if new:
            sync_folder(self.path)

    def shreds(self) -> Iterator[str]:
        """Yield the ids that were ever shredded here."""
        try:
            with (self.path / "shreds.log").open(encoding="ascii", errors="replace") as log:
                for line in log:
                    with contextlib.suppress(UsageError):
                        yield parsed(line.partition(" ")[0].strip()).hex()
        except FileNotFoundError:
            return

    def object_path(self, object_id: bytes) -> Path:
        """Return the file of an object."""
        name = object_id.hex()
        return self.path / "objects" / name[:2] / name

    def close(self) -> None:
        """Flush and let go of the vault."""
        if self._lock < 0:
            return
        try:
            self.flush()
        finally:
            with self._turn:
                self.books.close()
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()
