"""Says what a scorer, and a trained model, are worth on a labelled corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.chat.scoring import Scoring
from tutela.chat.training import features, figures, metrics
from tutela.chat.training.corpus import Corpus
from tutela.chat.training.figures import AT, PREVALENCE, Figure, Ranked, Table
from tutela.chat.training.gathering import Gathered, Talk, gather
from tutela.chat.training.trained import Trained
from tutela.core.errors import UsageError

# By how long a conversation is: the fewest messages of each bucket.
BUCKETS: Final = (1, 20, 100)
NOT_EVIDENCE: Final = "not evidence of performance on real victims"
_BATCH: Final = 1_024


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Figures, and what they were measured on.

    Attributes:
        on: SHA-256 of the corpus in hexadecimal, or `feedback`.
        parts: Digest of lexicon and weights in hexadecimal.
        model: Digest of the trained model, or "".
        point: From which points on a pair alerts.
        prevalence: Share of flagged units that figures are weighted to.
        messages: How many were read.
        left: What was no message or not counted, by reason.
        tables: The figures.
        notes: What must be said with them.
    """

    on: str
    parts: str
    model: str
    point: float
    prevalence: float
    messages: int
    left: dict[str, int]
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = (NOT_EVIDENCE,)


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """With what to evaluate.

    Attributes:
        scoring: A fresh scorer.
        parts: Digest of what it works with.
        point: Its point.
        model: A trained model, or None.
        prevalence: Share of flagged units that figures are weighted to.
        at: Of how many of the best precision and recall are told.
    """

    scoring: Scoring
    parts: bytes
    point: float
    model: Trained | None = None
    prevalence: float = PREVALENCE
    at: tuple[int, ...] = AT


def evaluate(corpus: Corpus, means: Means) -> Evaluation:
    """Return figures on a corpus; with a model, on authors only whom it was not made from.

    Raises:
        UsageError: code `seen`: the model was made from all of them; `prevalence`: it is no share.
        InputError: the corpus cannot be read.
    """
    figures.check_prevalence(means.prevalence)
    model = means.model
    heard = _Hearing(model) if model else None
    found = gather(corpus, means.scoring, means.point, listen=heard.hear if heard else None)
    flagged = np.array(found.flagged(corpus), dtype=np.bool_)
    which, notes = np.ones(len(flagged), dtype=np.bool_), [NOT_EVIDENCE]
    if model:
        which = _unseen(found, model)
        notes += _limited(which)
    inside = [talk for talk in found.talks if all(which[author] for author in talk.authors)]
    tables = [*_of_authors(found, flagged, which, means)]
    if model and heard:
        tables.append(_of_model(heard.logits(found), flagged, which, means))
    tables += _of_talks(corpus, found, flagged, inside, means)
    return Evaluation(
        on=corpus.digest.hex(),
        parts=means.parts.hex(),
        model=model.digest.hex() if model else "",
        point=means.point,
        prevalence=means.prevalence,
        messages=sum(found.messages),
        left=dict(found.left),
        tables=tuple(tables),
        notes=tuple(notes),
    )


class _Hearing:
    """Adds up what a model weighs the messages of each author."""

    def __init__(self, model: Trained) -> None:
        self._model = model
        self._total: list[float] = []
        self._batch: list[tuple[int, str]] = []

    def hear(self, author: int, text: str) -> None:
        self._batch.append((author, text))
        if len(self._batch) >= _BATCH:
            self._weigh()

    def _weigh(self) -> None:
        for (author, _), weight in zip(
            self._batch, self._model.weigh([text for _, text in self._batch]), strict=True
        ):
            self._total.extend([0.0] * (author + 1 - len(self._total)))
            self._total[author] += weight
        self._batch = []

    def logits(self, found: Gathered) -> NDArray[np.float64]:
        """Return what the model gives each author."""
        self._weigh()
        dense = self._model.weights[: features.DENSE]
        logits = np.array(self._total) / np.array(found.messages) + self._model.bias
        for author, said in found.signs.items():
            logits[author] += float(said @ dense)
        return np.asarray(logits, dtype=np.float64)


def _unseen(found: Gathered, model: Trained) -> NDArray[np.bool_]:
    """Return which authors a model was not made from, nor from anybody linked with them."""
    which = np.ones(len(found.numbers), dtype=np.bool_)
    which[list(model.known.touched(found))] = False
    if len(which) and not which.any():
        raise UsageError(
            "the model was made from every author of this corpus, or who spoke with them",
            code="seen",
            hint="evaluate it on another corpus; ids that two corpora share count as the same",
        )
    return which


def _limited(which: NDArray[np.bool_]) -> Iterator[str]:
    """Yield what must be said of a corpus that a model was made from in part."""
    if not which.all():
        yield (
            f"the model was made from {int((~which).sum()):,} of the {len(which):,} authors, or "
            f"who spoke with them: measured on the {int(which.sum()):,} it has not seen"
        )


def _of_authors(
    found: Gathered, flagged: NDArray[np.bool_], which: NDArray[np.bool_], means: Means
) -> Iterator[Table]:
    alert = np.isin(np.arange(len(flagged)), list(found.alerts))
    units = Ranked(truth=flagged[which], score=np.array(found.points)[which], alert=alert[which])
    yield figures.table("Authors, shipped weights", units, means.prevalence, means.at)


def _of_model(
    logits: NDArray[np.float64],
    flagged: NDArray[np.bool_],
    which: NDArray[np.bool_],
    means: Means,
) -> Table:
    assert means.model is not None
    alert = means.model.probabilities(logits) >= 0.5
    units = Ranked(truth=flagged[which], score=logits[which], alert=alert[which])
    return figures.table("Authors, trained model", units, means.prevalence, means.at)


def _of_talks(
    corpus: Corpus,
    found: Gathered,
    flagged: NDArray[np.bool_],
    talks: Sequence[Talk],
    means: Means,
) -> Iterator[Table]:
    def true(talk: Talk) -> bool:
        return bool(flagged[list(talk.authors)].any())

    units = _ranked(talks, true)
    table = figures.table("Conversations, shipped weights", units, means.prevalence, means.at)
    more = (*_early(units, talks), _f3(corpus, found, talks))
    yield msgspec.structs.replace(table, figures=table.figures + more)
    for least, above in zip(BUCKETS, (*BUCKETS[1:], None), strict=True):
        some = [t for t in talks if t.messages >= least and (above is None or t.messages < above)]
        title = f"{least} to {above - 1} messages" if above else f"{least} messages and more"
        table = figures.table(
            f"Conversations of {title}", _ranked(some, true), means.prevalence, means.at
        )
        yield table


def _ranked(talks: Sequence[Talk], true: Callable[[Talk], bool]) -> Ranked:
    return Ranked.of(
        (true(talk) for talk in talks),
        (talk.points for talk in talks),
        (talk.alert for talk in talks),
    )


def _early(units: Ranked, talks: Sequence[Talk]) -> Iterator[Figure]:
    """Yield how early conversations alert."""
    true = [talk for talk, truth in zip(talks, units.truth, strict=True) if truth]
    delays = [talk.crossed_at or talk.messages for talk in true if talk.alert]
    weighted, median = metrics.latency_f1(
        metrics.counts(units.truth, units.alert), delays, [talk.messages for talk in true]
    )
    yield Figure(name="latency-weighted F1", value=weighted, of=len(true))
    yield Figure(name="median messages until the alert", value=median, of=len(delays))


def _f3(corpus: Corpus, found: Gathered, talks: Sequence[Talk]) -> Figure:
    """Return F3 of the lines in which authors who alert showed signs."""
    if corpus.lines is None:
        return Figure(name="line F3", value=None)
    inside = {talk.id for talk in talks}
    said = {line for author in found.alerts for line in found.lines.get(author, ())}
    true = {line for line in corpus.lines if line.conversation in inside}
    value = metrics.line_f3({line for line in said if line.conversation in inside}, true)
    return Figure(name="line F3", value=value, of=len(true))


def lines(evaluation: Evaluation) -> Iterator[str]:
    """Yield an evaluation as text for a terminal; what limits it comes first."""
    yield from (f"Note: {note}." for note in evaluation.notes)
    yield f"Measured on {evaluation.on[:16]}: {evaluation.messages:,} messages, at the point "
    yield f"{evaluation.point:g}; weighted to a prevalence of {evaluation.prevalence:g}."
    yield from (f"Left out: {count:,} {why}." for why, count in evaluation.left.items())
    yield from figures.lines(evaluation.tables)


def as_json(evaluation: Evaluation) -> bytes:
    """Return an evaluation for programs."""
    return msgspec.json.format(msgspec.json.encode(evaluation), indent=2) + b"\n"
