"""Handles as they are compared: one form, and what looks alike but is another.

The normal form makes one of what one person would type. It does not make one of what only looks the
same: `skeleton` says that two handles may be taken for each other, which hints at an impostor.
"""

from __future__ import annotations

import re
import unicodedata

MAX_CHARACTERS = 120
_UNSEEN = frozenset({"Cf", "Cc", "Cs", "Co", "Cn"})
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


def skeleton(handle: str) -> str:
    """Return what a handle looks like: equal for handles that may be taken for each other."""
    plain = unicodedata.normalize("NFD", normal(handle))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    looks = plain.translate(_ALIKE).translate(_ALIKE)
    return re.sub(r"[\s._-]+", "", looks.replace("rn", "m").replace("vv", "w"))
