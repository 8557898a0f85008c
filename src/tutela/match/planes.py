"""The plane-filtered scan: the kernels of small segments and fresh additions.

The first 96 bits of every code are also stored as three planes of 32-bit words. One pass over them
rejects all but a few codes in ten thousand at 12 bytes each; only the rest is compared in full.
Every query reads every row, so there is nothing that skewed data could make worse.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tutela.fingerprint.kernel import kernel
from tutela.match.bits import PLANE_LANES, lowest, near_planes
from tutela.match.hits import Dead, emit, is_dead
from tutela.match.layout import distance, regroup

PLANES = 3
BLOCK = 1024  # rows whose planes (12 KB) stay in the nearest cache while all queries pass


class Planes(NamedTuple):
    """A segment as the kernel sees it."""

    codes: NDArray[np.uint64]  # (rows, 4), regrouped
    keys: NDArray[np.uint64]  # (rows,)
    planes: NDArray[np.uint32]  # (3, rows rounded up to a multiple of 16)
    born: int


@kernel()
def scan(
    codes: NDArray[np.uint16],
    radius: int,
    segment: Planes,
    deleted: Dead,
    hits: NDArray[np.uint64],
) -> None:
    """Add all rows within `radius` bits of codes (q, 16), as PDQ gives them, to `hits`.

    `segment` and `deleted` come as plain tuples, which cost less to hand over.
    """
    segment = Planes(*segment)
    dead = Dead(*deleted)
    rows = segment.codes.shape[0]
    queries = regroup(codes)
    words = queries.view(np.uint64)
    halves = queries.view(np.uint32)
    first = np.uint64(segment.planes.ctypes.data)
    stride = np.uint64(4 * segment.planes.shape[1])
    for block in range(0, rows, BLOCK):
        for query in range(queries.shape[0]):
            half = (halves[query, 0], halves[query, 1], halves[query, 2])
            for begin in range(block, min(block + BLOCK, rows), PLANE_LANES):
                at = first + np.uint64(4 * begin)
                near = near_planes(at, at + stride, at + stride + stride, half, np.uint32(radius))
                if rows - begin < PLANE_LANES:
                    near &= (np.uint64(1) << np.uint64(rows - begin)) - np.uint64(1)
                while near:
                    row = begin + lowest(near)
                    near &= near - np.uint64(1)
                    apart = distance(segment.codes[row], words[query])
                    if apart <= radius and not is_dead(segment.keys[row], segment.born, dead):
                        emit(hits, query, apart, segment.keys[row])
