"""Evaluation on a corpus, with and without a trained model."""

from __future__ import annotations

import json

import chat_corpus_support as made
import msgspec
import pytest

from tutela.chat.training import evaluate, train
from tutela.chat.training.corpus import open_corpus
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
    (note,) = [note for note in found.notes if "has not seen" in note]
    assert f"measured on the {table.units} it" in note
    assert "has not seen" in "\n".join(evaluate.lines(found))


def changed(corpus, folder, change):
    """Return a corpus whose XML is changed, without its telling lines."""
    xml, names = folder / "c.xml", folder / "f.txt"
    xml.write_text(change(corpus.conversations.read_text("utf-8")))
    names.write_text("\n".join(sorted(corpus.flagged)))
    return open_corpus(xml, names, reader=made.READERS[0])


CHANGES = {
    "without lines": lambda text: text,
    "a newline": lambda text: text + "\n",
    "another text": lambda text: text.replace("haha yes", "haha no"),
    "other conversations": lambda text: text.replace('id="c', 'id="d'),
    "other authors": lambda text: text.replace("<author>", "<author>x"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_corpus_that_was_changed_is_no_other(corpus, model, tmp_path, change):
    other = changed(corpus, tmp_path, change)
    assert other.digest != corpus.digest
    same = evaluate.evaluate(corpus, means(model=model))
    found = evaluate.evaluate(other, means(model=model))
    assert found.notes == same.notes
    table, _ = figures(found, "Authors, trained model")
    assert table.units == figures(same, "Authors, trained model")[0].units


def test_a_part_of_a_corpus_is_measured_on_whom_the_model_has_not_seen(corpus, model, tmp_path):
    more = made.write(tmp_path, ids_from=1_000)

    def joined(text):
        added = more.conversations.read_text("utf-8").partition("<conversations>")[2]
        return text.replace("</conversations>", "") + added

    found = evaluate.evaluate(changed(corpus, tmp_path, joined), means(model=model))
    alone = evaluate.evaluate(corpus, means(model=model))
    added = evaluate.evaluate(more, means(model=model))
    units = [figures(one, "Authors, trained model")[0].units for one in (alone, added, found)]
    assert units[0] + units[1] == units[2]


def test_who_was_held_out_is_tested_on_without_the_list(corpus, tmp_path):
    held_out = frozenset(f"c{number:04x}" for number in (*range(10), *range(60, 110)))
    config = msgspec.structs.replace(CONFIG, held_out=held_out)
    scorer = made.PlainScorer()
    made_ = train.train(corpus, scorer, made.PARTS, config, point=made.POINT)
    found = evaluate.evaluate(changed(corpus, tmp_path, str), means(model=made_.model))
    tested = made_.card.tables[0]
    table, _ = figures(found, "Authors, trained model")
    assert (table.units, table.flagged) == (tested.units, tested.flagged)
    assert table.flagged == 10


def test_where_a_model_has_seen_everybody_it_is_not_measured(corpus, tmp_path):
    config = msgspec.structs.replace(CONFIG, held_out=frozenset({"c0001", "c0099"}))
    model = train.train(
        corpus, made.PlainScorer(), made.PARTS, config, point=made.POINT
    ).model  # fmt: skip

    def without(text):
        begin, *rest = text.split("<conversation ")
        out = ('id="c0001"', 'id="c0099"', 'id="c009a"', 'id="c0098"')
        kept = [one for one in rest if not one.startswith(out)]
        return "<conversation ".join([begin, *kept])

    with pytest.raises(UsageError) as refused:
        evaluate.evaluate(changed(corpus, tmp_path, without), means(model=model))
    assert refused.value.code == "seen"


def test_a_model_is_measured_on_all_of_another_corpus(model, tmp_path):
    other = made.write(tmp_path, seed=99, ids_from=1_000)
    found = evaluate.evaluate(other, means(model=model))
    assert found.notes == (evaluate.NOT_EVIDENCE,)
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
