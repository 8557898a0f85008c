"""How alike the writing of accounts is: character 2- to 4-grams, TF-IDF, z-scores.

A hint, whatever it says: below about 5,000 characters it only orders a list for a person, and at no
length does it merge or link. Grams are hashed to 2**16 places, which loses nothing that matters and
keeps no text. A query is compared with its own background: how alike it is to everybody.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PLACES = 1 << 16
GRAMS = (2, 3, 4)
MAX_CHARACTERS = 200_000
HINT_CHARACTERS = 5_000
# Grams of fewer texts than this are subjects and slips, where there are texts enough to tell.
SPREAD, MANY_TEXTS = 3, 20
_FACTOR = np.uint64(1_000_003)

Vector = NDArray[np.float32]


def counts(text: str) -> Vector:
    """Return how often each place is hit by grams of a text; shape (PLACES,), float32."""
    folded = unicodedata.normalize("NFKC", text[:MAX_CHARACTERS])
    codes = np.frombuffer(folded.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    found = np.zeros(PLACES, dtype=np.float32)
    for size in GRAMS:
        if len(codes) < size:
            continue
        length = len(codes) - size + 1
        mixed = np.full(length, size, dtype=np.uint64)
        for place in range(size):
            mixed = mixed * _FACTOR + codes[place : place + length]
        mixed ^= mixed >> np.uint64(29)
        slots = (mixed % np.uint64(PLACES)).astype(np.int64)
        found += np.bincount(slots, minlength=PLACES).astype(np.float32)
    return found


def vectors(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return one unit vector a text; shape (texts, PLACES). Rarity is that among the texts."""
    table = np.stack([counts(text) for text in texts]) if texts else np.zeros((0, PLACES), "f4")
    spread = np.count_nonzero(table, axis=0)
    rarity = np.log((1 + len(texts)) / (1 + spread)).astype(np.float32) + 1
    if len(texts) >= MANY_TEXTS:
        rarity[spread < SPREAD] = 0
    # Squared: what few share tells more than how often somebody writes what all do.
    table = np.log1p(table) * rarity**2
    norms = np.linalg.norm(table, axis=1, keepdims=True)
    scaled: NDArray[np.float32] = (table / np.maximum(norms, 1e-9)).astype(np.float32)
    return scaled


def z_scores(queries: NDArray[np.float32], candidates: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how much each candidate stands out for each query, in standard deviations.

    Shape (queries, candidates). Raw likeness says how common somebody's writing is; what tells is
    how far the best candidate stands above the query's likeness to all of them.
    """
    alike = (queries @ candidates.T).astype(np.float64)
    if alike.shape[1] < 3:
        return np.zeros_like(alike)
    mean = alike.mean(axis=1, keepdims=True)
    scaled: NDArray[np.float64] = (alike - mean) / np.maximum(
        alike.std(axis=1, keepdims=True), 1e-9
    )
    return scaled
