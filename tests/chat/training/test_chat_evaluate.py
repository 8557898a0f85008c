"""Evaluation on a corpus, with and without a trained model."""

from __future__ import annotations

import json

import chat_corpus_support as made
import msgspec
import pytest

from tutela.chat.training import evaluate, train
from tutela.chat.training.evaluate import Means
from tutela.core.errors import UsageError

CONFIG = train.Config(licence="invented for tests", may_use=True)


def means(**more):
    return Means(scoring=made.PlainScorer(), parts=made.PARTS, point=made.POINT, **more)


def figures(evaluation, title):
    (table,) = [table for table in evaluation.tables if table.title == title]
    return table, {figure.name: figure for figure in table.figures}


@pytest.fixture(scope="module")
def model(corpus):
    return train.train(
        corpus, made.PlainScorer(), made.PARTS, CONFIG, point=made.POINT
    ).model  # fmt: skip


def test_a_corpus_gives_every_figure(corpus):
    found = evaluate.evaluate(corpus, means())
    table, values = figures(found, "Authors, shipped weights")
    assert table.flagged == 40
    assert values["precision"].value > 0.8
    assert values["F0.5"].value > 0.8
    assert values["precision at 10"].value == 1
    assert values["recall at 0.0001 false alarms"].value is None
    bound = values["false alarms, upper 95 % bound"]
    assert bound.value > values["false alarms"].value
    assert (
        values["precision at prevalence 0.0001, at worst"].value < 0.1
    )  # a corpus of 400 rules out little
    table, values = figures(found, "Conversations, shipped weights")
    assert (table.units, table.flagged) == (200, 40)
    assert 0 < values["latency-weighted F1"].value < 1
    assert 1 < values["median messages until the alert"].value < 30
    assert values["line F3"].value > 0.8
    assert found.notes[0] == evaluate.NOT_EVIDENCE


def test_totals_by_length_add_up(corpus):
    found = evaluate.evaluate(corpus, means())
    by_length = [t for t in found.tables if t.title.startswith("Conversations of")]
    assert sum(table.units for table in by_length) == 200
    assert sum(table.flagged for table in by_length) == 40


def test_without_lines_there_is_no_data_for_them(tmp_path):
    corpus = made.write(tmp_path, lines=False)
    _, values = figures(evaluate.evaluate(corpus, means()), "Conversations, shipped weights")
    assert values["line F3"].value is None
    text = "\n".join(evaluate.lines(evaluate.evaluate(corpus, means())))
    assert "no data" in text
    assert text.startswith("Note: not evidence of performance on real victims.")


def test_a_model_is_measured_on_whom_it_has_not_seen(corpus, model):
    found = evaluate.evaluate(corpus, means(model=model))
    table, values = figures(found, "Authors, trained model")
    assert table.flagged == 8
    assert values["PR-AUC"].value > 0.9
    assert any("has not seen" in note for note in found.notes)
    with pytest.raises(UsageError) as refused:
        evaluate.evaluate(corpus, means(model=model, held_out=frozenset({"c0001"})))
    assert refused.value.code == "held_out"


def test_a_model_is_measured_on_all_of_another_corpus(model, tmp_path):
    other = made.write(tmp_path, seed=99)
    found = evaluate.evaluate(other, means(model=model))
    table, values = figures(found, "Authors, trained model")
    assert table.flagged == 40
    assert values["recall"].value > 0.8
    assert found.model == model.digest.hex()


def test_a_corpus_without_flagged_authors_has_no_data(tmp_path):
    corpus = msgspec.structs.replace(made.write(tmp_path), flagged=frozenset({"nobody"}))
    _, values = figures(evaluate.evaluate(corpus, means()), "Authors, shipped weights")
    for name in ("recall", "F0.5", "PR-AUC", "recall at 10"):
        assert values[name].value is None, name
    assert values["false alarms"].value is not None


def test_it_is_json_for_programs(corpus):
    said = json.loads(evaluate.as_json(evaluate.evaluate(corpus, means())))
    assert said["on"] == corpus.digest.hex()
    assert said["prevalence"] == 1e-4
