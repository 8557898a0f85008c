"""A segment together with the kernel that searches it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tutela.match import exact, mih, planes
from tutela.match.hits import Dead
from tutela.match.segment import Kind, Segment

# (queries, radius in bits, deleted, hits): adds to the hits. Queries are codes (q, 16) uint16 in
# a radius space, or values (q, width) uint8, for which the radius means nothing.
Find = Callable[[NDArray[Any], int, Dead, NDArray[np.uint64]], None]


class Part:
    """One searchable segment; `find` adds what it finds to a matrix of hits."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.record = segment.record
        self.keys: NDArray[np.uint64] = segment.arrays["keys"]
        self.find: Find = _FINDS[segment.record.kind](segment)


def _find_in_planes(segment: Segment) -> Find:
    view: Any = (*segment.arrays.values(), segment.record.born)
    return lambda queries, radius, dead, hits: planes.scan(queries, radius, view, dead, hits)


def _find_in_tables(segment: Segment) -> Find:
    view: Any = (*segment.arrays.values(), segment.record.parameter, segment.record.born)
    return lambda queries, radius, dead, hits: mih.search(queries, radius, view, dead, hits)


def _find_in_sorted(segment: Segment) -> Find:
    view: Any = (*segment.arrays.values(), segment.record.born)
    return lambda queries, _radius, dead, hits: exact.look_up(queries, view, dead, hits)


_FINDS = {
    Kind.PLANES: _find_in_planes,
    Kind.TABLES: _find_in_tables,
    Kind.SORTED: _find_in_sorted,
}
