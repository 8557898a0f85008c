"""A model comes with its card, whole or not at all, and takes nobody's place."""

from __future__ import annotations

import chat_corpus_support as made
import pytest

from tutela.chat.training import card, saving, train
from tutela.core.errors import UsageError


@pytest.fixture(scope="module")
def outcome(corpus):
    config = train.Config(licence="invented for tests", may_use=True)
    return train.train(corpus, made.PlainScorer(), made.PARTS, config, point=made.POINT)


def test_a_model_is_written_with_its_card(outcome, tmp_path):
    where = saving.place(tmp_path / "chat.model")
    assert list(tmp_path.iterdir()) == []
    saving.save(outcome, where)
    assert where.model.read_bytes() == outcome.model.saved()
    assert where.markdown.read_text("utf-8") == card.as_markdown(outcome.card)
    assert where.json.read_bytes() == card.as_json(outcome.card)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("which", range(3))
def test_what_came_meanwhile_stays_and_nothing_else_does(outcome, tmp_path, which):
    where = saving.place(tmp_path / "chat.model")
    where[which].write_text("mine")
    with pytest.raises(UsageError) as refused:
        saving.save(outcome, where)
    assert refused.value.code == "out"
    assert str(where[which]) in refused.value.message
    assert [one.read_text() for one in tmp_path.iterdir()] == ["mine"]


def test_a_disk_that_fills_up_leaves_nothing(outcome, tmp_path, monkeypatch):
    where = saving.place(tmp_path / "chat.model")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving.os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        saving.save(outcome, where)
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_nowhere_is_there_too(tmp_path):
    (tmp_path / "chat.model.md").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError):
        saving.place(tmp_path / "chat.model")
