"""What the tests of the index share: a plain reference, and codes of several shapes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tutela.core.entry import Role
from tutela.core.media import PDQ
from tutela.match.index import Index, Matches
from tutela.match.key import pack_key
from tutela.match.writer import IndexWriter

Codes = NDArray[np.uint8]
Hits = Counter[tuple[int, int, int]]


def brute_force(queries: Codes, codes: Codes, keys: NDArray[np.uint64], radius: int) -> Hits:
    """Return (query, key, distance) of every row within the radius, with how often it is there."""
    found: Hits = Counter()
    for number, query in enumerate(queries):
        apart = np.bitwise_count(codes ^ query).sum(axis=1, dtype=np.int64)
        for row in np.flatnonzero(apart <= radius):
            found[number, int(keys[row]), int(apart[row])] += 1
    return found


def within(hits: Hits, radius: int) -> Hits:
    """Return those of the hits that a smaller radius has too."""
    return Counter({hit: count for hit, count in hits.items() if hit[2] <= radius})


def as_hits(matches: Matches) -> Hits:
    return Counter(
        zip(
            matches.query.tolist(),
            matches.key.tolist(),
            matches.distance_bits.tolist(),
            strict=True,
        )
    )


def flipped(codes: Codes, least: int, most: int, rng: np.random.Generator) -> Codes:
    """Return the codes with between `least` and `most` bits each turned."""
    places = np.argsort(rng.random((len(codes), 256)), axis=1)
    turned = places < rng.integers(least, most + 1, (len(codes), 1))
    return codes ^ np.packbits(turned, axis=1)


def clusters(rows: int, rng: np.random.Generator) -> Codes:
    """Return groups of near-duplicates, as edits of one picture make them."""
    base = rng.integers(0, 256, (rows // 8 + 1, 32), dtype=np.uint8)
    return flipped(base.repeat(8, axis=0)[:rows], 0, 24, rng)


def crowded(rows: int, rng: np.random.Generator) -> Codes:
    """Return codes of which many chunks are zero: the worst case of multi-index hashing."""
    codes = rng.integers(0, 256, (rows, 32), dtype=np.uint8)
    codes[: rows // 2] = 0
    codes[rows // 2 : 3 * rows // 4, 8:] = 0
    return flipped(codes, 0, 6, rng)


def build(folder: Path, codes: Codes, keys: NDArray[np.uint64] | None = None) -> Index:
    """Write one list of codes in one commit and open the index."""
    with IndexWriter(folder) as writer:
        number = writer.define_list("list", Role.ALERT)
        own = np.arange(len(codes), dtype=np.uint64) + np.uint64(pack_key(number, 0))
        writer.add(PDQ, codes, own if keys is None else keys)
        writer.commit()
    return Index.open(folder)
