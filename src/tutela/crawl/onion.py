"""Onion addresses of version 3, and whether their checksum holds (rend-spec-v3, section 6)."""

from __future__ import annotations

import base64
import binascii
import hashlib

SUFFIX = ".onion"
LABEL_CHARACTERS = 56  # base32 of 35 bytes: 32 of the key, 2 of the checksum, 1 of the version
OLD_LABEL_CHARACTERS = 16  # version 2, which no tor speaks any more
_KEY_BYTES = 32
_VERSION = b"\x03"


def address(public_key: bytes) -> str:
    """Return the address of an Ed25519 key of 32 bytes, with its suffix.

    Raises:
        ValueError: the key is not 32 bytes long.
    """
    if len(public_key) != _KEY_BYTES:
        raise ValueError(f"a key of {len(public_key)} bytes")
    whole = public_key + _checksum(public_key) + _VERSION
    return base64.b32encode(whole).decode().lower() + SUFFIX


def holds(label: str) -> bool:
    """Tell whether a label, without its suffix, is an address of version 3 whose checksum holds."""
    if len(label) != LABEL_CHARACTERS:
        return False
    try:
        whole = base64.b32decode(label.upper())
    except (binascii.Error, ValueError):
        return False
    key, checksum, version = whole[:_KEY_BYTES], whole[_KEY_BYTES:-1], whole[-1:]
    return version == _VERSION and checksum == _checksum(key)


def _checksum(public_key: bytes) -> bytes:
    return hashlib.sha3_256(b".onion checksum" + public_key + _VERSION).digest()[:2]
