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


def test_a_model_is_never_overwritten(corpus, tmp_path, capsys):
    out = tmp_path / "chat.model"
    out.write_text("mine")
    words = ["chat", "train", *files(corpus), "--out", str(out), "--i-may-use-it", *TRAIN]
    assert run(words) == 2
    assert "exists" in capsys.readouterr().err
    assert out.read_text() == "mine"


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
