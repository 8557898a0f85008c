"""Handles: one form to compare them by, and what looks alike but is another.

The normal form makes one of what one person would type. It does not make one of what only looks the
same: `skeleton` says that two handles may be taken for each other, which hints at an impostor.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from tutela.crawl.entities.entity import Name
from tutela.observation.model import EntityKind

MAX_CHARACTERS = 120
_MENTION = re.compile(r"(?<![\w@./&:+-])@([\w][\w.-]{2,39})(?![\w@])")
_TELEGRAM = re.compile(
    r"(?:telegram|tg|telega)(?!\w)\W{0,6}(?:\w{2,8}\W{1,4}){0,2}$", re.IGNORECASE
)
_BEFORE = 40

# Cyrillic, Greek and others that look like Latin letters, after casefold (from Unicode's
# confusables, the common ones only), and digits that stand for letters.
_ALIKE = str.maketrans(
    {
        **dict(zip("аеорсухіјѕԁһԛԝвкмнтгьпӏ", "aeopcyxijsdhqwbkmhtrbnl", strict=True)),
        **dict(zip("αορνικτυχωγεηβ", "aopviktuxwyenb", strict=True)),
        **dict(
            zip("\u0131\u0261\u0251\u0585\u057d\u057c\u0581\u0570\u0578", "igaounghn", strict=True)
        ),
        "0": "o",
        "1": "l",
        "i": "l",
        "|": "l",
        "5": "s",
    }
)


def normal(handle: str) -> str:
    """Return a handle by which two are compared; empty where nothing of it can be seen.

    NFKC and casefold (Unicode, UAX 15 and the default caseless match), without what is not seen:
    controls of direction, zero-width and other format characters, and doubled spaces.
    """
    folded = unicodedata.normalize("NFKC", handle[:MAX_CHARACTERS])
    if not folded.isascii():
        folded = "".join(c for c in folded if unicodedata.category(c) not in _UNSEEN)
        folded = unicodedata.normalize("NFKC", folded.casefold())
    else:
        folded = "".join(c for c in folded if c.isprintable() or c.isspace()).casefold()
    return " ".join(folded.split())


_UNSEEN = frozenset({"Cf", "Cc", "Cs", "Co", "Cn"})


def names(text: str, wanted: str) -> bool:
    """Whether a text names a handle, given in normal form, as a word of its own."""
    told = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", told) is not None


def skeleton(handle: str) -> str:
    """Return what a handle looks like: equal for handles that may be taken for each other."""
    plain = unicodedata.normalize("NFD", normal(handle))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    looks = plain.translate(_ALIKE).translate(_ALIKE)
    return re.sub(r"[\s._-]+", "", looks.replace("rn", "m").replace("vv", "w"))


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
                yield Name(normal(found[1].rstrip(".-")), checked=False)


FINDER = Handle()
