"""How often a thread was seen, as its page says outside the posts."""

from __future__ import annotations

import re

_VIEWS = re.compile(
    r"(?:\bviews?|\bviewed|\bread|\baufrufe|\bzugriffe|\bhits)\W{0,3}(\d[\d,. ]{0,12})(?: times)?",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"(?<![\d,.])(\d[\d,.]{0,12}) (?:views|aufrufe|zugriffe)\b", re.IGNORECASE)


def of_thread(told: str) -> int | None:
    """Return how often a thread was seen, from the text outside its posts."""
    found = _VIEWS.search(told) or _COUNTED.search(told)
    if found is None:
        return None
    digits = re.sub(r"\D", "", found[1])[:12]
    return int(digits) if digits else None
