"""One generation of an index, opened: its parts by space, and what is deleted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tutela.core.errors import IntegrityError, UsageError
from tutela.match import manifest as manifests
from tutela.match.deleted import read_dead
from tutela.match.exact import between
from tutela.match.hits import alive
from tutela.match.key import ENTRY_BITS
from tutela.match.manifest import ListInfo, Manifest
from tutela.match.part import Part
from tutela.match.segment import HINT, Segment

_ATTEMPTS = 100


class Generation:
    """A manifest and everything that it names, mapped; never changed after it is made."""

    def __init__(self, folder: Path, manifest: Manifest, known: Mapping[str, Part]) -> None:
        """Map the segments, taking those over that an earlier generation has open.

        Raises:
            FileNotFoundError: a segment is not there (any more).
            IntegrityError: a segment is damaged.
        """
        self.manifest = manifest
        self.by_file = {
            record.file: known.get(record.file) or Part(Segment(folder, record))
            for record in manifest.segments
        }
        self.parts: dict[str, tuple[Part, ...]] = {}
        for part in self.by_file.values():
            space = part.record.space
            self.parts[space] = (*self.parts.get(space, ()), part)
        self._deleted = Segment(folder, manifest.deleted) if manifest.deleted else None
        self.dead = read_dead(manifest, self._deleted)
        self.dead_plain = self.dead.plain()
        self.lists: Mapping[int, ListInfo] = MappingProxyType(
            {info.number: info for info in manifest.lists}
        )

    def count(self, space: str) -> int:
        """Return how many rows of a space can be found."""
        parts = self.parts.get(space, ())
        if not (len(self.dead.keys) or len(self.dead.lists)):
            return sum(part.record.rows for part in parts)
        return sum(int(alive(part.keys, part.record.born, self.dead).sum()) for part in parts)

    def keys(self, space: str, list_number: int) -> NDArray[np.uint64]:
        """Return the keys (n,) of the rows of one list that can be found in a space, ascending."""
        found = [np.empty(0, np.uint64)]
        for part in self.parts.get(space, ()):
            own = part.keys[part.keys >> np.uint64(ENTRY_BITS) == np.uint64(list_number)]
            found.append(own[alive(own, part.record.born, self.dead)])
        return np.sort(np.concatenate(found))

    def under(
        self, space: str, prefix: int, bits: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
        """Return values (n, w) and keys (n,) of the rows whose first bits are those of `prefix`."""
        rest = 64 - bits
        low = np.uint64(prefix << rest)
        high = np.uint64((prefix << rest) + (1 << rest) - 1)
        values, keys = [], []
        for part in self.parts.get(space, ()):
            rows = part.segment.arrays["values"]
            first, last = between(rows, low, high)
            own = part.keys[first:last]
            living = alive(own, part.record.born, self.dead)
            values.append(rows[first:last][living])
            keys.append(own[living])
        if not keys:
            return np.empty((0, 0), np.uint8), np.empty(0, np.uint64)
        return np.concatenate(values), np.concatenate(keys)

    def segments(self) -> list[Segment]:
        """Return all segments, that of the deleted keys included."""
        found = [part.segment for part in self.by_file.values()]
        return [*found, self._deleted] if self._deleted else found


def load(folder: Path, known: Mapping[str, Part]) -> Generation:
    """Open the present generation of an index.

    Raises:
        UsageError: there is no index in the folder.
        IntegrityError: its manifest or a segment is damaged or missing.
    """
    for _ in range(_ATTEMPTS):
        try:
            manifest = manifests.read(folder)
        except FileNotFoundError:
            raise UsageError(
                f"there is no index in {folder}", code="no_index", hint="import a list first"
            ) from None
        try:
            return Generation(folder, manifest, known)
        except FileNotFoundError as error:
            # A commit between the two reads may have removed what it replaced; look again.
            if manifests.read(folder).generation == manifest.generation:
                raise IntegrityError(
                    f"segment {Path(error.filename).name} of the index is missing",
                    code="segment_missing",
                    hint=HINT,
                ) from None
    raise IntegrityError(f"the index in {folder} changes faster than it can be opened")
