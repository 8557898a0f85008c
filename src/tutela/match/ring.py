"""The rule that decides which tables find a row: chunk distances around a ring of sixteen.

Let d_0 ... d_15 be the distances of the chunks and s_0 ... s_15 whole numbers that sum to radius
+ 1. Table t finds a row if d_t < s_t and d_t + d_(t+1) < s_t + s_(t+1), counted around the ring.
docs/explanation/matching.md proves that some table finds each row within the radius.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tutela.fingerprint.kernel import kernel
from tutela.match.bits import popcount
from tutela.match.layout import CHUNKS


@kernel(entry=False)
def shares_of(radius: int) -> NDArray[np.int64]:
    """Share radius + 1 among the chunks, as evenly as whole numbers allow: 0, 1 or 2 each."""
    shares = np.full(CHUNKS, (radius + 1) // CHUNKS, np.int64)
    shares[: (radius + 1) % CHUNKS] += 1
    return shares


@kernel(entry=False)
def first_table(
    shares: NDArray[np.int64], query: NDArray[np.uint64], code: NDArray[np.uint64]
) -> int:
    """Return the first table whose probes and tags let a row within the radius pass."""
    apart = _chunk_distance(code, query, 0)
    for table in range(CHUNKS):
        following = _chunk_distance(code, query, (table + 1) % CHUNKS)
        both = shares[table] + shares[(table + 1) % CHUNKS]
        if apart < shares[table] and apart + following < both:
            return table
        apart = following
    return CHUNKS


@kernel(entry=False)
def _chunk_distance(one: NDArray[np.uint64], other: NDArray[np.uint64], chunk: int) -> int:
    differ = (one[chunk >> 2] ^ other[chunk >> 2]) >> np.uint64(16 * (chunk & 3))
    return popcount(differ & np.uint64(0xFFFF))
