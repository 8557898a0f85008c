"""How a 256-bit code lies in an index: its bits regrouped.

A PDQ code is a 16 x 16 grid of signs, one row of the frequency plane every 16 bits, and the signs
within a row depend on each other. Cut into 16-bit chunks as it comes, photographs crowd into few
buckets (docs/explanation/matching.md has the figures). `regroup` therefore collects each chunk
along a diagonal of the grid, so that it takes one bit of every row and of every column. Distances
do not change: it only moves bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tutela.fingerprint.kernel import kernel
from tutela.match.bits import popcount

CHUNKS = 16  # of 16 bits each


@kernel()
def regroup(codes: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Return codes (n, 16) with bit j of row i moved to row (i + j) % 16, bit i."""
    out = np.empty_like(codes)
    for n in range(codes.shape[0]):
        for i in range(CHUNKS):
            row = np.uint32(codes[n, i])
            # Rotated left by i: bit j now stands at (i + j) % 16, the row that it goes to.
            out[n, i] = np.uint16((row << np.uint32(i)) | (row >> np.uint32(CHUNKS - i)))
        _transpose(out[n])
    return out


@kernel(entry=False)
def _transpose(grid: NDArray[np.uint16]) -> None:
    """Transpose 16 x 16 bits in place (Warren, Hacker's Delight, section 7-3)."""
    step = 8
    mask = np.uint16(0x00FF)
    while step:
        for i in range(CHUNKS):
            if i & step == 0:
                low, high = grid[i], grid[i + step]
                moved = np.uint16((low >> np.uint16(step)) ^ high) & mask
                grid[i + step] = high ^ moved
                grid[i] = low ^ np.uint16(moved << np.uint16(step))
        step >>= 1
        mask ^= np.uint16(mask << np.uint16(step))


@kernel(entry=False)
def distance(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> int:
    """Return the Hamming distance of two codes of four words each."""
    return (
        popcount(one[0] ^ other[0])
        + popcount(one[1] ^ other[1])
        + popcount(one[2] ^ other[2])
        + popcount(one[3] ^ other[3])
    )
