"""Monero addresses: standard, sub- and integrated addresses of the main network.

Source: the CryptoNote standard 001 (base58 in blocks of 8 bytes) and Monero's network bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tutela.crawl.entities import base58
from tutela.crawl.entities.entity import Name
from tutela.crawl.entities.keccak import keccak_256
from tutela.observation.model import EntityKind

_ADDRESS = re.compile(
    r"(?<![0-9A-Za-z])[48](?:[1-9A-HJ-NP-Za-km-z]{94}|[1-9A-HJ-NP-Za-km-z]{105})(?![0-9A-Za-z])"
)
_NETWORKS = {18: 69, 19: 77, 42: 69}  # network byte: bytes of the whole
_BYTES_OF = {2: 1, 3: 2, 5: 3, 6: 4, 7: 5, 9: 6, 10: 7, 11: 8}
_CHARACTERS_OF = {size: length for length, size in _BYTES_OF.items()}
_BLOCK = 11


class Monero:
    """Finds addresses; ones whose checksum does not hold are none."""

    kind = EntityKind.MONERO

    def hint(self, text: str) -> bool:
        """Whether there is anything of the form."""
        return _ADDRESS.search(text) is not None

    def find(self, text: str) -> Iterator[Name]:
        """Yield addresses as written."""
        for found in _ADDRESS.finditer(text):
            data = decode(found[0])
            if data is None or _NETWORKS.get(data[0]) != len(data):
                continue
            if keccak_256(data[:-4])[:4] == data[-4:]:
                yield Name(found[0], checked=True)


def decode(text: str) -> bytes | None:
    """Return the bytes of a text in CryptoNote's base58, None where it is none."""
    data = b""
    for at in range(0, len(text), _BLOCK):
        block = text[at : at + _BLOCK]
        size = _BYTES_OF.get(len(block))
        value = base58.number(block)
        if size is None or value is None or value >> 8 * size:
            return None
        data += value.to_bytes(size, "big")
    return data


def encode(payload: bytes) -> str:
    """Return network byte, keys and what else an address holds, with their checksum, in base58."""
    data = payload + keccak_256(payload)[:4]
    text = ""
    for at in range(0, len(data), 8):
        block = data[at : at + 8]
        value, digits = int.from_bytes(block, "big"), ""
        for _ in range(_CHARACTERS_OF[len(block)]):
            value, digit = divmod(value, 58)
            digits = base58.ALPHABET[digit] + digits
        text += digits
    return text


FINDER = Monero()
