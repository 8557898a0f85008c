"""Exact values: rows sorted by their first eight bytes, found by interpolation, merged in streams.

Only those eight bytes are ordered; rows that share them are compared one after the other. Digests
spread evenly, so a guess by proportion lands near; every second step halves instead, which bounds
the steps for values that were chosen to spread badly.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tutela.fingerprint.kernel import kernel
from tutela.match.hits import Dead, emit, is_dead


class Sorted(NamedTuple):
    """A segment as the kernel sees it."""

    values: NDArray[np.uint8]  # (rows, width)
    keys: NDArray[np.uint64]  # (rows,)
    born: int


@kernel(entry=False)
def prefix(values: NDArray[np.uint8], row: int) -> np.uint64:
    """Return the first eight bytes of a row as a number, most significant byte first."""
    word = np.uint64(0)
    for place in range(8):
        word = (word << np.uint64(8)) | np.uint64(values[row, place])
    return word


@kernel()
def prefixes(values: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the prefix of every row."""
    out = np.empty(values.shape[0], np.uint64)
    for row in range(values.shape[0]):
        out[row] = prefix(values, row)
    return out


@kernel(entry=False)
def _first_at_least(values: NDArray[np.uint8], wanted: np.uint64) -> int:
    """Return the first row whose prefix is not below `wanted`, or the number of rows."""
    low = 0
    high: int = values.shape[0]
    guess = True
    while low < high:
        middle = (low + high) // 2
        if guess:
            least, most = prefix(values, low), prefix(values, high - 1)
            if wanted <= least:
                return low
            if wanted > most:
                return high
            # least < wanted <= most, so the share lies in (0, 1] and the guess inside.
            share = float(wanted - least) / float(most - least)
            middle = low + int(share * float(high - 1 - low))
        guess = not guess
        if prefix(values, middle) < wanted:
            low = middle + 1
        else:
            high = middle
    return low


@kernel()
def between(values: NDArray[np.uint8], low: np.uint64, high: np.uint64) -> tuple[int, int]:
    """Return from and to which row the prefixes lie between two numbers, both included."""
    first = _first_at_least(values, low)
    last: int = values.shape[0]
    if high + np.uint64(1) != np.uint64(0):
        last = _first_at_least(values, high + np.uint64(1))
    return first, last


@kernel(entry=False)
def _equal(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    for place in range(one.size):  # noqa: SIM110 a kernel has no all()
        if one[place] != other[place]:
            return False
    return True


@kernel()
def look_up(
    queries: NDArray[np.uint8],
    segment: Sorted,
    deleted: Dead,
    hits: NDArray[np.uint64],
) -> None:
    """Add all rows equal to the queries (q, width) to `hits`, at distance 0."""
    values, keys, born = segment
    dead = Dead(*deleted)
    for query in range(queries.shape[0]):
        wanted = prefix(queries, query)
        row = _first_at_least(values, wanted)
        while row < values.shape[0] and prefix(values, row) == wanted:
            if _equal(values[row], queries[query]) and not is_dead(keys[row], born, dead):
                emit(hits, query, 0, keys[row])
            row += 1


@kernel()
def merge(
    rows: tuple[NDArray[np.uint8], NDArray[np.uint64]],
    cursors: NDArray[np.int64],
    ends: NDArray[np.int64],
    out: tuple[NDArray[np.uint8], NDArray[np.uint64]],
) -> int:
    """Merge sorted runs until `out` is full or all are spent; return the number of rows written.

    Run k is rows `cursors[k]` to `ends[k]` of `rows` (values, keys); the cursors are moved on.
    """
    values, keys = rows
    out_values, out_keys = out
    heads = np.zeros(cursors.size, np.uint64)
    for run in range(cursors.size):
        if cursors[run] < ends[run]:
            heads[run] = prefix(values, cursors[run])
    for written in range(out_keys.size):
        best = -1
        for run in range(cursors.size):
            if cursors[run] < ends[run] and (best < 0 or heads[run] < heads[best]):
                best = run
        if best < 0:
            return written
        out_values[written] = values[cursors[best]]
        out_keys[written] = keys[cursors[best]]
        cursors[best] += 1
        if cursors[best] < ends[best]:
            heads[best] = prefix(values, cursors[best])
    return out_keys.size
