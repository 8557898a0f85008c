"""Base58 with a checksum, as Bitcoin and its kin write addresses."""

from __future__ import annotations

import hashlib

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES = {character: value for value, character in enumerate(ALPHABET)}


def number(text: str) -> int | None:
    """Return the number that a text writes in base 58, None for other characters."""
    total = 0
    for character in text:
        value = _VALUES.get(character)
        if value is None:
            return None
        total = total * 58 + value
    return total


def checked(text: str) -> bytes | None:
    """Return version and payload (21 bytes for addresses) where the checksum holds, else None."""
    total = number(text)
    if total is None:
        return None
    zeros = len(text) - len(text.lstrip("1"))
    data = b"\0" * zeros + total.to_bytes((total.bit_length() + 7) // 8, "big")
    if len(data) < 5:
        return None
    payload, checksum = data[:-4], data[-4:]
    return payload if _twice(payload)[:4] == checksum else None


def encode(payload: bytes) -> str:
    """Return version and payload with their checksum in base 58."""
    data = payload + _twice(payload)[:4]
    total, text = int.from_bytes(data, "big"), ""
    while total:
        total, digit = divmod(total, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def _twice(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()
