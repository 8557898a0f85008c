"""Where kernels put what they find, and how they leave out what was deleted.

Hits are rows of a matrix (room + 1, 2) of uint64 whose very first number counts them. A kernel
counts every hit and stores as many as there is room for. A caller that sees a count larger than the
room asks again with more, so nothing is lost and nothing grows inside a kernel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tutela.fingerprint.kernel import kernel
from tutela.match.key import ENTRY_BITS

_DISTANCES = 32  # of a hit: 0 to 31


class Dead(NamedTuple):
    """What was deleted: keys (sorted, unique), at which sequence, and numbers of deleted lists.

    A row is dead if its list is, or if its key was deleted after its segment was born.
    """

    keys: NDArray[np.uint64]
    sequences: NDArray[np.int64]
    lists: NDArray[np.uint64]

    def plain(self) -> Any:
        """Return a plain tuple, the form in which kernels that Python calls take a structure.

        It costs half of a named one to hand over, and see `kernel` about kept signatures.
        """
        return tuple(self)


def nothing_dead() -> Dead:
    """Return that nothing was deleted."""
    return Dead(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.uint64))


@kernel(entry=False)
def is_dead(key: np.uint64, born: int, dead: Dead) -> bool:
    """Tell whether a row of a segment born at sequence `born` is deleted."""
    for number in dead.lists:
        if key >> np.uint64(ENTRY_BITS) == number:
            return True
    if dead.keys.size == 0:
        return False
    place = np.searchsorted(dead.keys, key)
    return bool(place < dead.keys.size and dead.keys[place] == key and dead.sequences[place] > born)


@kernel()
def _alive(keys: NDArray[np.uint64], born: int, deleted: Dead) -> NDArray[np.bool_]:
    dead = Dead(*deleted)
    out = np.empty(keys.size, np.bool_)
    for row in range(keys.size):
        out[row] = not is_dead(keys[row], born, dead)
    return out


def alive(keys: NDArray[np.uint64], born: int, dead: Dead) -> NDArray[np.bool_]:
    """Return which rows of a segment born at sequence `born` are not deleted."""
    return _alive(keys, born, dead.plain())


def room_for(hits: int) -> NDArray[np.uint64]:
    """Return an empty matrix with room for a number of hits."""
    matrix = np.empty((hits + 1, 2), np.uint64)
    matrix[0, 0] = 0
    return matrix


@kernel(entry=False)
def emit(hits: NDArray[np.uint64], query: int, distance: int, key: np.uint64) -> None:
    """Count a hit, and store it if there is room."""
    place = np.int64(hits[0, 0]) + 1
    hits[0, 0] = place
    if place < hits.shape[0]:
        hits[place, 0] = np.uint64(query * _DISTANCES + distance)
        hits[place, 1] = key


@kernel()
def ordered(
    hits: NDArray[np.uint64], queries: int, first_query: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64], NDArray[np.uint8]]:
    """Return queries, keys and distances of all hits, ordered by query, then by distance."""
    found = np.int64(hits[0, 0])
    places = np.zeros(queries * _DISTANCES + 1, np.int64)
    for hit in range(1, found + 1):
        places[np.int64(hits[hit, 0]) + 1] += 1
    for rank in range(queries * _DISTANCES):
        places[rank + 1] += places[rank]
    query = np.empty(found, np.int64)
    key = np.empty(found, np.uint64)
    distance = np.empty(found, np.uint8)
    for hit in range(1, found + 1):
        place = places[np.int64(hits[hit, 0])]
        places[np.int64(hits[hit, 0])] += 1
        query[place] = first_query + np.int64(hits[hit, 0]) // _DISTANCES
        key[place] = hits[hit, 1]
        distance[place] = hits[hit, 0] % np.uint64(_DISTANCES)
    return query, key, distance
