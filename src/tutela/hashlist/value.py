"""Hash values as text: parse them, and refuse those that name no content."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from tutela.core.entry import ListEntry
from tutela.core.media import PDQ, PHOTODNA, VARIANTS, Digests, Fingerprint
from tutela.hashlist.format import Remark, RowError

DIGEST_BYTES = {"md5": 16, "sha1": 20, "sha256": 32}
FINGERPRINT_BYTES = {PDQ: 32, PHOTODNA: 144}
ALGORITHMS = (*DIGEST_BYTES, *FINGERPRINT_BYTES)
FINGERPRINT_LIMIT = 4096  # bytes of a value of an algorithm that we do not know
EXTRA_LIMIT = 1 << 20  # bytes that one entry may carry beyond our fields
# The space in which the index keeps the entries of a growing list by their own keys.
ENTRY_KEY = "entry-key"
_SPACE = re.compile(r"[a-z0-9][a-z0-9._+-]{0,31}")  # what the index takes as a name

_T = TypeVar("_T")
_NO_CONTENT = (
    "empty_content",
    "placeholder",
)  # codes of values that are well formed and say nothing
_NAMES = {"md5": "MD5", "sha1": "SHA-1", "sha256": "SHA-256", PDQ: "PDQ", PHOTODNA: "PhotoDNA"}
# The digests of nothing: on an alert list they would flag every empty file of a device.
_EMPTY = {hashlib.new(name, usedforsecurity=False).digest() for name in DIGEST_BYTES}


def comparable(algorithm: str) -> bool:
    """Tell whether the index can hold values under this name, and no others of ours."""
    return algorithm != ENTRY_KEY and _SPACE.fullmatch(algorithm) is not None


def from_hex(algorithm: str, text: str, size_bytes: int) -> bytes:
    """Return `size_bytes` bytes written as hexadecimal in either case, or raise RowError."""
    if len(text) != 2 * size_bytes:
        raise RowError(
            "wrong_length",
            f"{_NAMES.get(algorithm, algorithm)} has {2 * size_bytes} hexadecimal digits, "
            f"not {len(text)}",
        )
    try:
        return binascii.unhexlify(text)
    except ValueError:
        raise RowError(
            "not_hex", f"{_NAMES.get(algorithm, algorithm)} is not hexadecimal"
        ) from None


def digest(algorithm: str, text: str) -> bytes:
    """Return the digest written in `text`, or raise RowError (also for that of an empty file)."""
    value = from_hex(algorithm, text, DIGEST_BYTES[algorithm])
    if value in _EMPTY:
        raise RowError("empty_content", f"{_NAMES[algorithm]} of an empty file names no content")
    if not any(value):
        raise RowError("placeholder", f"{_NAMES[algorithm]} of zeros is a placeholder")
    return value


def pdq(text: str) -> bytes:
    """Return the 32 bytes of a PDQ value in hexadecimal, or raise RowError."""
    value = from_hex(PDQ, text, FINGERPRINT_BYTES[PDQ])
    if not any(value):
        raise RowError("placeholder", "PDQ of zeros is what an empty picture gives")
    return value


def photodna(text: str) -> bytes:
    """Return the 144 bytes of a PhotoDNA value in base64 or hexadecimal, or raise RowError.

    A value of one repeated byte is a placeholder, not a picture.
    """
    size = FINGERPRINT_BYTES[PHOTODNA]
    if len(text) == 2 * size:
        value = from_hex(PHOTODNA, text, size)
    else:
        try:
            value = base64.b64decode(text, validate=True)
        except ValueError:
            raise RowError("not_base64", "PhotoDNA is neither base64 nor hexadecimal") from None
    if len(value) != size:
        raise RowError("wrong_length", f"PhotoDNA has {size} bytes, not {len(value)}")
    if value == value[:1] * size:
        raise RowError("placeholder", "PhotoDNA of one repeated byte is a placeholder")
    return value


def fingerprint(algorithm: str, text: str) -> Fingerprint:
    """Return the fingerprint written in `text`; of algorithms not known to us, hexadecimal."""
    if algorithm == PDQ:
        return Fingerprint(PDQ, pdq(text))
    if algorithm == PHOTODNA:
        return Fingerprint(PHOTODNA, photodna(text))
    if len(text) > 2 * FINGERPRINT_LIMIT:
        raise RowError("too_long", f"{algorithm} is longer than {FINGERPRINT_LIMIT} bytes")
    return Fingerprint(algorithm, from_hex(algorithm, text, max(1, len(text) // 2)))


def values(algorithm: str, text: str) -> tuple[Digests, tuple[Fingerprint, ...]]:
    """Return the one digest or fingerprint written in `text`."""
    if algorithm in DIGEST_BYTES:
        return Digests(**{algorithm: digest(algorithm, text)}), ()
    return Digests(), (fingerprint(algorithm, text),)


def check(entry: ListEntry) -> ListEntry:
    """Return `entry` if it is whole; raise RowError otherwise.

    For formats that give us an entry field by field and could give an inconsistent one.
    """
    for algorithm, size in DIGEST_BYTES.items():
        value = getattr(entry.digests, algorithm)
        if value is not None and len(value) != size:
            raise RowError("wrong_length", f"{_NAMES[algorithm]} has {size} bytes")
    for found in entry.fingerprints:
        size = FINGERPRINT_BYTES.get(found.algorithm, len(found.bits))
        if not found.bits or len(found.bits) != size or size > FINGERPRINT_LIMIT:
            raise RowError("wrong_length", f"{found.algorithm} has a wrong number of bytes")
        if not found.algorithm or not 0 <= found.quality <= 100 or found.frame < 0:
            raise RowError("fingerprint", "a fingerprint's name, quality or frame is out of range")
        if found.variant not in VARIANTS:
            raise RowError("fingerprint", f"unknown variant {found.variant[:40]!r}")
    if len(entry.extra) > EXTRA_LIMIT:
        raise RowError("too_long", f"the row carries more than {EXTRA_LIMIT} bytes beside hashes")
    return entry


def sound(
    read: Callable[[str, str], _T], algorithm: str, text: str, refused: list[RowError]
) -> _T | None:
    """Return what `read` makes of `text`; None of an empty text and of a value without content.

    The error of the latter is put into `refused`: another value of the row may name its content.
    """
    if not text:
        return None
    try:
        return read(algorithm, text)
    except RowError as error:
        if error.code not in _NO_CONTENT:
            raise
        refused.append(error)
        return None


def accepted(entry: ListEntry, refused: list[RowError]) -> Iterator[ListEntry | Remark]:
    """Yield `entry`, with a remark on each value that was `refused`.

    Raises:
        RowError: nothing in the entry names a content.
    """
    if not entry.digests and not entry.fingerprints:
        raise refused[0] if refused else RowError("no_hash", "the row holds no hash")
    for error in refused:
        yield Remark(f"{error.reason}, left out")
    yield entry
