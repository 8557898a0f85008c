"""Which values of an entry go to clients that compare by value alone."""

from __future__ import annotations

from tutela.core.media import PDQ, PDQ_QUALITY_MINIMUM
from tutela.exchange.model import Listed


def pdq_of(listed: Listed) -> str | None:
    """Return the PDQ of an entry in hexadecimal, or None where it has none worth comparing.

    No protocol of the field carries the quality, and a value of low quality resembles whatever is
    nearly empty: a client could not know.
    """
    for one in listed.fingerprints:
        if one.algorithm == PDQ and one.quality >= PDQ_QUALITY_MINIMUM:
            return one.bits.hex()
    return None


def code_tags(listed: Listed) -> list[str]:
    """Return the tags of an entry, and its codes as tags `scheme:code:jurisdiction`."""
    codes = [f"{c.scheme}:{c.code}:{c.jurisdiction}" for c in listed.codes]
    return sorted({*listed.tags, *codes})
