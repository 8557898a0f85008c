"""What is learnt from: the signs that an author showed, and hashed pieces of words.

No word is kept. Pieces are hashed into a fixed number of places (`HashingVectorizer`, signed, no
vocabulary), and an author's text is the mean of the vectors of the messages. A linear model weighs
a mean as the mean of what it weighs each message: so while messages stream by, two numbers for each
author are all that is kept of them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

from tutela.chat.model import PairScore, Sign, stage
from tutela.chat.normalise import normalise

SIGNS: Final = tuple(Sign)
# For each sign points and count; then all points, distinct signs, distinct stages, may alert.
DENSE: Final = 2 * len(SIGNS) + 4
WORDS: Final = 1 << 17
PIECES: Final = 1 << 17
WIDTH: Final = DENSE + WORDS + PIECES
_WORD: Final = r"\w+"
# Texts that are hashed at once.
BATCH: Final = 4_096

Vector = NDArray[np.float32]


class _Said(msgspec.Struct, frozen=True):
    """All that decides what a place of a vector means; a change of code here is a new version."""

    version: int = 1
    signs: tuple[str, ...] = tuple(sign.value for sign in SIGNS)
    words: tuple[int, int, int] = (WORDS, 1, 2)
    pieces: tuple[int, int, int] = (PIECES, 3, 4)


def digest() -> bytes:
    """Return SHA-256 of what the places of a vector mean."""
    return hashlib.sha256(msgspec.json.encode(_Said())).digest()


def signs(pairs: Iterable[PairScore]) -> Vector:
    """Return what the pairs of one author say, shape (DENSE,): of each place the largest."""
    made = np.zeros(DENSE, dtype=np.float32)
    for pair in pairs:
        np.maximum(made, _of_pair(pair), out=made)
    return made


def _of_pair(pair: PairScore) -> Vector:
    made = np.zeros(DENSE, dtype=np.float32)
    for reason in pair.reasons:
        place = SIGNS.index(reason.sign)
        made[place] = math.log1p(reason.points)
        made[len(SIGNS) + place] = math.log1p(reason.count)
    made[-4:] = (
        math.log1p(pair.points),
        len(pair.reasons) / len(SIGNS),
        len({stage(reason.sign) for reason in pair.reasons}) / len({*map(stage, SIGNS)}),
        pair.may_alert,
    )
    return made


class Hasher:
    """Hashes texts into vectors; each half, words and pieces, has length 1 or is empty."""

    def __init__(self) -> None:
        same = {"norm": "l2", "alternate_sign": True, "dtype": np.float32}
        # Words of one letter count too, which by default they do not.
        self._words = HashingVectorizer(
            n_features=WORDS, ngram_range=(1, 2), token_pattern=_WORD, **same
        )
        self._pieces = HashingVectorizer(
            n_features=PIECES, ngram_range=(3, 4), analyzer="char_wb", **same
        )

    def vectors(self, texts: Sequence[str]) -> Any:
        """Return a sparse matrix, a row for each text, shape (texts, WORDS + PIECES)."""
        plain = [normalise(text).text for text in texts]
        halves = [self._words.transform(plain), self._pieces.transform(plain)]
        return sparse.hstack(halves, format="csr", dtype=np.float32)


class Means:
    """Gathers the mean vector of each author from the messages as they come."""

    def __init__(self) -> None:
        self._hasher = Hasher()
        self._authors: list[int] = []
        self._texts: list[str] = []
        self._sums: list[tuple[NDArray[np.int64], Any]] = []

    def hear(self, author: int, text: str) -> None:
        """Take one message of an author, by number."""
        self._authors.append(author)
        self._texts.append(text)
        if len(self._texts) >= BATCH:
            self._hash()

    def _hash(self) -> None:
        """Add up the batch by author, and let go of its texts."""
        who, place = np.unique(np.asarray(self._authors, dtype=np.int64), return_inverse=True)
        rows = self._hasher.vectors(self._texts)
        self._sums.append((who, _added(place, rows, len(who))))
        self._authors, self._texts = [], []

    def matrix(self, messages: Sequence[int]) -> Any:
        """Return the means, a row for each author; `messages` is how many each wrote."""
        if self._texts:
            self._hash()
        shape = len(messages), WORDS + PIECES
        if not self._sums:
            return sparse.csr_matrix(shape, dtype=np.float32)
        place = np.concatenate([who for who, _ in self._sums])
        stacked = sparse.vstack([rows for _, rows in self._sums], format="csr")
        total = _added(place, stacked, len(messages))
        share = 1 / np.maximum(np.asarray(messages, dtype=np.float32), 1)
        return sparse.csr_matrix(sparse.diags(share, dtype=np.float32) @ total)


def _added(place: NDArray[np.int64], rows: Any, number: int) -> Any:
    """Return the sums of the rows that go to one place."""
    ones = np.ones(len(place), dtype=np.float32)
    where = place, np.arange(len(place))
    return sparse.csr_matrix((ones, where), shape=(number, len(place))) @ rows
