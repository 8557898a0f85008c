"""Trains a model on a corpus that the operator may use: who is flagged, by signs and hashed words.

Five folds of authors, nobody and no partner in two: three choose and learn, one calibrates, one is
looked at once, for the card.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from tutela.chat.scoring import Scoring
from tutela.chat.training import card, features, metrics, split
from tutela.chat.training.corpus import Corpus
from tutela.chat.training.features import DENSE, WIDTH, Means
from tutela.chat.training.figures import check_prevalence
from tutela.chat.training.gathering import Gathered, gather
from tutela.chat.training.seen import Seen
from tutela.chat.training.trained import Origin, Trained
from tutela.core.errors import InputError, UsageError

FOLDS: Final = 5
TEST: Final = 0
CALIBRATION: Final = 1
LEAST_FLAGGED: Final = 25  # five in each fold
LEAST_OTHERS: Final = 250
# A place that fewer authors filled has no weight: what one of them alone said is in no model.
LEAST_AUTHORS: Final = 3
_ROUNDS: Final = 2_000


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """How to train.

    Attributes:
        licence: What allows the operator to use the corpus, in words; it is put on the card.
        may_use: The operator says that it holds.
        seed: By which authors are divided.
        grid: Inverse strengths of regularisation that are tried.
        least_messages: Authors who wrote fewer are not learnt from.
        held_out: Conversations to test on (such as the ids of VTPAN); empty for a fold.
        prevalence: Share of flagged authors that figures are weighted to.
    """

    licence: str
    may_use: bool
    seed: int = 1
    grid: tuple[float, ...] = (0.1, 1.0, 10.0, 100.0)
    least_messages: int = 3
    held_out: frozenset[str] = frozenset()
    prevalence: float = 1e-4


class Outcome(NamedTuple):
    """A model, and what to say of it."""

    model: Trained
    card: card.Card


class _Learnt(NamedTuple):
    weights: NDArray[np.float32]
    bias: float


def train(
    corpus: Corpus, scoring: Scoring, parts: bytes, config: Config, *, point: float
) -> Outcome:
    """Return a model of a corpus.

    Args:
        corpus: What is learnt from.
        scoring: A fresh scorer; alerts of the shipped weights are compared on the card.
        parts: Digest of what the scorer works with; the model works with no other.
        config: How.
        point: The point of the scorer.

    Raises:
        UsageError: as `check`.
        InputError: code `too_small`, `too_large` or `not_divisible`, or it cannot be read.
    """
    check(config)
    means = Means()
    found = gather(corpus, scoring, point, listen=means.hear)
    flagged = found.flagged(corpus)
    _check_size(flagged)
    fold = np.array(divided(found, flagged, config.seed, config.held_out))
    truth = np.array(flagged)
    rows = _rows(found, means)
    enough = np.array(found.messages) >= config.least_messages
    strength, tried = _chosen(rows, truth, np.where(enough, fold, -1), config.grid)
    # The fold of the calibration is learnt from by nobody; that of the test, not at all.
    learnt = _fit(rows, truth, enough & (fold > CALIBRATION), strength)
    logits = np.asarray(rows @ learnt.weights, dtype=np.float64) + learnt.bias
    held = fold == CALIBRATION
    steps = _calibrated(logits[held], truth[held])
    origin = Origin(
        features.digest(),
        parts,
        corpus.digest,
        config.seed,
        listed(config.held_out),
        float(truth[held].mean()),
    )
    known = _known(found, fold.tolist(), corpus.digest)
    model = Trained(origin, learnt.weights, learnt.bias, steps, known)
    tested = card.Tested(found, truth, fold == TEST, logits)
    said = card.Learning(strength, tried, tuple(np.bincount(fold, minlength=FOLDS).tolist()))
    return Outcome(model, card.of(model, config.licence, tested, said, config.prevalence))


def _known(found: Gathered, fold: Sequence[int], key: bytes) -> Seen:
    """Return whom the model was made from: all but the fold that it is tested on."""
    return Seen.of(
        key,
        (talk.id for talk in found.talks if any(fold[one] != TEST for one in talk.authors)),
        (author for author, number in found.numbers.items() if fold[number] != TEST),
    )


def divided(
    found: Gathered, flagged: Sequence[bool], seed: int, held_out: frozenset[str]
) -> list[int]:
    """Return the fold of each author; with `held_out`, those of it and all linked are the test."""
    groups = found.grouped()
    if not held_out:
        return split.folds(groups, flagged, FOLDS, seed)
    spoke = {author for talk in found.talks if talk.id in held_out for author in talk.authors}
    tested = split.touched(groups, spoke)
    rest = [author for author in range(len(groups)) if author not in tested]
    parted = split.folds(
        [groups[one] for one in rest], [flagged[one] for one in rest], FOLDS - 1, seed
    )
    fold = [TEST] * len(groups)
    for author, number in zip(rest, parted, strict=True):
        fold[author] = number + 1
    return fold


def listed(held_out: Iterable[str]) -> bytes:
    """Return SHA-256 of a list of conversations; empty of none."""
    names = sorted(held_out)
    return hashlib.sha256("\n".join(names).encode()).digest() if names else b""


def check(config: Config) -> None:
    """Refuse what nobody may train by; ask before anything is read.

    Raises:
        UsageError: code `no_licence` or `prevalence`.
    """
    check_prevalence(config.prevalence)
    if not config.may_use or len(config.licence.strip()) < 3:
        raise UsageError(
            "nobody says that this corpus may be used for training",
            code="no_licence",
            hint="--licence says what allows it, and --i-may-use-it that it does",
        )


def _check_size(flagged: Sequence[bool]) -> None:
    positive = sum(flagged)
    others = len(flagged) - positive
    if positive < LEAST_FLAGGED or others < LEAST_OTHERS:
        raise InputError(
            f"a corpus with {positive:,} flagged authors and {others:,} others is too small",
            code="too_small",
            hint=f"it takes {LEAST_FLAGGED} flagged and {LEAST_OTHERS} others to say anything",
        )


def _rows(found: Gathered, means: Means) -> Any:
    """Return the vector of each author, sparse, shape (authors, WIDTH)."""
    dense = np.zeros((len(found.numbers), DENSE), dtype=np.float32)
    for author, said in found.signs.items():
        dense[author] = said
    return sparse.hstack(
        [sparse.csr_matrix(dense), means.matrix(found.messages)], format="csr", dtype=np.float32
    )


def _chosen(
    rows: Any, truth: NDArray[np.bool_], fold: NDArray[np.int64], grid: Sequence[float]
) -> tuple[float, dict[float, float]]:
    """Return the strength with the best mean PR-AUC over three folds, and what each had."""
    tried: dict[float, float] = {}
    for strength in grid:
        worth = []
        for out in range(CALIBRATION + 1, FOLDS):
            learnt = _fit(rows, truth, (fold > CALIBRATION) & (fold != out), strength)
            held = fold == out
            logits = np.asarray(rows[held] @ learnt.weights, dtype=np.float64)
            worth.append(metrics.pr_auc(truth[held], logits) or 0.0)
        tried[strength] = float(np.mean(worth))
    # Of equals the most regularised: it says the least about single authors.
    return max(sorted(tried), key=lambda strength: round(tried[strength], 6)), tried


def _fit(rows: Any, truth: NDArray[np.bool_], which: NDArray[np.bool_], strength: float) -> _Learnt:
    chosen, labels = rows[which], truth[which]
    if labels.all() or not labels.any():
        raise InputError("a fold has no flagged author to learn from", code="too_small")
    kept = np.nonzero(chosen.getnnz(axis=0) >= LEAST_AUTHORS)[0]
    learner = LogisticRegression(C=strength, class_weight="balanced", max_iter=_ROUNDS)
    learner.fit(chosen[:, kept], labels)
    weights = np.zeros(WIDTH, dtype=np.float32)
    weights[kept] = learner.coef_[0]
    return _Learnt(weights, float(learner.intercept_[0]))


def _calibrated(logits: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the steps of an isotonic regression; never 0 or 1, which no sample shows."""
    flagged = int(truth.sum())
    least, most = 1 / (len(truth) - flagged + 2), 1 - 1 / (flagged + 2)
    steps = IsotonicRegression(y_min=least, y_max=most, out_of_bounds="clip")
    steps.fit(logits, truth.astype(np.float64))
    at = np.asarray(steps.X_thresholds_, dtype=np.float64)
    gives = np.asarray(steps.y_thresholds_, dtype=np.float64)
    if len(at) < 2:  # all alike: one step is a line
        at, gives = np.append(at, at[-1] + 1), np.append(gives, gives[-1])
    return np.stack([at, np.maximum.accumulate(np.clip(gives, least, most))])
