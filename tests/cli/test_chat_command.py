"""`tutela chat train` and `evaluate` on a corpus made by code, and what the commands refuse."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from tutela.chat.reader import Reader
from tutela.cli.main import run

MADE = Path(__file__).parents[1] / "chat" / "training" / "chat_corpus_support.py"
TRAIN = ("--licence", "invented for tests", "--no-encoder")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus in the form of PAN-2012."""
    spec = importlib.util.spec_from_file_location("chat_corpus_of_commands", MADE)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    folder = tmp_path_factory.mktemp("corpus")
    with Reader() as reader:
        made.READERS.append(reader)
        made.write(folder)
    return folder


def files(corpus: Path) -> list[str]:
    return [str(corpus / "corpus.xml"), str(corpus / "flagged.txt")]


def test_a_model_is_trained_and_measured_beside_the_shipped_weights(corpus, tmp_path, capsys):
    out = tmp_path / "chat.model"
    words = ["chat", "train", *files(corpus), "--out", str(out), "--i-may-use-it", *TRAIN]
    assert run(words) == 0
    card = capsys.readouterr().out
    assert "not evidence of performance on real victims" in card
    assert "invented for tests" in card
    assert out.with_name("chat.model.md").read_text() == card.rstrip("\n") + "\n"
    assert json.loads(out.with_name("chat.model.json").read_text())
    found = ["chat", "evaluate", *files(corpus), "--lines", str(corpus / "lines.txt")]
    assert run([*found, "--model", str(out), "--no-encoder"]) == 0
    told = capsys.readouterr().out
    for figure in ("F0.5", "line F3", "latency-weighted F1", "precision at", "PR-AUC"):
        assert figure in told, figure
    assert "Authors, trained model" in told
    assert "has not seen" in told
    # The same corpus by fewer files is no other one.
    assert run(["chat", "evaluate", *files(corpus), "--model", str(out), "--no-encoder"]) == 0
    assert "has not seen" in capsys.readouterr().out
    assert run([*found, "--no-encoder", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == ""


def test_without_telling_lines_there_is_no_data(corpus, capsys):
    assert run(["chat", "evaluate", *files(corpus), "--no-encoder"]) == 0
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "line F3" in one]
    assert "no data" in line


def test_a_corpus_that_nobody_may_use_is_refused(corpus, tmp_path, capsys):
    words = ["chat", "train", *files(corpus), "--out", str(tmp_path / "m"), *TRAIN]
    assert run(words) == 2
    assert "--i-may-use-it" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def nothing_is_read(monkeypatch):
    def read(*_, **__):
        pytest.fail("the corpus was opened")

    monkeypatch.setattr("tutela.cli.chat_train.open_corpus", read)


@pytest.mark.parametrize("there", ["chat.model", "chat.model.md", "chat.model.json"])
def test_neither_a_model_nor_a_card_is_overwritten(corpus, tmp_path, capsys, there, monkeypatch):
    nothing_is_read(monkeypatch)
    out = tmp_path / "chat.model"
    (tmp_path / there).write_text("mine")
    words = ["chat", "train", *files(corpus), "--out", str(out), "--i-may-use-it", *TRAIN]
    assert run(words) == 2
    assert f"{tmp_path / there} exists" in capsys.readouterr().err
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [(there, "mine")]


@pytest.mark.parametrize("place", ["nodir/x", "file/x", "x" * 300])
def test_a_place_that_cannot_be_written_is_refused_first(
    corpus, tmp_path, capsys, place, monkeypatch
):
    nothing_is_read(monkeypatch)
    (tmp_path / "file").write_text("")
    out = str(tmp_path / place)
    words = ["chat", "train", *files(corpus), "--out", out, "--i-may-use-it", *TRAIN]
    assert run(words) == 2
    assert f"cannot write {out}" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("share", ["0", "1", "-0.1", "2", "nan", "inf"])
def test_a_prevalence_is_a_share(corpus, tmp_path, capsys, share, monkeypatch):
    nothing_is_read(monkeypatch)
    out = ["--out", str(tmp_path / "m"), "--i-may-use-it", *TRAIN]
    for words in (["train", *files(corpus), *out], ["evaluate", *files(corpus)]):
        assert run(["chat", *words, f"--prevalence={share}"]) == 2
        assert "a prevalence is between 0 and 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate"], "nothing to evaluate on"),
        (["evaluate", "a.xml", "b.txt", "--case", "OP-1"], "not both"),
        (["score", ".", "--budget", "-1", "--legal-basis", "x"], "a budget is"),
        (["score", "."], "legal basis"),
        (["score", ".", "--point", "0", "--legal-basis", "x"], "above 0"),
        (["score", ".", "--point", "nan", "--legal-basis", "x"], "above 0"),
        (["score", ".", "--zone", "Mars/North", "--legal-basis", "x"], "Mars/North"),
        (["score", "--legal-basis", "x"], "nothing to read"),
        (["score", ".", "--legal-basis", "x", "--observed"], "belongs to a case"),
        (["score", "nowhere/here", "--legal-basis", "x"], "nowhere/here"),
    ],
)
def test_what_cannot_be_done_is_said(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["chat", *words]) in {1, 2}
    told = capsys.readouterr().err
    assert said in told
    assert "error:" in told
