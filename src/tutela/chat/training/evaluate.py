"""Says what a scorer, and a trained model, are worth on a corpus, or by what people said."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.chat.scoring import Scoring
from tutela.chat.training import features, figures, metrics, train
from tutela.chat.training.corpus import Corpus
from tutela.chat.training.figures import AT, PREVALENCE, Figure, Ranked, Table
from tutela.chat.training.gathering import Gathered, Listen, Talk, gather
from tutela.chat.training.trained import Trained
from tutela.core.errors import UsageError

# By how long a conversation is: the fewest messages of each bucket.
BUCKETS: Final = (1, 20, 100)
NOT_EVIDENCE: Final = "not evidence of performance on real victims"
_BATCH: Final = 1_024


class Verdict(enum.StrEnum):
    """What a person said of a conversation that was put before them."""

    TRUE = "true"
    FALSE = "false"
    UNSURE = "unsure"


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that a person judged.

    Attributes:
        points: What it had.
        alert: Whether it alerted.
        verdict: What the person said.
        messages: How long it is.
        crossed_at: After how many messages it alerted.
    """

    points: float
    alert: bool
    verdict: Verdict
    messages: int = 0
    crossed_at: int | None = None


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
        held_out: The conversations that the model was tested on, where a list said so.
        prevalence: Share of flagged units that figures are weighted to.
        at: Of how many of the best precision and recall are told.
    """

    scoring: Scoring
    parts: bytes
    point: float
    model: Trained | None = None
    held_out: frozenset[str] = frozenset()
    prevalence: float = PREVALENCE
    at: tuple[int, ...] = AT


def evaluate(corpus: Corpus, means: Means) -> Evaluation:
    """Return figures on a corpus; of the corpus of a model, on its test fold only.

    Raises:
        UsageError: code `held_out`: the model was tested on a list that was not given.
        InputError: the corpus cannot be read.
    """
    model = means.model
    heard = _Hearing(model) if model else None
    found = gather(corpus, means.scoring, means.point, listen=heard.hear if heard else None)
    flagged = np.array(found.flagged(corpus), dtype=np.bool_)
    which, notes = np.ones(len(flagged), dtype=np.bool_), [NOT_EVIDENCE]
    if model and model.origin.corpus == corpus.digest:
        which = _tested(found, flagged.tolist(), model, means.held_out)
        notes.append("this is the corpus of the model: measured on authors it has not seen")
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


def of_feedback(
    judged: Iterable[Judged], parts: bytes, point: float, at: Sequence[int] = AT
) -> Evaluation:
    """Return figures by what people said of conversations that they read.

    Nobody read the others, so there is no data for recall, nor for false alarms among all.
    """
    rows = list(judged)
    sure = [row for row in rows if row.verdict is not Verdict.UNSURE]
    truth = np.array([row.verdict is Verdict.TRUE for row in sure], dtype=np.bool_)
    score = np.array([row.points for row in sure], dtype=np.float64)
    alerts = [row for row in sure if row.alert]
    hits = sum(row.verdict is Verdict.TRUE for row in alerts)
    told = [figures.share("precision", hits, len(alerts)), Figure(name="recall", value=None)]
    told += [
        Figure(name=f"precision at {k}", value=metrics.precision_at(truth, score, k), of=len(sure))
        for k in at
    ]
    delays = [row.crossed_at for row in alerts if row.verdict is Verdict.TRUE and row.crossed_at]
    median = float(np.median(np.array(delays))) if delays else None
    told.append(Figure(name="median messages until the alert", value=median, of=len(delays)))
    return Evaluation(
        on="feedback",
        parts=parts.hex(),
        model="",
        point=point,
        prevalence=0.0,
        messages=sum(row.messages for row in rows),
        left={Verdict.UNSURE.value: len(rows) - len(sure)},
        tables=(
            Table(
                title="Conversations that people judged",
                units=len(sure),
                flagged=int(truth.sum()),
                figures=tuple(told),
            ),
        ),
        notes=(NOT_EVIDENCE, "only what was put before people was judged: nothing tells of misses"),
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


def _tested(
    found: Gathered, flagged: Sequence[bool], model: Trained, held_out: frozenset[str]
) -> NDArray[np.bool_]:
    """Return which authors a model has not seen, of its own corpus."""
    if train.listed(held_out) != model.origin.held_out:
        raise UsageError(
            "the model was trained with another list of held-out conversations",
            code="held_out",
            hint="give the list that it was trained with",
        )
    fold = train.divided(found, flagged, model.origin.seed, held_out)
    return np.asarray(np.array(fold) == train.TEST, dtype=np.bool_)


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


__all__ = [
    "Evaluation",
    "Judged",
    "Listen",
    "Means",
    "Verdict",
    "as_json",
    "evaluate",
    "lines",
    "of_feedback",
]
