"""Translated pages: English in the code and templates, other languages as PO files beside this."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po


def N_(text: str) -> str:  # noqa: N802 gettext's name for a text that is translated later
    """Mark a text for translators, where it stands in code and is translated on the page."""
    return text


NAMES = {"en": "English", "de": "Deutsch"}


class Language:
    """One language: `gettext` and `ngettext` as Jinja's i18n extension calls them."""

    def __init__(self, code: str, catalog: Catalog | None) -> None:
        self.code = code
        self._texts: dict[str, str | tuple[str, ...]] = {}
        for message in catalog or ():
            key = message.id if isinstance(message.id, str) else message.id[0]
            if key and message.string and not message.fuzzy:
                said = message.string
                self._texts[key] = said if isinstance(said, str) else tuple(said)

    def gettext(self, text: str) -> str:
        """Return the translation of `text`, or itself."""
        found = self._texts.get(text, text)
        return found if isinstance(found, str) else found[0]

    def ngettext(self, one: str, many: str, count: int) -> str:
        """Return the form of a text that goes with `count` (two forms, as English and German)."""
        found = self._texts.get(one, (one, many))
        forms = (found, found) if isinstance(found, str) else found
        return forms[0] if count == 1 else forms[-1]


@cache
def language(code: str) -> Language:
    """Return a language by its code; English for one that we do not have."""
    if code not in NAMES or code == "en":
        return Language("en", None)
    with (files("tutela.web") / "languages" / f"{code}.po").open("rb") as stream:
        return Language(code, read_po(stream, locale=code))


def chosen(asked: Iterable[str], default: str) -> str:
    """Return the first language of an Accept-Language header that we have."""
    for part in asked:
        code = part.split(";")[0].strip().split("-")[0].lower()
        if code in NAMES:
            return code
    return default
