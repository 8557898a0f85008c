"""Session ids: `05` and a public key in hexadecimal. They have no checksum: their form is exact."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tutela.crawl.entities.entity import Name
from tutela.observation.model import EntityKind

_ID = re.compile(r"(?<![0-9A-Za-z])05[0-9A-Fa-f]{64}(?![0-9A-Za-z])")
_LEAST_DIGITS = 8  # different ones: a row of zeros is no key


class Session:
    """Finds ids of the form."""

    kind = EntityKind.SESSION

    def hint(self, text: str) -> bool:
        """Whether there is anything of the form."""
        return _ID.search(text) is not None

    def find(self, text: str) -> Iterator[Name]:
        """Yield ids in lower case."""
        for found in _ID.finditer(text):
            value = found[0].lower()
            if len(set(value)) >= _LEAST_DIGITS:
                yield Name(value, checked=True)


FINDER = Session()
