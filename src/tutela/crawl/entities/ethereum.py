"""Ethereum addresses; mixed case is a checksum (EIP-55), one case has none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tutela.crawl.entities.entity import Name
from tutela.crawl.entities.keccak import keccak_256
from tutela.observation.model import EntityKind

_ADDRESS = re.compile(r"(?<![0-9A-Za-z])0x([0-9a-fA-F]{40})(?![0-9A-Za-z])")


class Ethereum:
    """Finds addresses: mixed case whose checksum fails is none, one case is unchecked."""

    kind = EntityKind.ETHEREUM

    def hint(self, text: str) -> bool:
        """Whether there is anything of the form."""
        return "0x" in text and _ADDRESS.search(text) is not None

    def find(self, text: str) -> Iterator[Name]:
        """Yield addresses in lower case."""
        for found in _ADDRESS.finditer(text):
            digits = found[1]
            small = digits.lower()
            if digits in {small, digits.upper()}:
                yield Name(f"0x{small}", checked=False)
            elif digits == mixed(small):
                yield Name(f"0x{small}", checked=True)


def mixed(small: str) -> str:
    """Return 40 lower-case hexadecimal digits in the case that EIP-55 wants."""
    told = keccak_256(small.encode("ascii")).hex()
    pairs = zip(small, told, strict=False)
    return "".join(digit.upper() if int(high, 16) >= 8 else digit for digit, high in pairs)


FINDER = Ethereum()
