"""Tox ids: public key, nospam and a checksum of two bytes, in hexadecimal.

Source: the Tox specification, "Tox ID".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tutela.crawl.entities.entity import Name
from tutela.observation.model import EntityKind

_ID = re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{76}(?![0-9A-Za-z])")


class Tox:
    """Finds ids whose checksum holds."""

    kind = EntityKind.TOX

    def hint(self, text: str) -> bool:
        """Whether there is anything of the form."""
        return _ID.search(text) is not None

    def find(self, text: str) -> Iterator[Name]:
        """Yield ids in upper case."""
        for found in _ID.finditer(text):
            data = bytes.fromhex(found[0])
            if checksum(data[:36]) == data[36:]:
                yield Name(found[0].upper(), checked=True)


def checksum(data: bytes) -> bytes:
    """Return the two bytes that all even and all odd bytes come to by exclusive or."""
    even = odd = 0
    for at in range(0, len(data), 2):
        even ^= data[at]
        odd ^= data[at + 1]
    return bytes([even, odd])


FINDER = Tox()
