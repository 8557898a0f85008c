"""The role of a finder: it finds names of one kind in a text, and knows when there are none.

`hint` is asked once for all texts of a page together, so a page without names costs one search.
Patterns have fixed lengths and never nest repeats: no text makes them slow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from tutela.observation.model import EntityKind


class Name(NamedTuple):
    """A name found: its normal form, and whether its checksum (or exact form) holds."""

    value: str
    checked: bool


class Finder(Protocol):
    """Finds names of one kind."""

    kind: EntityKind

    def hint(self, text: str) -> bool:
        """Whether a text may hold names of this kind; cheap, and never wrongly false."""
        ...

    def find(self, text: str) -> Iterable[Name]:
        """Yield the names in a text, in their order, doubles included."""
        ...
