"""A page as a PDF: all of its words, on as many sheets as it takes, with any letters."""

from __future__ import annotations

import re
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tutela.report import pdf, plots
from tutela.report.html import Fact, Page, Section, Table

MADE = datetime(2026, 5, 4, tzinfo=UTC)


def page(rows: int = 3) -> Page:
    drawing = plots.bars("Bars", [plots.Bar("first", 3), plots.Bar("second", 1, "alert")])
    return Page(
        "A page",
        "Zażółć \u202e 日",
        [Fact("files", "12", "warn", "of them all"), Fact("x", "y" * 200)] * 3,
        [
            Section(
                "Table",
                "An intro",
                Table(("Name", "Count"), [("row", f"{n}") for n in range(rows)], frozenset({1})),
            ),
            Section("Drawing", drawing=drawing, verbatim="a signed\n\nnote —\n"),
            Section("Nothing", empty="Nothing here."),
        ],
        ["The end."],
    )


def words(path: Path) -> str:
    """Return the text of a PDF that uses its own fonts."""
    streams = re.findall(rb"stream\n(.*?)\nendstream", path.read_bytes(), re.DOTALL)
    text = b"".join(zlib.decompress(s) for s in streams if s[:1] == b"x")
    return b"".join(re.findall(rb"\((.*?)(?<!\\)\) Tj", text, re.DOTALL)).decode("latin-1")


def sheets(path: Path) -> int:
    return len(re.findall(rb"/Type /Page\n", path.read_bytes()))


def test_all_words_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pdf, "FOLDERS", ())
    path = tmp_path / "page.pdf"
    pdf.write(page(), path, MADE)
    text = words(path).replace("\\\\", "\\")
    for said in (
        "A page",
        "files",
        "of them all",
        "An intro",
        "first",
        "a signed",
        "Nothing here.",
        "The end.",
    ):
        assert said in text, said
    # What these fonts have no letter for is seen as an escape.
    assert "Za\\u017c\xf3\\u0142\\u0107 \\u202e \\u65e5" in text
    assert "\\u2014" in text


def test_letters_of_an_installed_font_are_used(tmp_path: Path):
    if not any((folder / "DejaVuSans.ttf").exists() for folder in pdf.FOLDERS):
        pytest.skip("fonts-dejavu-core is not installed")
    path = tmp_path / "page.pdf"
    pdf.write(page(), path, MADE)
    content = path.read_bytes()
    assert b"DejaVuSans" in content
    assert b"http" not in content


def test_a_long_table_goes_over_many_sheets(tmp_path: Path):
    pdf.write(page(), tmp_path / "short.pdf", MADE)
    pdf.write(page(rows=200), tmp_path / "long.pdf", MADE)
    assert sheets(tmp_path / "short.pdf") < sheets(tmp_path / "long.pdf")


def test_nothing_half_written_stays(tmp_path: Path):
    def broken():
        yield ("a", "b")
        raise KeyError

    bad = Page("t", "s", [], [Section("x", table=Table(("a", "b"), broken()))])
    with pytest.raises(KeyError):
        pdf.write(bad, tmp_path / "page.pdf", MADE)
    assert list(tmp_path.iterdir()) == []
