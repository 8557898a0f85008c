"""The check that keeps onion addresses out of this repository finds one that was computed."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest
from crawl_support import onion_host

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("check_onions", ROOT / "tools/check_onions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LABEL = onion_host("a key of this test").removesuffix(".onion")
SPLIT = [
    f"{LABEL}.onion",
    f"http://www.{LABEL.upper()}.ONION/x",
    LABEL,
    f"x = '{LABEL[:20]}' \\\n    '{LABEL[20:]}'",
    f'"{LABEL[:30]}" + "{LABEL[30:]}.onion"',
    f"{LABEL[:8]}-{LABEL[8:40]}.{LABEL[40:]}",
    f"data{LABEL}",
    "\n".join(LABEL[at : at + 8] for at in range(0, 56, 8)),
]


@pytest.mark.parametrize("number", range(len(SPLIT)))
def test_a_computed_address_is_found_however_it_is_written(check, number):
    text = f"one\ntwo\n{SPLIT[number]}\n".encode()
    assert check.places(text)
    assert min(check.places(text)) == 3


def test_forms_that_hold_no_checksum_are_found_by_their_ending(check):
    assert check.places(b"a" * 56 + b".onion") == [1]
    assert check.places(b"a" * 16 + b".onion") == [1]


def test_other_words_are_not(check):
    other = LABEL[:10] + ("a" if LABEL[10] != "a" else "b") + LABEL[11:]
    for text in (other, "x.onion", "a" * 64, "the words of a sentence " * 50, LABEL[:-1]):
        assert check.places(text.encode()) == []


def test_a_repository_with_one_fails_and_it_is_not_printed(check, tmp_path, capsys):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "fine.txt").write_text("nothing")
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    assert check.main(tmp_path) == 0
    (tmp_path / "notes.txt").write_text(f"\n{LABEL}\n")
    assert check.main(tmp_path) == 0, "only what is tracked"
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    assert check.main(tmp_path) == 1
    told = capsys.readouterr().err
    assert "notes.txt:2" in told
    assert LABEL not in told


def test_this_repository_holds_none(check):
    assert check.main(ROOT) == 0
