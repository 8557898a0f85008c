"""What to know of a trained model before it orders work: as JSON, and as Markdown for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.chat.training import figures
from tutela.chat.training.figures import Ranked, Table
from tutela.chat.training.gathering import Gathered
from tutela.chat.training.trained import Trained

# By how much an author wrote: the fewest messages of each bucket.
BUCKETS: Final = (1, 10, 50)
LIMITS: Final = tuple(
    " ".join(limit.split())
    for limit in """
These figures are not evidence of performance on real victims. Flagged authors of PAN-2012 spoke
with adult volunteers who posed as minors; real children answer in other ways.

The corpus is old, English, and its flagged and other authors come from different places: a model
also learns the place. High figures here say little of another platform.

A probability holds at the share of flagged authors in the calibration fold. Where one in ten
thousand is flagged, most alerts are false; see the precision at the stated prevalence.

Coded, indirect and other-language talk is missed. Talk of consenting young people, and words of
sexual orientation, are no sign of risk and must not become one by training.

A score orders what people read. It is no finding about anybody, and no ground for any measure by
itself.

Weights of hashed pieces of words hold no text; who guesses a word can see how it weighs. Pieces
that fewer than three authors used weigh nothing. Digests stand for the ids of whom it was made
from; who has an id can ask whether it is among them.
""".strip().split("\n\n")
)


class Tested(NamedTuple):
    """What a model says of a corpus; `which` are the authors whom it was tested on."""

    found: Gathered
    truth: NDArray[np.bool_]
    which: NDArray[np.bool_]
    logits: NDArray[np.float64]


class Learning(NamedTuple):
    """The strength that was chosen, what each had, and how many authors are in each fold."""

    strength: float
    tried: dict[float, float]
    folds: tuple[int, ...]


class Tried(msgspec.Struct, frozen=True):
    """An inverse strength of regularisation, and its mean PR-AUC over three folds."""

    strength: float
    pr_auc: float


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A model card. Digests are SHA-256 in hexadecimal; tables are of the fold tested on."""

    model: str
    corpus: str
    features: str
    parts: str
    licence: str
    seed: int
    authors: int
    flagged: int
    messages: int
    conversations: int
    left: dict[str, int]
    folds: tuple[int, ...]
    strength: float
    tried: tuple[Tried, ...]
    calibrated_at: float
    prevalence: float
    tables: tuple[Table, ...]
    limits: tuple[str, ...] = LIMITS


def of(model: Trained, licence: str, tested: Tested, learning: Learning, prevalence: float) -> Card:
    """Return the card of a model."""
    found, origin = tested.found, model.origin
    return Card(
        model=model.digest.hex(),
        corpus=origin.corpus.hex(),
        features=origin.features.hex(),
        parts=origin.parts.hex(),
        licence=licence.strip(),
        seed=origin.seed,
        authors=len(tested.truth),
        flagged=int(tested.truth.sum()),
        messages=sum(found.messages),
        conversations=len(found.talks),
        left=dict(found.left),
        folds=learning.folds,
        strength=learning.strength,
        tried=tuple(Tried(*pair) for pair in sorted(learning.tried.items())),
        calibrated_at=origin.flagged,
        prevalence=prevalence,
        tables=tuple(_tables(model, tested, prevalence)),
    )


def _tables(model: Trained, tested: Tested, prevalence: float) -> Iterator[Table]:
    found, which = tested.found, tested.which
    alert = model.probabilities(tested.logits) >= 0.5
    wrote = np.array(found.messages)

    def ranked(mask: NDArray[np.bool_]) -> Ranked:
        return Ranked(truth=tested.truth[mask], score=tested.logits[mask], alert=alert[mask])

    yield figures.table("Authors, trained model", ranked(which), prevalence)
    shipped = Ranked(
        truth=tested.truth[which],
        score=np.array(found.points)[which],
        alert=np.isin(np.arange(len(which)), list(found.alerts))[which],
    )
    yield figures.table("The same authors, shipped weights", shipped, prevalence)
    for least, above in zip(BUCKETS, (*BUCKETS[1:], None), strict=True):
        inside = which & (wrote >= least) & (wrote < above if above else True)
        title = (
            f"Authors of {least} to {above - 1} messages"
            if above
            else (f"Authors of {least} messages and more")
        )
        yield figures.table(title, ranked(inside), prevalence)


def as_json(card: Card) -> bytes:
    """Return a card for programs."""
    return msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n"


def as_markdown(card: Card) -> str:
    """Return a card for people; what limits it comes first."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: Card) -> Iterator[str]:
    yield f"# Model card: {card.model[:16]}\n"
    yield "## What it must not be taken for\n"
    yield from (f"- {limit}" for limit in card.limits)
    yield "\n## What it was made from\n"
    yield f"- Corpus: {card.conversations:,} conversations, {card.messages:,} messages, "
    yield f"  {card.authors:,} authors, {card.flagged:,} flagged; SHA-256 `{card.corpus}`."
    left = ", ".join(f"{count:,} {reason}" for reason, count in sorted(card.left.items()))
    yield f"- Left out: {left or 'nothing'}."
    # Words of the operator: no mark-up of theirs shall count.
    yield f"- Licence, as the operator states it: {_plain(card.licence)}"
    yield f"- Features `{card.features[:16]}`, lexicon and weights `{card.parts[:16]}`."
    yield f"- Authors are divided by seed {card.seed}; nobody and no partner is in two folds. "
    yield f"  Authors by fold (test, calibration, learning): {', '.join(map(str, card.folds))}."
    yield f"- Logistic regression, C = {card.strength:g}; mean PR-AUC by C: "
    yield "  " + ", ".join(f"{one.strength:g}: {one.pr_auc:.3f}" for one in card.tried) + "."
    yield f"- Isotonic calibration at a share of {card.calibrated_at:.4g} flagged authors."
    yield f"- Prevalence assumed in the tables: {card.prevalence:g}."
    yield "\n## Figures\n"
    yield "Alerts are probabilities of at least one half; intervals are of 95 %."
    for table in card.tables:
        yield f"\n### {table.title}: {table.units:,}, {table.flagged:,} flagged\n"
        yield "| figure | value | of |\n| --- | --- | --- |"
        for figure in table.figures:
            yield f"| {figure.name} | {figures.shown(figure)} | {figure.of:,} |"


def _plain(words: str) -> str:
    kept = " ".join(words.split())
    return "".join(c if c.isalnum() or c in " .,:;-()/" else " " for c in kept)[:1_000]
