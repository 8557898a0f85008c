"""What a text says under its disguises: folded letters, with the way back to the original.

Folded are width, style, case and accents (NFKC), look-alikes, marks stacked on letters, characters
that are not seen, digits and symbols inside words, spaced letters and stretched ones. Ordinary text
passes at the speed of `str.translate`; everything is linear in the length.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from tutela.chat.limits import TEXT_CHARS

_LATIN: Final = re.compile("[\x00-\x7f\xa0-\u012f\u0132-\u0148\u014a-\u017e‘’“”…–—€]*")  # noqa: RUF001 - these quotes are what people type
_BASES: Final = {"ß": "s", "æ": "e", "œ": "e", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "p"}
_QUOTES: Final = dict.fromkeys("’‘`´ʼ′", "'")  # noqa: RUF001 - likewise
# Looked for by itself first: a pattern of "letters, one of these, letters" would try each letter of
# a text without spaces as a beginning, and read on to its end each time.
_GREEK_CYRILLIC: Final = re.compile("[\u0370-\u03ff\u0400-\u052f]")
_LETTERS: Final = re.compile(r"[^\W_]++")
_EXPANDED: Final = 18  # characters that one may stand for: the longest of Unicode
_CACHED: Final = 50_000

_LEET: Final = frozenset("01345789@$!|")
_LEET_LETTERS: Final = str.maketrans("01345789@$!|", "oieastbgasil")
_LEET_WORD: Final = re.compile(r"[a-z0-9@$!|]+")
_COUNTED: Final = re.compile(r"(\d+)([a-z]*)")
_NUMBERED: Final = re.compile(r"([a-z]+)(\d+)")
_UNITS: Final = frozenset(
    [
        "st",
        "nd",
        "rd",
        "th",
        "pm",
        "am",
        "yo",
        "yr",
        "yrs",
        "km",
        "kg",
        "cm",
        "mm",
        "min",
        "mins",
        "hr",
        "hrs",
        "std",
        "er",
        "eme",
        "ere",
        "ans",
        "jahre",
        "jahr",
        "anos",
        "years",
        "gb",
        "mb",
        "tb",
        "px",
        "de",
        "ds",
        "go",
        "mo",
        "ii",
        "iii",
        "eur",
        "usd",
        "gbp",
        "pts",
        "ft",
        "lbs",
        "oz",
        "ml",
        "cl",
        "kw",
        "mph",
        "kmh",
        "fps",
        "ghz",
        "mal",
        "fach",
        "tel",
        "klasse",
        "grade",
        "way",
        "ways",
        "star",
        "stars",
        "days",
        "day",
        "weeks",
        "week",
        "months",
    ]
)
_BEFORE_NUMBER: Final = frozenset(
    ["year", "klasse", "grade", "class", "level", "team", "part", "teil", "room", "agent"]
)
_AT_WORDS: Final = frozenset(
    ["add", "age", "all", "alone", "alter", "and", "any", "app", "are", "ask", "at"]
)
_SPACED: Final = re.compile(
    r"(?<![^\W_])[a-z0-9@$!]([ .\-_*~])(?:[a-z0-9@$!]\1)+[a-z0-9@$!](?![^\W_])"
)
_ALONE: Final = frozenset("aiurymfnkobgwxoe ")  # letters that are words by themselves in chat
_STRETCHED: Final = re.compile(r"([^\W\d_])\1\1+")


class Normalised(msgspec.Struct, frozen=True, gc=False):
    """A folded text.

    Attributes:
        text: Lower case, without accents.
        offsets: For each character of `text`, and for its end, the original one it comes from.
        altered: Whether more than case, accents and quotes were folded.
    """

    text: str
    offsets: Sequence[int]
    altered: bool = False

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the original text from which a span of the folded one comes."""
        if end <= start:
            return self.offsets[start], self.offsets[start]
        return self.offsets[start], max(self.offsets[end], self.offsets[end - 1] + 1)


def normalise(text: str) -> Normalised:
    """Fold a text, of which at most `limits.TEXT_CHARS` characters are taken."""
    if len(text) > TEXT_CHARS:
        text = text[:TEXT_CHARS]
    offsets: Sequence[int] = range(len(text) + 1)
    altered = False
    if text.isascii():
        folded = text.lower()
    elif _LATIN.fullmatch(text):
        folded = text.translate(_latin())
    else:
        folded, offsets = _folded(text)
        altered = True
    if _SPACED.search(folded):
        folded, offsets, changed = _edited(folded, offsets, _SPACED, _joined)
        altered = altered or changed
    if not _LEET.isdisjoint(folded):
        read = _LEET_WORD.sub(_unleeted, folded)
        altered = altered or read != folded
        folded = read
    if _STRETCHED.search(folded):
        folded, offsets, _ = _edited(folded, offsets, _STRETCHED, _squeezed)
        altered = True
    return Normalised(folded, offsets, altered)


def fold_word(word: str) -> str:
    """Return a word of a data file as `normalise` would leave it, without its apostrophes."""
    return "".join(_folded(word)[0].split("'"))


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    lookalikes: dict[str, str]
    imitations: dict[str, str]
    emoji: dict[str, str]


@cache
def _tables() -> _Tables:
    data = (resources.files(__package__) / "characters.toml").read_bytes()
    return msgspec.toml.decode(data, type=_Tables)


@cache
def _latin() -> dict[int, str]:
    """Return what one character of the Latin scripts becomes: exactly one, so that places stay."""
    table: dict[int, str] = {}
    for number in (*range(0x180), *map(ord, "‘’“”…–—€`´")):  # noqa: RUF001 - what people type
        char = chr(number)
        low = char.lower()
        bare = "".join(
            c for c in unicodedata.normalize("NFKD", low) if not unicodedata.combining(c)
        )
        folded = _QUOTES.get(char) or _BASES.get(low) or (bare if len(bare) == 1 else "")
        table[number] = low if number < 0x80 and char != "`" else folded or " "
    return table


class _Characters(dict[str, str]):
    """What any character becomes: some, one or none; filled as they are met."""

    def __missing__(self, char: str) -> str:
        if len(self) > _CACHED:  # hostile text may show every character there is
            self.clear()
        folded = self[char] = self._fold(char)
        return folded

    @staticmethod
    def _fold(char: str) -> str:
        if char.isascii():
            return char.lower()
        if _LATIN.fullmatch(char):
            return _latin()[ord(char)]
        if letter := _QUOTES.get(char) or _boxed(ord(char)):
            return letter
        if word := _tables().emoji.get(char):
            return f" {word} "
        folded = unicodedata.normalize("NFKC", char).casefold()
        return "".join(map(_Characters._simple, unicodedata.normalize("NFKD", folded)))[:_EXPANDED]

    @staticmethod
    def _simple(char: str) -> str:
        if char.isascii():
            return char
        if unicodedata.category(char) in {"Mn", "Me", "Mc", "Cf"}:
            return ""
        if _LATIN.fullmatch(char):
            return _latin()[ord(char)]
        return _tables().imitations.get(char, char if char.isalnum() else " ")


def _boxed(number: int) -> str:
    """Return the letter in a box: a regional indicator, or a squared one; or nothing."""
    for first in (0x1F1E6, 0x1F130, 0x1F150, 0x1F170):
        if first <= number < first + 26:
            return chr(number - first + ord("a"))
    return ""


_CHARACTERS: Final = _Characters()


def _folded(text: str) -> tuple[str, Sequence[int]]:
    """Fold character by character; marks and what is not seen go, pictures become words."""
    parts = list(map(_CHARACTERS.__getitem__, text))
    folded = "".join(parts)
    offsets: Sequence[int] = range(len(text) + 1)
    if len(folded) != len(text) or any(len(part) != 1 for part in parts):
        places = [place for place, part in enumerate(parts) for _ in part]
        places.append(len(text))
        offsets = places
    if _GREEK_CYRILLIC.search(folded):
        folded = _LETTERS.sub(_unmasked, folded)
    return folded, offsets


def _unmasked(match: re.Match[str]) -> str:
    """Read look-alikes as Latin letters, in a word that cannot be meant in the other script."""
    word = match[0]
    if not _GREEK_CYRILLIC.search(word):
        return word
    lookalikes = _tables().lookalikes
    if any("a" <= char <= "z" for char in word) or all(char in lookalikes for char in word):
        return "".join(lookalikes.get(char, char) for char in word)
    return word


def _edited(
    text: str, offsets: Sequence[int], pattern: re.Pattern[str], edit: Callable[[str], str]
) -> tuple[str, Sequence[int], bool]:
    """Leave out characters of what a pattern matches, and keep the places of the rest."""
    parts: list[str] = []
    places: list[int] = []
    last = 0
    changed = False
    for match in pattern.finditer(text):
        start, end = match.span()
        kept = edit(match[0])
        if len(kept) == end - start:
            continue
        changed = True
        parts += (text[last:start], kept)
        places += offsets[last:start]
        step = 2 if pattern is _SPACED else 1  # a separator lies behind each letter that is kept
        places += offsets[start:end:step][: len(kept)]
        last = end
    parts.append(text[last:])
    places += offsets[last:]
    return "".join(parts), places, changed


def _joined(spaced: str) -> str:
    letters = spaced[::2]
    if sum("a" <= char <= "z" for char in letters) < 2:
        return spaced
    if spaced[1] == " " and _ALONE.issuperset(letters):  # "r u a ..." are words
        return spaced
    return letters


def _squeezed(stretched: str) -> str:
    return stretched[:2]


def _unleeted(match: re.Match[str]) -> str:
    """Read digits and symbols inside a word as letters; numbers, ordinals and units stay."""
    whole = match[0]
    if whole.isalpha():
        return whole
    word = whole.rstrip("!|$@")
    letters = sum("a" <= char <= "z" for char in word)
    address = "@" in word[1:] and match.string[match.end() : match.end() + 1] == "."
    if not letters or letters == len(word) or address or _is_number(word, letters):
        return whole
    read = word.translate(_LEET_LETTERS)
    if word[0] == "@" and read not in _AT_WORDS:  # somebody is called: @mia
        return whole
    return read + whole[len(word) :]


def _is_number(word: str, letters: int) -> bool:
    """Tell whether the digits of a word are meant: 13f, 5pm, year7, lena2009, a1b2c3d4."""
    if counted := _COUNTED.fullmatch(word):
        number, rest = counted.groups()
        return len(number) > 1 or len(rest) < 2 or rest in _UNITS
    if numbered := _NUMBERED.fullmatch(word):
        stem, number = numbered.groups()
        return len(number) > 1 or len(stem) < 3 or number not in "0357" or stem in _BEFORE_NUMBER
    return len(word) - letters > letters
