"""Changes the master key: every object's key is wrapped anew, the objects stay as they are."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tutela.core.errors import IntegrityError, ServiceError
from tutela.evidence.vault.book import SLOT_BYTES, Books, Slot, packed, unpacked
from tutela.evidence.vault.disk import explained, locked, master_ids, write_master_ids
from tutela.evidence.vault.master import MasterKey

_READ_SLOTS = 512


@dataclass
class Rotation:
    """How far it is. `damaged` keys could not be read, and stay as they are."""

    books: int = 0
    books_done: int = 0
    wrapped: int = 0
    damaged: int = 0


def rotate(
    path: Path,
    old: MasterKey,
    new: MasterKey,
    watch: Callable[[Rotation], None] = lambda _state: None,
) -> Rotation:
    """Wrap all keys by `new`. Stopped at any moment, it goes on when run again with the same keys.

    Nobody else may use the vault meanwhile. Destroy the old master key afterwards: with it, copies
    of old keys on worn flash cells or in snapshots are worthless.

    Raises:
        ServiceError: code `busy` if the vault is in use, `master_key` if neither key is its own.
    """
    with explained(path):
        lock = locked(path, fcntl.LOCK_EX)
        try:
            return _rotate(path, old, new, watch)
        finally:
            os.close(lock)


def _rotate(
    path: Path, old: MasterKey, new: MasterKey, watch: Callable[[Rotation], None]
) -> Rotation:
    present = master_ids(path)
    state = Rotation()
    if present == [new.key_id]:
        return state
    if present not in ([old.key_id], [old.key_id, new.key_id]):
        raise ServiceError(
            "these are not the master keys of this vault",
            code="master_key",
            hint=f"the vault names {' and '.join(one.hex() for one in present) or 'none'}",
        )
    write_master_ids(path, [old.key_id, new.key_id])
    books = Books(path / "keys")
    numbers = books.numbers()
    state.books = len(numbers)
    for number in numbers:
        _rewrap(books.path(number), old, new, state)
        state.books_done += 1
        watch(state)
    write_master_ids(path, [new.key_id])
    return state


def _rewrap(path: Path, old: MasterKey, new: MasterKey, state: Rotation) -> None:
    book = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        for start in range(0, os.fstat(book).st_size, _READ_SLOTS * SLOT_BYTES):
            block = os.pread(book, _READ_SLOTS * SLOT_BYTES, start)
            for at in range(0, len(block), SLOT_BYTES):
                changed = _rewrapped(block[at : at + SLOT_BYTES], old, new, state)
                if changed is not None:
                    os.pwrite(book, packed(changed), start + at)
        os.fsync(book)
    finally:
        os.close(book)


def _rewrapped(data: bytes, old: MasterKey, new: MasterKey, state: Rotation) -> Slot | None:
    """Return a slot with its key wrapped anew; None where there is nothing to do."""
    try:
        slot = unpacked(data)
        if slot is None or not slot.wrapped or slot.master_id == new.key_id:
            return None
        key = old.unwrap(slot.wrapped, slot.object_id)
    except IntegrityError:
        state.damaged += 1
        return None
    state.wrapped += 1
    return Slot(slot.object_id, new.key_id, new.wrap(key, slot.object_id))
