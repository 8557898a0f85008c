"""Sites that never end, by accident or on purpose: what shows one, and when it is enough.

Everything here is about the form of URLs and the likeness of texts; how many there were is kept by
`crawl.found`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

import msgspec
import numpy as np

from tutela.crawl.urls import Address

_DIGITS = re.compile(r"[0-9]+")
_RANDOM = re.compile(r"(?=[^/]*[0-9])[0-9a-fA-F]{8,}|[0-9a-fA-F-]{36}|[A-Za-z0-9_~-]{32,}")
_SLUG = re.compile(r"(?:[^-_+.]+[-_+]){3,}[^-_+.]+")
_DATE = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}[-/.](?:0?[1-9]|1[0-2])(?![0-9])")
_DATE_NAMES = frozenset({"year", "month", "week", "day", "date", "cal", "calendar", "yr", "mon"})
_WORDS = re.compile(r"\w+")
_FEWEST_FEATURES: Final = 20
_MOST_CHARACTERS: Final = 200_000
_SIGN: Final = 1 << 63


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one form is taken.

    Attributes:
        segments: Of a path.
        repeats: How often one segment may stand in a path.
        parameters: Of a query.
        shape_urls: URLs that differ in numbers only.
        calendar_urls: Likewise, where the numbers look like dates.
        queries: Sets of parameter names under one path: sort orders, filters and the like.
        near_pages: Pages of one shape in a row whose text is nearly the same.
        near_bits: Simhash distance up to which it is.
    """

    segments: int = 24
    repeats: int = 3
    parameters: int = 12
    shape_urls: int = 50_000
    calendar_urls: int = 400
    queries: int = 40
    near_pages: int = 10
    near_bits: int = 3


class Shape(msgspec.Struct, frozen=True):
    """What is left of a URL without its numbers; both values are signed 64-bit integers."""

    shape: int
    stem: int  # the same without its query
    calendar: bool


def look(address: Address, limits: Limits) -> str:
    """Return the code of a trap that shows in a URL alone, or an empty string."""
    segments = [segment for segment in address.path.split("/") if segment]
    if len(segments) > limits.segments:
        return "trap_path_length"
    if segments and max(Counter(segments).values()) > limits.repeats:
        return "trap_path_repeats"
    if address.query.count("&") >= limits.parameters:
        return "trap_parameters"
    return ""


def shape_of(address: Address) -> Shape:
    """Return the shape of a URL: numbers, tokens and slugs in it are all the same."""
    stem = "/".join(map(_plain, address.path.split("/")))
    names = sorted({part.partition("=")[0] for part in address.query.split("&") if part})
    calendar = (
        _DATE.search(address.path) is not None
        or _DATE.search(address.query) is not None
        or bool(_DATE_NAMES.intersection(name.lower() for name in names))
    )
    origin = address.origin
    return Shape(
        _number(f"{origin}{stem}?{'&'.join(map(_plain, names))}"),
        _number(f"{origin}{stem}"),
        calendar,
    )


def simhash(text: str) -> int | None:
    """Return 64 bits, as a signed integer, that are near for texts that are nearly the same.

    Numbers count as one: a clock or a page number makes no other text. None where there is too
    little text to say so. Source: Charikar, "Similarity estimation techniques from rounding
    algorithms" (2002), over runs of three words.
    """
    counted = Counter(_features(_DIGITS.sub("0", text[:_MOST_CHARACTERS].lower())))
    if len(counted) < _FEWEST_FEATURES:
        return None
    hashes = b"".join(blake2b(one.encode(), digest_size=8).digest() for one in counted)
    bits = np.unpackbits(np.frombuffer(hashes, dtype=np.uint8)).reshape(-1, 64)
    weights = np.fromiter(counted.values(), dtype=np.int64, count=len(counted))
    votes = (bits.astype(np.int64) * 2 - 1).T @ weights
    return _signed(int.from_bytes(np.packbits(votes > 0).tobytes(), "big"))


def distance_bits(one: int, other: int) -> int:
    """Return in how many of their 64 bits two simhashes differ."""
    return ((one ^ other) & (2 * _SIGN - 1)).bit_count()


def _features(text: str) -> Iterator[str]:
    words = _WORDS.findall(text)
    if len(words) * 12 >= len(text) // 4:
        return (" ".join(words[at : at + 3]) for at in range(len(words) - 2))
    # Languages without spaces have few, long words.
    return (text[at : at + 5] for at in range(len(text) - 4))


def _plain(segment: str) -> str:
    if _RANDOM.fullmatch(segment):
        return "*"
    if _SLUG.fullmatch(segment):
        return "-"
    return _DIGITS.sub("0", segment)


def _number(text: str) -> int:
    return _signed(int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big"))


def _signed(value: int) -> int:
    return value - 2 * _SIGN if value >= _SIGN else value
