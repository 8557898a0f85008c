"""Key books: the wrapped keys of objects, 128 bytes each, in files of up to 65,536.

An object's id says where its key stands: 10 random bytes, 4 of the book, 2 of the slot. So there is
no index, and a batch of thousands of keys is made durable by flushing one file. Each writer begins
a book of its own: processes never write to the same one, but to destroy. A slot lies within one
sector of 512 bytes, which a disk writes whole or not at all, so it is changed where it stands.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tutela.core.errors import IntegrityError, ServiceError, UsageError
from tutela.evidence.vault.disk import sync_folder

ID_BYTES: Final = 16
SLOT_BYTES: Final = 128
SLOTS: Final = 1 << 16
_LIVE: Final = b"KEY1"
_GONE: Final = b"GONE"
# State, object, master key, length of what follows, wrapped key (zero filled); then a CRC-32.
_SLOT = struct.Struct(">4s16s8sB95s")
_CHECK = struct.Struct(">I")
_SUFFIX = ".keys"


class Slot(NamedTuple):
    """A key as it stands in a book."""

    object_id: bytes
    master_id: bytes
    wrapped: bytes


class Place(NamedTuple):
    """Where a key stands."""

    book: int
    slot: int


def place_of(object_id: bytes) -> Place:
    """Return where the key of an object stands."""
    return Place(int.from_bytes(object_id[10:14], "big"), int.from_bytes(object_id[14:], "big"))


def parsed(object_id: str) -> bytes:
    """Return an id as bytes.

    Raises:
        UsageError: it is none.
    """
    with contextlib.suppress(ValueError):
        if len(object_id) == 2 * ID_BYTES and object_id == object_id.lower():
            return bytes.fromhex(object_id)
    raise UsageError("this is no id of an object in the vault")


class Books:
    """All key books of a vault, and the one that this process adds to; not for several threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._own: tuple[int, int] | None = None  # number of the book, descriptor
        self._next = 0

    def reserve(self) -> bytes:
        """Return an id for a new object, with a place for its key."""
        if self._own is None or self._next == SLOTS:
            self.close()
            self._own, self._next = self._begin(), 0
        tail = self._own[0].to_bytes(4, "big") + self._next.to_bytes(2, "big")
        self._next += 1
        return secrets.token_bytes(10) + tail

    def write(self, slot: Slot) -> None:
        """Write a key in the place that was reserved; it is durable after `flush`."""
        place = place_of(slot.object_id)
        if self._own is not None and place.book == self._own[0]:
            os.pwrite(self._own[1], packed(slot), place.slot * SLOT_BYTES)
            return
        with self._opened(place.book, os.O_WRONLY) as book:  # reserved in a book that is full now
            os.pwrite(book, packed(slot), place.slot * SLOT_BYTES)
            os.fsync(book)

    def flush(self) -> None:
        """Make what was written durable."""
        if self._own is not None:
            os.fsync(self._own[1])

    def read(self, object_id: bytes) -> Slot:
        """Return the key of an object.

        Raises:
            UsageError: code `shredded`.
            IntegrityError: code `missing` (there is none) or `damaged`.
        """
        place = place_of(object_id)
        try:
            with self._opened(place.book, os.O_RDONLY) as book:
                data = os.pread(book, SLOT_BYTES, place.slot * SLOT_BYTES)
        except FileNotFoundError:
            data = b""
        slot = unpacked(data)
        if slot is None or slot.object_id != object_id:
            raise IntegrityError("the key of an object is missing in the vault", code="missing")
        if not slot.wrapped:
            raise UsageError("the object was destroyed", code="shredded")
        return slot

    def destroy(self, object_ids: Iterable[bytes]) -> None:
        """Overwrite keys and make that durable; those that are gone already do no harm."""
        by_book: dict[int, list[bytes]] = defaultdict(list)
        for object_id in object_ids:
            by_book[place_of(object_id).book].append(object_id)
        for number, ids in by_book.items():
            with (
                contextlib.suppress(FileNotFoundError),
                self._opened(number, os.O_RDWR) as book,
            ):
                for object_id in ids:
                    self._destroy(book, object_id)
                os.fsync(book)

    @staticmethod
    def _destroy(book: int, object_id: bytes) -> None:
        at = place_of(object_id).slot * SLOT_BYTES
        found = os.pread(book, SLOT_BYTES, at)
        # A place that is another's is left alone: an id from outside may be anything.
        if found[:4] in (_LIVE, _GONE) and found[4 : 4 + ID_BYTES] == object_id:
            os.pwrite(book, packed(Slot(object_id, bytes(8), b"")), at)

    def numbers(self) -> list[int]:
        """Return the numbers of all books."""
        return sorted(
            int(name.removesuffix(_SUFFIX), 16)
            for name in os.listdir(self.folder)  # noqa: PTH208 names are all that is needed
            if name.endswith(_SUFFIX)
        )

    def path(self, number: int) -> Path:
        """Return the file of a book."""
        return self.folder / f"{number:08x}{_SUFFIX}"

    def close(self) -> None:
        """Close the own book; the next key begins another."""
        if self._own is not None:
            os.fsync(self._own[1])
            os.close(self._own[1])
            self._own = None

    def _begin(self) -> tuple[int, int]:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        while True:
            number = secrets.randbits(32)
            try:
                book = os.open(self.path(number), flags, 0o600)
            except FileExistsError:
                continue
            except OSError as error:
                raise ServiceError(f"cannot write to the vault: {error.strerror}") from error
            sync_folder(self.folder)
            return number, book

    @contextlib.contextmanager
    def _opened(self, number: int, flags: int) -> Iterator[int]:
        book = os.open(self.path(number), flags | os.O_CLOEXEC)
        try:
            yield book
        finally:
            os.close(book)


def packed(slot: Slot) -> bytes:
    """Return the 128 bytes of a slot; without a wrapped key it is that of a destroyed one."""
    state = _LIVE if slot.wrapped else _GONE
    body = _SLOT.pack(state, slot.object_id, slot.master_id, len(slot.wrapped), slot.wrapped)
    return body + _CHECK.pack(zlib.crc32(body))


def unpacked(data: bytes) -> Slot | None:
    """Return what a slot holds, None if nothing was ever written there.

    Raises:
        IntegrityError: code `damaged`.
    """
    if not any(data):
        return None
    body, check = data[: _SLOT.size], data[_SLOT.size :]
    if len(data) == SLOT_BYTES and _CHECK.unpack(check)[0] == zlib.crc32(body):
        state, object_id, master_id, length, wrapped = _SLOT.unpack(body)
        if state == (_LIVE if length else _GONE):
            return Slot(object_id, master_id, wrapped[:length])
    raise IntegrityError("a key in the vault is damaged", code="damaged")
