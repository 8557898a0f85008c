"""Catalogs of languages: complete, in step with the code, and nothing said outside of them."""

from __future__ import annotations

import importlib.util
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import jinja2
import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from tutela.casework.model import CaseState, ExhibitState
from tutela.core.entry import Role as ListRole
from tutela.core.hit import Strength
from tutela.core.principal import Role
from tutela.exchange.model import MemberPermission, Verdict
from tutela.web.language import NAMES, chosen, language

ROOT = Path(__file__).resolve().parents[2]
SPOKEN = ("aria-label", "title", "placeholder", "alt", "data-failed", "data-offline")
# What a template may say in every language: our name, commands, examples of keys of the log.
SAME = re.compile(
    r"Tutela|tutela (case add|list import FILE|list create NAME|list members)|--set ORGANISATION"
    r"|SHA-256|SHA-1|MD5|PATH|case:1|grade\."
)


@pytest.fixture(scope="module")
def translations():
    """The tool that keeps catalogs."""
    spec = importlib.util.spec_from_file_location("translations", ROOT / "tools/translations.py")
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def test_every_catalog_is_complete_and_in_step(translations):
    catalogs = list(translations.files())
    assert {path.stem for path in catalogs} == set(NAMES) - {"en"}
    for path in catalogs:
        assert path.read_bytes() == translations.merged(path), "run tools/translations.py"
        assert translations.missing(path) == []


def test_texts_are_gathered_from_errors_and_schemes_too(translations):
    said = translations.said()
    for text in (
        "there is no such case",  # casework
        "this account is not active",  # access
        "a supervisor or examiner of the team can add you",  # a hint
        "United Kingdom, categories A, B, C",
        "Category A",
        "How it was made",  # a facet
        "AI-generated or photorealistic pseudo-image",  # its choice
    ):
        assert text in said, text
    assert "A1" not in said
    assert "GB" not in said


def test_what_is_missing_or_fills_in_something_else_is_named(translations, tmp_path):
    catalog = Catalog(locale="de")
    catalog.add("empty", "")
    catalog.add("good %(n)s", "gut %(n)s")
    catalog.add("lost %(n)s", "verloren")
    catalog.add("other %(n)s", "anders %(m)s")
    catalog.add("per cent %(n)s %%", "Prozent %(n)s %")
    catalog.add(("one %(num)s", "many %(num)s"), ("ein %(num)s", ""))
    catalog.add("plain 5 %", "einfach 5 %")
    path = tmp_path / "de.po"
    with path.open("wb") as stream:
        write_po(stream, catalog)
    found = translations.missing(path)
    assert sorted(found) == [
        "empty",
        "lost %(n)s",
        "one %(num)s",
        "other %(n)s",
        "per cent %(n)s %%",
    ]


def test_values_that_pages_show_are_in_the_catalogs():
    kinds = (CaseState, ExhibitState, ListRole, Strength, Role, MemberPermission, Verdict)
    values = {one.value.replace("_", " ") for kind in kinds for one in kind}
    for path in (files("tutela.web") / "languages").iterdir():
        with path.open("rb") as stream:
            assert values <= {message.id for message in read_po(stream)}


class _Spoken(HTMLParser):
    """Gathers what a reader or a screen reader says of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def handle_starttag(self, _tag, attrs):
        self.said += [value for name, value in attrs if name in SPOKEN and value]

    def handle_data(self, data):
        self.said.append(data)


def test_no_template_says_something_that_cannot_be_translated():
    folder = Path(str(files("tutela.web") / "templates"))
    environment = jinja2.Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    checked = 0
    for path in folder.rglob("*.html"):
        parser = _Spoken()
        # What stands between the parts that Jinja fills in.
        tokens = environment.lex(path.read_text("utf-8"))
        parser.feed("".join(text for _, kind, text in tokens if kind == "data"))
        parser.close()
        for text in parser.said:
            assert not re.search(r"[^\W\d_]", SAME.sub("", text)), (path.name, text)
            checked += 1
    assert checked > 100


def test_plurals_and_unknown_texts():
    german, english = language("de"), language("xx")
    assert (english.code, english.gettext("Cases")) == ("en", "Cases")
    assert german.gettext("Cases") == "Fälle"
    assert german.gettext("no text of ours") == "no text of ours"
    for speaks, one, many in (
        (german, "%(num)s Objekt", "%(num)s Objekte"),
        (english, "%(num)s item", "%(num)s items"),
    ):
        assert speaks.ngettext("%(num)s item", "%(num)s items", 1) == one
        assert speaks.ngettext("%(num)s item", "%(num)s items", 2) == many


def test_the_browsers_first_language_that_we_have_is_chosen():
    assert chosen(["fr-FR", " de-AT;q=0.8", "en;q=0.5"], "en") == "de"
    assert chosen(["fr"], "en") == "en"
    assert chosen([""], "de") == "de"
