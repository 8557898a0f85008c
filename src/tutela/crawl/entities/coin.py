"""What Bitcoin and Litecoin share: base58 with version bytes, and witness addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tutela.crawl.entities import base58, bech32
from tutela.crawl.entities.entity import Name
from tutela.observation.model import EntityKind

_BEFORE = r"(?<![0-9A-Za-z])"
_AFTER = r"(?![0-9A-Za-z])"


class Coin:
    """Finds addresses of a coin; ones whose checksum does not hold are none.

    Args:
        kind: Of the coin.
        firsts: With which characters its base58 addresses begin.
        versions: Their first bytes.
        prefix: Of its witness addresses.
    """

    def __init__(self, kind: EntityKind, firsts: str, versions: bytes, prefix: str) -> None:
        self.kind = kind
        self._versions = versions
        self._prefix = prefix
        old = rf"[{firsts}][1-9A-HJ-NP-Za-km-z]{{25,34}}"
        new = rf"(?i:{prefix}1[02-9ac-hj-np-z]{{11,84}})"
        self._pattern = re.compile(f"{_BEFORE}(?:{new}|{old}){_AFTER}")

    def hint(self, text: str) -> bool:
        """Whether there is anything of the form."""
        return self._pattern.search(text) is not None

    def find(self, text: str) -> Iterator[Name]:
        """Yield addresses; witness addresses in lower case."""
        for found in self._pattern.finditer(text):
            address = found[0]
            if address[:3].lower() == f"{self._prefix}1"[:3] and bech32.is_address(
                address, self._prefix
            ):
                yield Name(address.lower(), checked=True)
                continue
            payload = base58.checked(address)
            if payload is not None and len(payload) == 21 and payload[0] in self._versions:
                yield Name(address, checked=True)
