"""Figures of a ranking with what they were measured on; "no data" where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from tutela.chat.training import metrics
from tutela.chat.training.metrics import Scores, Truth
from tutela.core.errors import UsageError

NO_DATA: Final = "no data"
RATES: Final = (1e-3, 1e-4)
PREVALENCE: Final = 1e-4
AT: Final = (10, 50, 100)


def check_prevalence(prevalence: float) -> None:
    """Refuse what is no share.

    Raises:
        UsageError: code `prevalence`.
    """
    if not 0 < prevalence < 1:  # nor is NaN
        raise UsageError(
            f"a prevalence is between 0 and 1, and {prevalence:g} is not",
            code="prevalence",
            hint="--prevalence 0.0001 is one in ten thousand",
        )


class Figure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One figure.

    Attributes:
        name: Which.
        value: How much; None for no data.
        low: Lower end of the 95 % interval, where one is given.
        high: Upper end.
        of: How many units it was measured on.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    of: int = 0


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one kind of unit."""

    title: str
    units: int
    flagged: int
    figures: tuple[Figure, ...]


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """Units with truth, score and alert; arrays of one length."""

    truth: Truth
    score: Scores
    alert: Truth

    @classmethod
    def of(cls, truth: Iterable[bool], score: Iterable[float], alert: Iterable[bool]) -> Ranked:
        """Return units from plain values."""
        return cls(
            truth=np.fromiter(truth, dtype=np.bool_),
            score=np.fromiter(score, dtype=np.float64),
            alert=np.fromiter(alert, dtype=np.bool_),
        )


def table(
    title: str, units: Ranked, prevalence: float = PREVALENCE, at: Sequence[int] = AT
) -> Table:
    """Return every figure that alerts and order of some units allow."""
    return Table(
        title=title,
        units=len(units.truth),
        flagged=int(units.truth.sum()),
        figures=(*_of_alerts(units, prevalence), *_of_order(units, prevalence, at)),
    )


def _of_alerts(units: Ranked, prevalence: float) -> Iterator[Figure]:
    found = metrics.counts(units.truth, units.alert)
    alerts = found.hits + found.false
    recalled, upper = metrics.recall(found), metrics.upper_rate(found.false, found.others)
    yield share("precision", found.hits, alerts)
    yield share("recall", found.hits, found.flagged)
    yield Figure(name="F0.5", value=metrics.f_beta(found, 0.5), of=len(units.truth))
    yield share("false alarms", found.false, found.others)
    yield Figure(name="false alarms, upper 95 % bound", value=upper, of=found.others)
    # With no false alarm seen the corpus is too small to tell; the bound says what it rules out.
    rate = found.false / found.others if found.false else None
    name = f"precision at prevalence {prevalence:g}"
    for said, at in ((name, rate), (f"{name}, at worst", upper)):
        value = metrics.at_prevalence(recalled, at, prevalence)
        yield Figure(name=said, value=value, of=len(units.truth))


def _of_order(units: Ranked, prevalence: float, at: Sequence[int]) -> Iterator[Figure]:
    truth, score = units.truth, units.score
    size, others = len(truth), int((~truth).sum())
    yield Figure(name="PR-AUC", value=metrics.pr_auc(truth, score), of=size)
    for k in at:
        yield Figure(name=f"precision at {k}", value=metrics.precision_at(truth, score, k), of=size)
        yield Figure(name=f"recall at {k}", value=metrics.recall_at(truth, score, k), of=size)
    for rate in RATES:
        recalled = metrics.recall_at_fpr(truth, score, rate)
        yield Figure(name=f"recall at {rate:g} false alarms", value=recalled, of=others)
        yield Figure(
            name=f"alerts per 10,000 at {rate:g} false alarms",
            value=metrics.alerts_per_10k(recalled, rate, prevalence),
            of=others,
        )


def share(name: str, part: int, whole: int) -> Figure:
    """Return a share with its interval."""
    low, high = metrics.interval(part, whole) or (None, None)
    return Figure(name=name, value=part / whole if whole else None, low=low, high=high, of=whole)


def lines(tables: Iterable[Table]) -> Iterator[str]:
    """Yield tables as text for a terminal."""
    for one in tables:
        yield f"{one.title}: {one.units:,}, of which {one.flagged:,} flagged"
        for figure in one.figures:
            yield f"  {figure.name:<42}{shown(figure):>24}  of {figure.of:,}"


def shown(figure: Figure) -> str:
    """Return a figure as text."""
    if figure.value is None:
        return NO_DATA
    value = _number(figure.value)
    if figure.low is None:
        return value
    high = _number(figure.high) if figure.high is not None else value
    return f"{value} ({_number(figure.low)} to {high})"


def _number(value: float) -> str:
    return f"{value:.4g}" if value < 1_000 else f"{value:,.0f}"
