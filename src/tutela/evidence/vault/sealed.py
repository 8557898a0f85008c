"""The format of an object: a header, then chunks of AES-256-GCM under the object's own key.

STREAM (Hoang, Reyhanitabar, Rogaway, Vizar 2015): chunk `n` has the nonce 7 zero bytes, `n` in 4
bytes big-endian, and 1 for the last chunk or else 0. So no chunk can be taken away, added, changed
or moved. The associated data are the object's id and the header, which says the kind. The key is
used for this object only, so a counter is as good as a random nonce.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tutela.core.errors import IntegrityError

CHUNK_BYTES: Final = 1 << 20
TAG_BYTES: Final = 16
HEADER_BYTES: Final = 8
KINDS: Final = ("original", "thumbnail", "sheet")
_MAGIC: Final = b"TUTV\x01"


class Sealer:
    """Turns plain bytes into the bytes of an object; `feed` as often as needed, then `finish`."""

    def __init__(self, key: bytes, object_id: bytes, kind: str) -> None:
        self.header = _header(kind)
        self._cipher = AESGCM(key)
        self._associated = object_id + self.header
        self._number = 0
        self._waiting = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield sealed chunks that are full; the last one waits, since it must be marked."""
        view = memoryview(data)
        if self._waiting:  # fill up what waits, and leave the rest where it lies
            room = CHUNK_BYTES - len(self._waiting)
            self._waiting += view[:room]
            view = view[room:]
            if not view:
                return
            yield self._seal(self._waiting, last=False)
            self._waiting = bytearray()
        while len(view) > CHUNK_BYTES:
            yield self._seal(view[:CHUNK_BYTES], last=False)
            view = view[CHUNK_BYTES:]
        self._waiting += view

    def finish(self) -> bytes:
        """Return the last chunk; it may be empty."""
        return self._seal(self._waiting, last=True)

    def _seal(self, chunk: bytearray | memoryview, *, last: bool) -> bytes:
        sealed = self._cipher.encrypt(_nonce(self._number, last=last), chunk, self._associated)
        self._number += 1
        return sealed


def unsealed(stream: BinaryIO, key: bytes, object_id: bytes) -> Iterator[bytes]:
    """Yield the plain bytes of an object, chunk by chunk; each is verified before it is given.

    A reader that stops early has not learnt whether the end is there.

    Raises:
        IntegrityError: code `damaged`: header or chunks are not as they were written.
    """
    header = stream.read(HEADER_BYTES)
    kind_of(header)
    cipher = AESGCM(key)
    associated = object_id + header
    number = 0
    sealed = stream.read(CHUNK_BYTES + TAG_BYTES)
    while True:
        following = stream.read(CHUNK_BYTES + TAG_BYTES)
        nonce = _nonce(number, last=not following)
        try:
            chunk = cipher.decrypt(nonce, sealed, associated)
        except InvalidTag as error:
            raise damaged() from error
        yield chunk
        if not following:
            return
        sealed = following
        number += 1


def kind_of(header: bytes) -> str:
    """Return the kind of object that a header names (which only opening it verifies).

    Raises:
        IntegrityError: code `damaged`.
    """
    kind = next((known for known in KINDS if _header(known) == header), "")
    if not kind:
        raise damaged()
    return kind


def damaged() -> IntegrityError:
    """Return the error for an object whose bytes are not as they were written."""
    return IntegrityError(
        "an object in the vault is damaged",
        code="damaged",
        hint="`tutela vault check` names it; bring it back from a backup",
    )


def _header(kind: str) -> bytes:
    return _MAGIC + bytes((KINDS.index(kind),)) + b"\0\0"


def _nonce(number: int, *, last: bool) -> bytes:
    return bytes(7) + number.to_bytes(4, "big") + bytes((last,))
