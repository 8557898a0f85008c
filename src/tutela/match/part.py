"""A segment together with the kernel that searches it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutela.match import exact, mih, planes
from tutela.match.hits import Dead
from tutela.match.segment import Kind, Record, Segment


class Part(ABC):
    """One searchable segment."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.record = segment.record
        self.keys: NDArray[np.uint64] = segment.arrays["keys"]

    @abstractmethod
    def find(
        self,
        queries: NDArray[Any],
        radius: int,
        dead: Dead,
        hits: NDArray[np.uint64],
        found: int,
    ) -> int:
        """Add hits from place `found` on as far as there is room; return the count of all."""


class _Planes(Part):
    def __init__(self, segment: Segment) -> None:
        super().__init__(segment)
        arrays = segment.arrays
        self._view = planes.Planes(arrays["codes"], self.keys, arrays["planes"])

    def find(
        self,
        queries: NDArray[Any],
        radius: int,
        dead: Dead,
        hits: NDArray[np.uint64],
        found: int,
    ) -> int:
        return planes.scan(queries, radius, self._view, self.record.born, dead, hits, found)


class _Tables(Part):
    def __init__(self, segment: Segment) -> None:
        super().__init__(segment)
        arrays = segment.arrays
        self._view = mih.Tables(
            arrays["codes"], self.keys, arrays["offsets"], arrays["tags"], arrays["ids"]
        )

    def find(
        self,
        queries: NDArray[Any],
        radius: int,
        dead: Dead,
        hits: NDArray[np.uint64],
        found: int,
    ) -> int:
        shift = self.record.parameter
        return mih.search(queries, radius, shift, self._view, self.record.born, dead, hits, found)


class _Sorted(Part):
    def __init__(self, segment: Segment) -> None:
        super().__init__(segment)
        self._view = exact.Sorted(segment.arrays["values"], self.keys)

    def find(
        self,
        queries: NDArray[Any],
        radius: int,  # noqa: ARG002 equality has none, but shares the call with the others
        dead: Dead,
        hits: NDArray[np.uint64],
        found: int,
    ) -> int:
        return exact.look_up(queries, self._view, self.record.born, dead, hits, found)


_PARTS = {Kind.PLANES: _Planes, Kind.TABLES: _Tables, Kind.SORTED: _Sorted}


def open_part(segment: Segment) -> Part:
    """Return the searchable form of a segment."""
    return _PARTS[segment.record.kind](segment)
