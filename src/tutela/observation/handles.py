"""Handles as they are compared: their normal form, and what they look like."""

from __future__ import annotations

import unicodedata

_DROPPED = {"Cf", "Cc", "Mn", "Me"}  # directions, joiners, controls, marks laid over letters
# Letters of other scripts that cannot be told from Latin ones (Unicode TR 39, confusables; the
# common ones only).
_ALIKE = str.maketrans(
    {
        **dict(
            zip(
                "\u0430\u0435\u043a\u043c\u043e\u0440\u0441\u0442\u0443\u0445",
                "aekmopctyx",
                strict=True,
            )
        ),
        **dict(zip("\u0456\u0458\u0455\u0501\u04bb\u051b\u051d", "ijsdhqw", strict=True)),
        **dict(
            zip("\u03b1\u03b9\u03bf\u03bd\u03c1\u03c4\u03c5\u03c7\u03ba", "aiovptuxk", strict=True)
        ),
        **dict(zip("01|\u0131", "olll", strict=True)),
    }
)


def normal(handle: str) -> str:
    """Return the form by which handles of one site are told apart: NFKC, no case, nothing unseen.

    Marks over letters stay where they make another letter.
    """
    folded = unicodedata.normalize("NFKC", handle).casefold()
    seen = (one for one in folded if unicodedata.category(one) not in {"Cf", "Cc"})
    return " ".join("".join(seen).split())


def skeleton(handle: str) -> str:
    """Return what a handle looks like, so that two that look alike have the same."""
    parts = unicodedata.normalize("NFKD", normal(handle))
    seen = "".join(one for one in parts if unicodedata.category(one) not in _DROPPED)
    return seen.translate(_ALIKE)
