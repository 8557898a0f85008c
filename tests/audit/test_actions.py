"""Every action that the code writes is named, and every one that is named is written."""

from __future__ import annotations

import fnmatch
import re
import sys
from pathlib import Path

import pytest

import tutela
from tutela.audit.actions import ACTIONS, GROUPS, page

# The test tree is no package: what tests of this room share is found here.
sys.path.insert(0, str(Path(__file__).parent))

import action_calls

SOURCE = Path(tutela.__file__).parent
PAGE = SOURCE.parents[1] / "docs" / "reference" / "audit-events.md"
CODE = """
from tutela.audit import log
from tutela.audit.log import Event as Leaf, record
from tutela.other import record as other

NAMES = {"a": "table.one", "b": "table.two"}

def plain(tx, who, held, state):
    log.record(tx, who, "plain.attribute", "case:1")
    record(tx, who, action="plain.keyword", subject="case:1")
    log.record(tx, who, "choice.yes" if held else "choice.no", "case:1")
    log.record(tx, who, NAMES[state], "case:1")
    log.record(tx, who, f"joined.{state.value}", "case:1")
    other(tx, who, "not.ours", "case:1")
    action, word = ("tuple.yes", 1) if held else ("tuple.no", 2)
    return Leaf(action, "case:1")

def given(tx, action="default.value"):
    return log.Event(action, "case:1")

def calling(tx, one):
    given(tx, "positional.argument")
    given(tx, action="keyword.argument")
    log.record(tx, who, one(), "case:1")
"""
OTHER = """
from tutela import first
first.given(1, "other.module")
"""


def test_the_reader_follows_every_way_of_saying_an_action(tmp_path):
    folder = tmp_path / "tutela"
    folder.mkdir()
    (folder / "first.py").write_text(CODE)
    (folder / "second.py").write_text(OTHER)
    found = action_calls.of(folder)
    line = CODE[: CODE.index("one()")].count("\n") + 1
    assert found.pop("") == [f"first.py:{line}"]
    assert set(found) == {
        *("plain.attribute", "plain.keyword", "choice.yes", "choice.no", "table.one", "table.two"),
        *("joined.*", "tuple.yes", "tuple.no", "default.value", "positional.argument"),
        *("keyword.argument", "other.module"),
    }


@pytest.fixture(scope="module")
def written() -> dict[str, list[str]]:
    return action_calls.of(SOURCE)


def test_every_action_that_is_written_is_named(written):
    assert len(written) > 40
    assert written.get("", []) == [], "write the action so that it can be read from the code"
    unnamed = {
        action: places
        for action, places in written.items()
        if not any(fnmatch.fnmatchcase(known, action) for known in ACTIONS)
    }
    assert unnamed == {}, "name them in tutela.audit.actions"


def test_every_action_that_is_named_is_written(written):
    unwritten = [
        known
        for known in ACTIONS
        if not any(fnmatch.fnmatchcase(known, action) for action in written)
    ]
    assert unwritten == []


def test_actions_are_a_noun_and_a_past_verb_with_a_sentence():
    assert len(ACTIONS) == sum(map(len, GROUPS.values()))
    for action, sentence in ACTIONS.items():
        assert re.fullmatch(r"[a-z]+\.[a-z]+([_-][a-z]+)*", action)
        assert sentence.endswith(".")
        assert len(sentence) < 90


def test_the_page_is_made_from_the_table():
    assert PAGE.read_text(encoding="utf-8") == page()
