"""Rules that say which sign a message shows: reviewed data by language, all looked up together.

A text is split into words once; only rules of which a rare word occurs are tried. Rules say what a
message asks for or does, never who somebody is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Annotated, Final

import msgspec

from tutela.chat.model import Sign
from tutela.chat.normalise import Normalised, normalise
from tutela.chat.pattern import Pattern, Phrase, compile_pattern, phrases_of
from tutela.core.errors import SettingsError

LANGUAGES: Final = ("en", "de", "es", "fr")
_WORD: Final = re.compile(r"[^\W_]+")
_WORD_AT: Final = re.compile(r"[^\W_]+(?:'+[^\W_]+)*")
_SENTENCE_END: Final = re.compile("[.!?;…\n]")
_DOUBLE: Final = re.compile(r"([^\W\d_])\1")
_FOREIGN: Final = 2  # common words fewer than those of another language
_NEAR: Final = 2  # words before a match in which a "not" turns it round
_AROUND: Final = (0, 5)  # words before and behind a match that are near it


class Note(StrEnum):
    """What else a message may show: no sign, but it counts for how signs are read."""

    REFUSAL = "refusal"
    KIN = "kin"  # speaks as one of the family, or to one
    HOME = "home"  # says mum, not your mum: lives with them
    ROLE = (
        "role"  # speaks as, or to, a teacher, a trainer, a doctor; of lessons, training, treatment
    )
    SALE = "sale"
    AWARE = "aware"  # speaks about staying safe
    SURPRISE = "surprise"  # a present, a party
    SAME = "same"  # "me too", right after the other stated an age
    AGE_ASKED = "age_asked"  # the bare "and you?" after an age
    ADULT = "adult"  # speaks of own children, a job, a spouse


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule as a file has it.

    Attributes:
        id: `en.picture.3`.
        sign: What it shows, or
        note: what else it shows.
        strength: How much of a full showing it is.
        patterns: Any of which must match; see `tutela.chat.pattern`.
        unless: Classes, a word of which in the message stills the rule.
        negated: Whether a "not" right before it stills it.
        not_near: Classes, a word of which in the match or just around it stills it.
        not_after: Classes, a word of which right before it stills it.
        yes: Mild texts that must match.
        no: Mild texts that must not.
        why: What a reviewer should know.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z]{2}\.[a-z_]+\.[0-9]+$")]
    patterns: tuple[str, ...]
    yes: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    no: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    sign: Sign | None = None
    note: Note | None = None
    strength: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    unless: tuple[str, ...] = ()
    negated: bool = True
    not_near: tuple[str, ...] = ()
    not_after: tuple[str, ...] = ()
    why: str = ""


class File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A language's file.

    Attributes:
        language: Two letters.
        common: Frequent words, which are no good to search for first.
        negations: Words that turn round what follows, ...
        suggestions: ... unless one of these stands before: "why don't you ...".
        carried: Words that may stand between a "not" and what it turns round: "don't send a ..."
        still: Classes that still every rule for a sign, as `Rule.unless` does.
        classes: Words and phrases by name, separated by `|`.
        rule: The rules.
        spellings: Other ways to write a word of the file, folded: `fuer` for `fur`.
    """

    language: str
    common: str
    negations: str
    suggestions: str
    carried: str
    still: tuple[str, ...]
    classes: dict[str, str]
    rule: tuple[Rule, ...]
    spellings: dict[str, str] = {}


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A rule that matched; `start` and `end` are words."""

    rule: Rule
    start: int
    end: int


class Split(msgspec.Struct, frozen=True, gc=False):
    """A text as the lexicon reads it.

    Attributes:
        folded: The text.
        words: Of it, without apostrophes.
        present: The same, each once.
    """

    folded: Normalised
    words: list[str]
    present: set[str]

    def sentences(self) -> list[tuple[int, int]]:
        """Return the first and behind the last word of each sentence; marks and lines end one."""
        text = self.folded.text
        cuts = [0]
        last = 0
        for number, match in enumerate(_WORD_AT.finditer(text)):
            if number and _SENTENCE_END.search(text, last, match.start()):
                cuts.append(number)
            last = match.end()
        return list(zip(cuts, [*cuts[1:], len(self.words)], strict=True))

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the characters of the original text that words from `start` to `end` span."""
        if end <= start or start >= len(self.words):
            return 0, self.folded.offsets[-1]
        matches = list(_WORD_AT.finditer(self.folded.text))
        last = min(end, len(matches)) - 1
        return self.folded.original(matches[min(start, last)].start(), matches[last].end())


class _Compiled(msgspec.Struct, frozen=True, gc=False):
    rule: Rule
    pattern: Pattern
    unless: frozenset[str]
    negations: frozenset[str]
    suggestions: frozenset[str]
    carried: frozenset[str]
    not_near: frozenset[str]
    not_after: frozenset[str]


class Lexicon:
    """All rules of some files, compiled.

    Attributes:
        rules: By their ids.
        still: Words that still every rule for a sign of their language.

    Raises:
        SettingsError: a file does not hold, or two rules have one id.
    """

    def __init__(self, files: Iterable[File]) -> None:
        self.rules: dict[str, Rule] = {}
        self._by_word: dict[str, tuple[_Compiled, ...]] = {}
        self.still = frozenset[str]()
        self._common: dict[str, frozenset[str]] = {}
        vocabulary: set[str] = set()
        by_word: dict[str, list[_Compiled]] = {}
        self._spellings: dict[str, str] = {}
        for file in files:
            self._spellings |= file.spellings
            classes = {name: phrases_of(file.classes.get(name, "")) for name in file.still}
            self.still |= {phrase[0] for some in classes.values() for phrase in some}
            self._common[file.language] = frozenset(p[0] for p in phrases_of(file.common))
            for one in _compiled(file, self.rules):
                vocabulary.update(*one.pattern.needed)
                for part in one.pattern.parts:
                    for phrases in part.phrases.values():
                        vocabulary.update(*phrases)
                    vocabulary |= part.firsts
                for word in one.pattern.anchor:
                    by_word.setdefault(word, []).append(one)
        self._by_word = {word: tuple(some) for word, some in by_word.items()}
        self._anchors = frozenset(self._by_word)
        self._aliases = _aliases(vocabulary)

    def split(self, text: str) -> Split:
        """Fold a text and split it into words."""
        folded = normalise(text)
        plain = folded.text.replace("'", "") if "'" in folded.text else folded.text
        words = _WORD.findall(plain)
        if folded.altered:
            words = [self._aliases.get(word) or self._shortened(word) for word in words]
        present = set(words)
        if not self._spellings.keys().isdisjoint(present):
            words = [self._spellings.get(word, word) for word in words]
            present = set(words)
        return Split(folded, words, present)

    def find(self, split: Split) -> list[Hit]:
        """Return the rules that match a text, each at most once, in the order of their places."""
        anchors = self._anchors & split.present
        if not anchors:
            return []
        words, present = split.words, split.present
        places = _places(words)
        hits: dict[str, Hit] = {}
        for word in anchors:
            for one in self._by_word[word]:
                if not one.pattern.possible(present) or not one.unless.isdisjoint(present):
                    continue
                span = one.pattern.find(words, places)
                if span is None or _stilled(one, words, *span):
                    continue
                before = hits.get(one.rule.id)
                if before is None or span < (before.start, before.end):
                    hits[one.rule.id] = Hit(one.rule, *span)
        found = self._native(hits.values(), present) if hits else ()
        return sorted(found, key=lambda hit: (hit.start, hit.end, hit.rule.id))

    def _native(self, hits: Iterable[Hit], present: set[str]) -> list[Hit]:
        """Leave out rules of a language that a text is clearly not in: words look alike."""
        counts = {language: len(common & present) for language, common in self._common.items()}
        most = max(counts.values())
        return [hit for hit in hits if most - counts.get(hit.rule.id[:2], most) < _FOREIGN]

    def across(self, before: list[str], split: Split) -> list[Hit]:
        """Return the rules for signs that match only over the border of two messages.

        Args:
            before: The last words of the message before, of the same speaker.
            split: The message; hits are told in its words.
        """
        words = [*before, *split.words]
        border = len(before)
        return [
            Hit(hit.rule, 0, hit.end - border)
            for hit in self.find(Split(split.folded, words, set(words)))
            if hit.rule.sign is not None and hit.start < border < hit.end
        ]

    def _shortened(self, word: str) -> str:
        """Read a stretched word as the one that the lexicon knows, if there is one."""
        return self._aliases.get(_DOUBLE.sub(r"\1", word), word) if _DOUBLE.search(word) else word


def _places(words: Sequence[str]) -> Mapping[str, Sequence[int]]:
    places: dict[str, list[int]] = {}
    for at, word in enumerate(words):
        places.setdefault(word, []).append(at)
    return places


def _stilled(one: _Compiled, words: Sequence[str], start: int, end: int) -> bool:
    if one.not_after and not one.not_after.isdisjoint(words[max(0, start - 1) : start]):
        return True
    around = words[max(0, start - _AROUND[0]) : end + _AROUND[1]]
    if one.not_near and not one.not_near.isdisjoint(around):
        return True
    if not one.rule.negated:
        return False
    while start and words[start - 1] in one.carried:
        start -= 1
    before = words[max(0, start - _NEAR) : start]
    return not one.negations.isdisjoint(before) and one.suggestions.isdisjoint(
        words[max(0, start - _NEAR - 1) : start]
    )


def _compiled(file: File, rules: dict[str, Rule]) -> Iterable[_Compiled]:
    classes: dict[str, Sequence[Phrase]] = {
        name: phrases_of(text) for name, text in file.classes.items()
    }
    common, negations, suggestions, carried = (
        frozenset(word for phrase in phrases_of(text) for word in phrase)
        for text in (file.common, file.negations, file.suggestions, file.carried)
    )
    for rule in file.rule:
        if rule.id in rules or (rule.sign is None) == (rule.note is None):
            raise _wrong(rule, "it needs an id of its own, and either a sign or a note")
        rules[rule.id] = rule
        stilled = (*rule.unless, *(file.still if rule.sign else ()))
        missing = [
            name for name in (*stilled, *rule.not_near, *rule.not_after) if name not in classes
        ]
        if missing:
            raise _wrong(rule, f"there is no class {missing[0]!r}")
        unless, near, after = (
            frozenset(phrase[0] for name in names for phrase in classes[name])
            for names in (stilled, rule.not_near, rule.not_after)
        )
        for line in rule.patterns:
            pattern = compile_pattern(line, classes, common)
            yield _Compiled(rule, pattern, unless, negations, suggestions, carried, near, after)


def _wrong(rule: Rule, why: str) -> SettingsError:
    return SettingsError(
        f"rule {rule.id} of the lexicon does not hold: {why}",
        code="lexicon_wrong",
        hint="compare the file with those that are shipped",
    )


def _aliases(vocabulary: set[str]) -> dict[str, str]:
    """Return other ways to come by the lexicon's words, where that is no word of it itself.

    A one may stand for an i or an l, and a stretched word may have lost its double letters.
    """
    aliases: dict[str, str] = {}
    for word in sorted(vocabulary):
        for other in (word.replace("l", "i"), _DOUBLE.sub(r"\1", word)):
            if other not in vocabulary:
                aliases.setdefault(other, word)
    return aliases | {word: word for word in vocabulary}


def parse(data: bytes) -> File:
    """Return a language's file.

    Raises:
        SettingsError: it is no TOML, or says something unknown.
    """
    try:
        return msgspec.toml.decode(data, type=File)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise SettingsError(
            f"a file of the lexicon does not hold: {error}",
            code="lexicon_wrong",
            hint="compare it with those that are shipped",
        ) from error


def shipped_bytes() -> dict[str, bytes]:
    """Return the files that are shipped, by language."""
    folder = resources.files(__package__) / "lexicons"
    return {language: (folder / f"{language}.toml").read_bytes() for language in LANGUAGES}


@cache
def shipped() -> Lexicon:
    """Return the lexicon that is shipped, compiled once a process."""
    return Lexicon(parse(data) for data in shipped_bytes().values())
