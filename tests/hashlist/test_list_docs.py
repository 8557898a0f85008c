"""The reference page names every format, code and column that the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tutela.hashlist.format import formats
from tutela.hashlist.formats.csv import COLUMNS
from tutela.hashlist.formats.jsonl import EntryRow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "docs" / "reference" / "list-formats.md").read_text("utf-8")


def test_every_format_is_described(page):
    for form in formats():
        assert f"| `{form.name}` |" in page
        assert re.search(rf"^## .*\b{form.name}\b", page, re.MULTILINE)


def test_every_quarantine_code_is_described(page):
    sources = (ROOT / "src" / "tutela" / "hashlist").rglob("*.py")
    codes = {
        code
        for source in sources
        for code in re.findall(r'RowError\(\s*"(\w+)"', source.read_text("utf-8"))
    }
    assert len(codes) > 15
    assert not [code for code in codes if f"`{code}`" not in page]


def test_every_column_and_key_is_described(page):
    for name in (*COLUMNS, *EntryRow.__struct_fields__):
        assert f"`{name}`" in page


def test_the_python_of_the_guide_runs(tmp_path, monkeypatch):
    guide = (ROOT / "docs" / "how-to" / "import-a-hash-list.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hashes.txt").write_text("0cc175b9c0f1b6a831c399e269772661\n")
    exec(compile(code, "guide", "exec"), {})
    assert (tmp_path / "library" / "library.json").exists()
