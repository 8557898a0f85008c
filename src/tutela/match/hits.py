"""Where kernels put what they find, and how they leave out what was deleted.

A kernel counts every hit and stores as many as there is room for. A caller that sees a count larger
than the room asks again with more, so nothing is lost and nothing grows inside a kernel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tutela.match.kernel import kernel
from tutela.match.key import ENTRY_BITS


class Dead(NamedTuple):
    """What was deleted: keys (sorted, unique), at which sequence, and numbers of deleted lists.

    A row is dead if its list is, or if its key was deleted after its segment was born.
    """

    keys: NDArray[np.uint64]
    sequences: NDArray[np.int64]
    lists: NDArray[np.uint64]


@kernel
def is_dead(key: np.uint64, born: int, dead: Dead) -> bool:
    """Tell whether a row of a segment born at sequence `born` is deleted."""
    for number in dead.lists:
        if key >> np.uint64(ENTRY_BITS) == number:
            return True
    if dead.keys.size == 0:
        return False
    place = np.searchsorted(dead.keys, key)
    return bool(place < dead.keys.size and dead.keys[place] == key and dead.sequences[place] > born)


@kernel
def alive(keys: NDArray[np.uint64], born: int, dead: Dead) -> NDArray[np.bool_]:
    """Return which rows of a segment born at sequence `born` are not deleted."""
    out = np.empty(keys.size, np.bool_)
    for row in range(keys.size):
        out[row] = not is_dead(keys[row], born, dead)
    return out


@kernel
def emit(hits: NDArray[np.uint64], found: int, query: int, distance: int, key: np.uint64) -> int:
    """Store (query << 8 | distance, key) if there is room; return the new count either way."""
    if found < hits.shape[0]:
        hits[found, 0] = (np.uint64(query) << np.uint64(8)) | np.uint64(distance)
        hits[found, 1] = key
    return found + 1
