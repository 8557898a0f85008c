"""`tutela chat train` and `evaluate`: learn from a corpus, and say what scores are worth."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from tutela.casework import case as cases
from tutela.chat.scorer import Parts, Scorer
from tutela.chat.training import card, figures, saving
from tutela.chat.training import evaluate as evaluating
from tutela.chat.training import train as training
from tutela.chat.training.corpus import ids, open_corpus
from tutela.chat.training.evaluate import Evaluation, Means
from tutela.chat.training.trained import load
from tutela.chat.training.verdicts import of_feedback
from tutela.chat.weighing import DEFAULT_POINT
from tutela.cli.open import opened
from tutela.core.errors import UsageError
from tutela.observation import conversation_decide

Shown = Literal["text", "json"]


def train(
    corpus: Path,
    flagged: Path,
    *,
    out: Path,
    licence: str,
    i_may_use_it: bool = False,
    lines: Path | None = None,
    held_out: Path | None = None,
    seed: int = 1,
    prevalence: float = 1e-4,
    no_encoder: bool = False,
) -> int:
    """Train a model on a labelled corpus that you may use, and write its card.

    No text is in the model. It adds a probability to scores; points and alerts stay as they are.

    Examples:
        tutela chat train corpus.xml flagged.txt --out chat.model
            --licence "terms of its organisers, our agreement of 3 May" --i-may-use-it

    Args:
        corpus: Conversations as XML, in the form of PAN-2012.
        flagged: Ids of the flagged authors, one a line.
        out: Where the model goes; its card goes beside it as .md and .json.
        licence: What allows you to use the corpus, in words; it is put on the card.
        i_may_use_it: You say that it does.
        lines: Telling lines: a conversation's id, a tab, a line.
        held_out: Ids of conversations to test on, instead of a fold of authors.
        seed: By which authors are divided.
        prevalence: Share of flagged authors that figures are weighted to.
        no_encoder: Do not compare messages by meaning; much faster, and finds less.
    """
    where = saving.place(out)  # before hours of work
    config = training.Config(
        licence=licence,
        may_use=i_may_use_it,
        seed=seed,
        held_out=ids(held_out) if held_out else frozenset(),
        prevalence=prevalence,
    )
    training.check(config)
    parts = Parts.shipped(encoder=not no_encoder)
    digest = bytes.fromhex(parts.digest)
    found = open_corpus(corpus, flagged, lines)
    made = training.train(found, Scorer(parts), digest, config, point=DEFAULT_POINT)
    saving.save(made, where)
    print(card.as_markdown(made.card))
    return 0


def evaluate(
    corpus: Path | None = None,
    flagged: Path | None = None,
    *,
    case: str = "",
    lines: Path | None = None,
    model: Path | None = None,
    prevalence: float = 1e-4,
    no_encoder: bool = False,
    format_: Annotated[Shown, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Say what scores are worth: on a labelled corpus, or by what people said in a case.

    Where there is too little to stand on it says "no data". None of it is evidence of performance
    on real victims.

    Examples:
        tutela chat evaluate corpus.xml flagged.txt --lines lines.txt
        tutela chat evaluate --case OP-17

    Args:
        corpus: Conversations as XML, in the form of PAN-2012.
        flagged: Ids of the flagged authors, one a line.
        case: Number of a case, the feedback of which is counted instead of a corpus.
        lines: Telling lines: a conversation's id, a tab, a line.
        model: A trained model, to be measured beside the shipped weights; on authors only whom it
            was not made from.
        prevalence: Share of flagged authors and conversations that figures are weighted to.
        no_encoder: Do not compare messages by meaning.
        format_: text for a person, json for a program.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    figures.check_prevalence(prevalence)
    parts = Parts.shipped(encoder=not no_encoder)
    digest = bytes.fromhex(parts.digest)
    if case:
        if corpus or flagged:
            raise UsageError("name a corpus or a case, not both")
        made = _of_case(case, digest, break_glass, config)
    elif corpus is None or flagged is None:
        raise UsageError(
            "there is nothing to evaluate on",
            hint="name a corpus and its flagged authors, or --case with a case that people read",
        )
    else:
        means = Means(
            scoring=Scorer(parts),
            parts=digest,
            point=DEFAULT_POINT,
            model=load(model, digest) if model else None,
            prevalence=prevalence,
        )
        made = evaluating.evaluate(open_corpus(corpus, flagged, lines), means)
    if format_ == "json":
        sys.stdout.buffer.write(evaluating.as_json(made))
    else:
        print("\n".join(evaluating.lines(made)))
    return 0


def _of_case(case: str, parts: bytes, break_glass: str, config: Path | None) -> Evaluation:
    """Return figures by what people said of the conversations of a case."""
    with opened(config, break_glass=break_glass) as office, office.database.read() as tx:
        number = cases.by_number(tx, office.who, case).id
        said = conversation_decide.feedback(tx, office.who, number)
    return of_feedback(said, parts, DEFAULT_POINT)
