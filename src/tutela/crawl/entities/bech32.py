"""Bech32 and bech32m addresses of witness programs (BIP 173 and BIP 350)."""

from __future__ import annotations

ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES = {character: value for value, character in enumerate(ALPHABET)}
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32 = 1
_BECH32M = 0x2BC830A3


def is_address(text: str, prefix: str) -> bool:
    """Whether a text is a witness address: prefix, checksum, version, padding, length hold."""
    if text != text.lower() and text != text.upper():
        return False
    text = text.lower()
    if not text.startswith(f"{prefix}1") or len(text) > 90:
        return False
    values = [_VALUES.get(character, -1) for character in text[len(prefix) + 1 :]]
    if len(values) < 8 or -1 in values:
        return False
    version = values[0]
    wanted = _BECH32 if version == 0 else _BECH32M
    if version > 16 or _polymod(_expanded(prefix) + values) != wanted:
        return False
    program = _bytes(values[1:-6])
    if program is None or not 2 <= len(program) <= 40:
        return False
    return version != 0 or len(program) in {20, 32}


def encode(prefix: str, version: int, program: bytes) -> str:
    """Return the address of a witness program."""
    bits = "".join(f"{byte:08b}" for byte in program)
    bits += "0" * (-len(bits) % 5)
    values = [version, *(int(bits[at : at + 5], 2) for at in range(0, len(bits), 5))]
    wanted = _BECH32 if version == 0 else _BECH32M
    rest = _polymod(_expanded(prefix) + values + [0] * 6) ^ wanted
    values += [rest >> 5 * (5 - place) & 31 for place in range(6)]
    return f"{prefix}1" + "".join(ALPHABET[value] for value in values)


def _polymod(values: list[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, step in enumerate(_GENERATOR):
            if top >> place & 1:
                checksum ^= step
    return checksum


def _expanded(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def _bytes(values: list[int]) -> bytes | None:
    """Return five-bit values as bytes, None where the padding is not zeros or too long."""
    bits = "".join(f"{value:05b}" for value in values)
    whole = len(bits) // 8 * 8
    padding = bits[whole:]
    if len(padding) > 4 or "1" in padding:
        return None
    return bytes(int(bits[at : at + 8], 2) for at in range(0, whole, 8))
