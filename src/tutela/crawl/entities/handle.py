"""Handles that texts name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from tutela.crawl.entities.entity import Name
from tutela.observation import handles
from tutela.observation.model import EntityKind

_MENTION = re.compile(r"(?<![\w@./&:+-])@([\w][\w.-]{2,39})(?![\w@])")
_TELEGRAM = re.compile(
    r"(?:telegram|tg|telega)(?!\w)\W{0,6}(?:\w{2,8}\W{1,4}){0,2}$", re.IGNORECASE
)
_BEFORE = 40


def names(text: str, wanted: str) -> bool:
    """Whether a text names a handle, given in normal form, as a word of its own."""
    told = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", told) is not None


class Handle:
    """Finds `@name` where it is not one of Telegram; whether it names an account is not known."""

    kind = EntityKind.HANDLE

    def hint(self, text: str) -> bool:
        """Whether there is anything of the form."""
        return "@" in text

    def find(self, text: str) -> Iterator[Name]:
        """Yield handles in normal form."""
        for found in _MENTION.finditer(text):
            if _TELEGRAM.search(text[max(0, found.start() - _BEFORE) : found.start()]) is None:
                yield Name(handles.normal(found[1].rstrip(".-")), checked=False)


FINDER = Handle()
