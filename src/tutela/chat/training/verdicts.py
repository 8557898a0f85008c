"""Says what scores are worth by what people said of conversations that were put before them.

Nobody read the others. So this gives precision and order, never recall nor a rate of false alarms.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

import numpy as np

from tutela.chat.training import figures, metrics
from tutela.chat.training.evaluate import NOT_EVIDENCE, Evaluation
from tutela.chat.training.figures import AT, Figure, Table

TRUE: Final = "true"
FALSE: Final = "false"
READ_ONLY: Final = "only what was put before people was judged: nothing tells of misses"


class Said(Protocol):
    """What a person said, as a case keeps it (`observation.conversation_decide.Feedback`)."""

    @property
    def conversation_id(self) -> int:
        """Return of which conversation."""

    @property
    def message(self) -> int | None:
        """Return of which message, or None for the whole."""

    @property
    def sign(self) -> str:
        """Return of which sign; "" for the whole."""

    @property
    def verdict(self) -> enum.StrEnum:
        """Return `true`, `false` or `unsure`."""

    @property
    def points(self) -> float:
        """Return what the conversation had then."""

    @property
    def alert(self) -> bool:
        """Return whether it alerted then."""

    @property
    def parts_sha256(self) -> bytes:
        """Return by which lexicon and weights."""

    @property
    def given_by(self) -> int | None:
        """Return who said it."""


def of_feedback(
    said: Iterable[Said], parts: bytes, point: float, at: Sequence[int] = AT
) -> Evaluation:
    """Return figures by what people said.

    The last word of each person counts. Where people differ a conversation is left out, as is what
    they are unsure of, and what was scored by another lexicon.

    Args:
        said: What was said, in its order.
        parts: Digest of the lexicon and weights that are evaluated.
        point: The point of then.
        at: Of how many of the best precision is told.
    """
    every = list(said)
    mine = [one for one in every if one.parts_sha256 == parts]
    wholes = _last([one for one in mine if one.message is None and not one.sign])
    of_signs = _last([one for one in mine if one.sign])
    sure, unsure, differ = _agreed(wholes)
    return Evaluation(
        on="feedback",
        parts=parts.hex(),
        model="",
        point=point,
        prevalence=0.0,
        messages=0,
        left={"other_parts": len(every) - len(mine), "unsure": unsure, "people_differ": differ},
        tables=(_conversations(sure, at), _signs(of_signs)),
        notes=(NOT_EVIDENCE, READ_ONLY),
    )


def _last(said: Iterable[Said]) -> list[Said]:
    """Return the last word of each person of each thing."""
    last = {(one.conversation_id, one.message, one.sign, one.given_by): one for one in said}
    return list(last.values())


def _agreed(wholes: Iterable[Said]) -> tuple[list[Said], int, int]:
    """Return one word for each conversation, and how many are unsure and differ."""
    by_conversation: dict[int, list[Said]] = {}
    for one in wholes:
        by_conversation.setdefault(one.conversation_id, []).append(one)
    sure: list[Said] = []
    unsure = differ = 0
    for some in by_conversation.values():
        verdicts = {one.verdict.value for one in some} & {TRUE, FALSE}
        if len(verdicts) == 1:
            sure.append(next(one for one in some if one.verdict.value in verdicts))
        unsure += not verdicts
        differ += len(verdicts) == 2
    return sure, unsure, differ


def _conversations(sure: Sequence[Said], at: Sequence[int]) -> Table:
    truth = np.array([one.verdict.value == TRUE for one in sure], dtype=np.bool_)
    score = np.array([one.points for one in sure], dtype=np.float64)
    alert = np.array([one.alert for one in sure], dtype=np.bool_)
    found = metrics.counts(truth, alert)
    told = [
        figures.share("precision", found.hits, found.hits + found.false),
        Figure(name="recall", value=None),
        Figure(name="false alarms", value=None),
    ]
    told += [
        Figure(name=f"precision at {k}", value=metrics.precision_at(truth, score, k), of=len(sure))
        for k in at
    ]
    return Table(
        title="Conversations that people judged",
        units=len(sure),
        flagged=int(truth.sum()),
        figures=tuple(told),
    )


def _signs(said: Sequence[Said]) -> Table:
    """Return how often each sign is there where it is shown."""
    sure = [one for one in said if one.verdict.value in {TRUE, FALSE}]

    def of_each() -> Iterator[Figure]:
        for sign in sorted({one.sign for one in sure}):
            some = [one.verdict.value == TRUE for one in sure if one.sign == sign]
            yield figures.share(f"precision of {sign}", sum(some), len(some))

    return Table(
        title="Signs that people judged",
        units=len(sure),
        flagged=sum(one.verdict.value == TRUE for one in sure),
        figures=tuple(of_each()),
    )
