"""Translated pages: English in the code and templates, other languages as PO files beside this."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po


def N_(text: str) -> str:  # noqa: N802 gettext's name for a text that is translated later
    """Mark a text for translators, where it stands in code and is translated on the page."""
    return text


# What a sentence of an error fills in, as the catalogs name it (tools/translations.py).
GIVEN = re.compile(r"%\((given_\w+)\)s")
NAMES = {"en": "English", "de": "Deutsch"}


class Language:
    """One language: `gettext` and `ngettext` as Jinja's i18n extension calls them."""

    def __init__(self, code: str, catalog: Catalog | None) -> None:
        self.code = code
        self._texts: dict[str, str | tuple[str, ...]] = {}
        self._made: list[tuple[re.Pattern[str], str]] = []
        for message in catalog or ():
            key = message.id if isinstance(message.id, str) else message.id[0]
            if key and message.string and not message.fuzzy:
                said = message.string
                self._texts[key] = said if isinstance(said, str) else tuple(said)
                if GIVEN.search(key) and isinstance(said, str):
                    self._made.append((_pattern(key), said))
        # Where two fit, the one that says more of it in its own words.
        self._made.sort(key=lambda made: -len(GIVEN.sub("", made[0].pattern)))

    def gettext(self, text: str) -> str:
        """Return the translation of `text`, or itself."""
        found = self._texts.get(text, text)
        return found if isinstance(found, str) else found[0]

    def told(self, text: str) -> str:
        """Return the translation of a sentence of an error, also where values are in it.

        Errors are raised below, in English. What they fill in is found again by the words around
        it; it is translated itself where we have a text for it.
        """
        if text in self._texts:
            return self.gettext(text)
        for pattern, said in self._made:
            if found := pattern.fullmatch(text):
                return self._filled(said, found)
        return text

    def _filled(self, said: str, found: re.Match[str]) -> str:
        parts = GIVEN.split(said)
        parts[1::2] = [self.gettext(found[name]) for name in parts[1::2]]
        parts[::2] = [part.replace("%%", "%") for part in parts[::2]]
        return "".join(parts)

    def ngettext(self, one: str, many: str, count: int) -> str:
        """Return the form of a text that goes with `count` (two forms, as English and German)."""
        found = self._texts.get(one, (one, many))
        forms = (found, found) if isinstance(found, str) else found
        return forms[0] if count == 1 else forms[-1]


def _pattern(text: str) -> re.Pattern[str]:
    """Return what finds the values of a sentence."""
    parts = GIVEN.split(text)
    constant = [re.escape(part.replace("%%", "%")) for part in parts[::2]]
    filled = [f"(?P<{name}>.+?)" for name in parts[1::2]]
    return re.compile("".join(map("".join, zip(constant, [*filled, ""], strict=True))), re.DOTALL)


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
