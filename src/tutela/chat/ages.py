"""What speakers say of their own age, in four languages; nothing is guessed from how they write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from typing import Final

import msgspec

from tutela.chat.pattern import phrases_of

YOUNGEST: Final = 5
OLDEST: Final = 99
OF_AGE: Final = 18
_WORDS: Final = 60  # of a message that are looked at
_LAST_CLASS: Final = 13
_NEAR: Final = 3  # words around a number and its verb in which money is meant


class _File(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"is_": "is", "not_": "not"}
):
    is_: str
    has: str
    also: str
    between: str
    units: str
    soon: str
    months: str
    spans: str
    money: str
    not_: str
    years: str
    sex: str
    after: str
    self: str
    others: str
    numbers: dict[str, int]
    ordinals: dict[str, int]
    french: dict[str, int]
    said: dict[str, int]


def _words(text: str) -> frozenset[str]:
    return frozenset(phrase[0] for phrase in phrases_of(text))


_FILE: Final = msgspec.toml.decode(
    (resources.files(__package__) / "ages.toml").read_bytes(), type=_File
)
_NUMBERS: Final = {str(age): age for age in range(YOUNGEST, OLDEST + 1)} | _FILE.numbers
_ALSO: Final = _words(_FILE.also)
_IS: Final = _words(_FILE.is_) | _ALSO
_HAS: Final = _words(_FILE.has)
_BETWEEN: Final = _words(_FILE.between) - _ALSO
_UNITS: Final = _words(_FILE.units)
_YEARS: Final = _words(_FILE.years)
_SEX: Final = _words(_FILE.sex)
_WHOLE: Final = _words(_FILE.after) | _YEARS | _SEX | {""}
_SELF: Final = _words(_FILE.self)
_OTHERS: Final = _words(_FILE.others)
_SOON: Final = _words(_FILE.soon)
_MONTHS: Final = _words(_FILE.months)
_SPANS: Final = _words(_FILE.spans)
_MONEY: Final = _words(_FILE.money)
_NOT: Final = _words(_FILE.not_)
_SAID: Final = {tuple(text.split()): age for text, age in _FILE.said.items()}
_GLUED: Final = re.compile(r"(?:(im|bin|tengo|jai)|[fmwbg])?(\d{1,2})(yo|yrs?|f|m|w|j|y|ans|anos)?")
_CLASS: Final = re.compile(r"(\d{1,2})(?:th|st|nd|rd|er|ere|e|eme|o|a)?")
_AFTER_CLASS: Final = {"grade": 5, "klasse": 6, "eso": 11, "primaria": 5}  # and so many years
_TRIGGERS: Final = frozenset(
    {*_NUMBERS, *_FILE.french, *_AFTER_CLASS, *(phrase[-1] for phrase in _SAID), "year"}
)
_DIGIT: Final = re.compile(r"\d")


def stated(words: Sequence[str], present: set[str], text: str, *, asked: bool) -> int | None:
    """Return the age in years that a message states of its author, or None.

    Args:
        words: Of the folded text.
        present: The same, each once.
        text: The folded text.
        asked: Whether the author was asked for an age just before; then a bare number will do.
    """
    if _TRIGGERS.isdisjoint(present) and not _DIGIT.search(text):
        return None
    words = words[:_WORDS]
    for at, word in enumerate(words):
        age = _NUMBERS.get(word)
        if age is not None and _is_own(words, at, text, asked=asked):
            return age
        if age is None and (age := _glued(words, at, asked=asked)) is not None:
            return age
    if not _OTHERS.isdisjoint(present) or (not asked and _SELF.isdisjoint(present)):
        return None
    age = _by_school(words, asked=asked)
    return _by_words(words, present) if age is None else age


def _is_own(words: Sequence[str], at: int, text: str, *, asked: bool) -> bool:
    after = words[at + 1] if at + 1 < len(words) else ""
    soon = _is_soon(words, at + 1)
    if after in _UNITS and not soon and not (after in _SEX and len(words) == 2):
        return False
    back = at - 1
    while back >= 0 and words[back] in _BETWEEN:
        back -= 1
    if back >= 0:
        return _is_said(words, back, at, text, soon=soon)
    # Nothing but the number and what goes with it.
    if after in _SEX | {"yo"} and len(words) <= 4:
        return True
    return asked and (soon or after in _WHOLE or _is_next(words, at))


def _is_said(words: Sequence[str], verb: int, at: int, text: str, *, soon: bool) -> bool:
    """Tell whether the word before a number says that it is the speaker's age."""
    before = words[verb]
    after = words[at + 1] if at + 1 < len(words) else ""
    if _is_denied(words, verb, text):
        return False
    if before in _IS:
        return before != "am" or words[verb - 1 : verb] == ["i"]
    if before in _HAS:
        money = not _MONEY.isdisjoint(words[max(0, verb - _NEAR) : at + 1 + _NEAR])
        return after in _YEARS or (not money and (soon or after in _WHOLE))
    return before in _SEX and at == 1 and len(words) <= 3


def _is_denied(words: Sequence[str], verb: int, text: str) -> bool:
    """Tell whether a "not" stands right before a verb: "no tengo 45", and not "no, tengo 13"."""
    if verb < 1 or words[verb - 1] not in _NOT:
        return False
    return f"{words[verb - 1]} {words[verb]}" in text


def _is_soon(words: Sequence[str], at: int) -> bool:
    """Tell whether words say when: in july, in 3 weeks, in a month."""
    if at + 1 >= len(words) or words[at] not in _SOON:
        return False
    return words[at + 1] in _MONTHS or not _SPANS.isdisjoint(words[at + 1 : at + 4])


def _is_next(words: Sequence[str], at: int) -> bool:
    """Tell whether the age of the next birthday follows: eleven, twelve in july."""
    coming = _NUMBERS.get(words[at + 1]) if at + 1 < len(words) else None
    return coming == _NUMBERS[words[at]] + 1 and _is_soon(words, at + 2)


def _glued(words: Sequence[str], at: int, *, asked: bool) -> int | None:
    match = _GLUED.fullmatch(words[at])
    age = _NUMBERS.get(match[2]) if match and match[0] != match[2] else None
    if match is None or age is None:
        return None
    if match[1]:
        after = words[at + 1] if at + 1 < len(words) else ""
        return None if after in _UNITS else age
    if at == 0:
        return age if asked or len(words) <= 4 else None
    return age if words[at - 1] in _IS or words[at - 1] in _BETWEEN else None


def _by_school(words: Sequence[str], *, asked: bool) -> int | None:
    """Return the usual age in a school year that a speaker is in: the younger of the two."""
    for at, word in enumerate(words):
        before = words[at - 1] if at else ""
        if word in _FILE.french and (asked or before == "en"):
            return _FILE.french[word]
        number = _FILE.ordinals.get(word)
        if number is None and (match := _CLASS.fullmatch(word)):
            number = int(match[1])
        if number is None or number > _LAST_CLASS:
            continue
        if not asked and _SELF.isdisjoint(words[max(0, at - 5) : at]):
            continue
        after = next((one for one in words[at + 1 : at + 4] if one not in {"de", "la"}), "")
        if after in _AFTER_CLASS:
            return number + _AFTER_CLASS[after]
        if before == "year" and words[max(0, at - 2) : at - 1] == ["in"]:
            return number + 4
    return None


def _by_words(words: Sequence[str], present: set[str]) -> int | None:
    """Return the age that stands for what is said without a number, "i am a minor"."""
    for phrase, age in _SAID.items():
        if phrase[0] not in present:
            continue
        for at in range(len(words)):
            own = not _SELF.isdisjoint(words[max(0, at - 4) : at])
            if own and tuple(words[at : at + len(phrase)]) == phrase:
                return age
    return None
