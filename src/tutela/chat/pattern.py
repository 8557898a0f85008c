"""Patterns of words, as the lexicon writes them: no regular expression, so none can run away.

A pattern is a line of parts: a word; `a|b`, one of several; `a_b`, two
words; `{name}`, any word or phrase of a class;
`[part]`, which may be missing; `..3`, up to three words between; `^` first and `$` last, where the
text must begin or end there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from tutela.chat.normalise import fold_word
from tutela.core.errors import SettingsError

MAX_PARTS: Final = 10
MAX_GAP: Final = 6
MAX_ALTERNATIVES: Final = 400

Phrase = tuple[str, ...]


class Part(msgspec.Struct, frozen=True, gc=False):
    """One part: any of some words or phrases, so many words behind the part before it.

    Attributes:
        single: Words that it may be.
        phrases: Phrases of two words and more, by their first word.
        firsts: First words of all of them.
        gap: How many words may lie before it.
        optional: Whether it may be missing.
    """

    single: frozenset[str]
    phrases: dict[str, tuple[Phrase, ...]]
    firsts: frozenset[str]
    gap: int
    optional: bool

    def ends(self, words: Sequence[str], at: int) -> list[int]:
        """Return where this part ends if it begins at a word: none, one or more places."""
        word = words[at]
        found = [at + 1] if word in self.single else []
        if self.phrases and (phrases := self.phrases.get(word)):
            found += [
                at + len(phrase)
                for phrase in phrases
                if tuple(words[at : at + len(phrase)]) == phrase
            ]
        return found


class Pattern(msgspec.Struct, frozen=True, gc=False):
    """A compiled line of parts.

    Attributes:
        parts: In order; the first is never optional.
        needed: First words of those that may not be missing.
        anchor: Words of the rarest part; a text without them cannot match.
        whole: Whether it must begin with the text, and end with it.
    """

    parts: tuple[Part, ...]
    needed: tuple[frozenset[str], ...]
    anchor: frozenset[str]
    whole: tuple[bool, bool] = (False, False)

    def possible(self, present: frozenset[str] | set[str]) -> bool:
        """Tell whether the words of a text could match at all."""
        return not any(map(present.isdisjoint, self.needed))

    def find(
        self, words: Sequence[str], places: Mapping[str, Sequence[int]]
    ) -> tuple[int, int] | None:
        """Return the first and behind the last word of the first match, or None.

        Args:
            words: Of the text.
            places: Where each of them stands, in order.

        From one start the places reached are a set within the pattern's span: linear in the text.
        """
        first = self.parts[0]
        starts = {at for word in first.firsts if word in places for at in places[word]}
        if self.whole[0]:
            starts &= {0}
        for start in sorted(starts):
            ends = set(first.ends(words, start))
            for part in self.parts[1:]:
                if not ends:
                    break
                ends = _after(part, words, ends)
            if self.whole[1]:
                ends &= {len(words)}
            if ends:
                return start, max(ends)
        return None


def _after(part: Part, words: Sequence[str], ends: set[int]) -> set[int]:
    reached = set(ends) if part.optional else set()
    last = len(words)
    for end in ends:
        for at in range(end, min(end + part.gap + 1, last)):
            if words[at] in part.firsts:
                reached.update(part.ends(words, at))
    return reached


def compile_pattern(
    line: str, classes: Mapping[str, Sequence[Phrase]], common: frozenset[str]
) -> Pattern:
    """Compile a line of parts.

    Args:
        line: As written in a file.
        classes: Phrases by the name of their class.
        common: Words that are too frequent to search for first.

    Raises:
        SettingsError: the line does not hold.
    """
    parts: list[Part] = []
    gap = 0
    tokens = line.split()
    whole = (tokens[:1] == ["^"], tokens[-1:] == ["$"])
    for token in tokens[whole[0] : len(tokens) - whole[1]]:
        if token.startswith(".."):
            gap = int(token[2:]) if token[2:].isdecimal() else MAX_GAP + 1
            continue
        optional = token.startswith("[") and token.endswith("]")
        alternatives = tuple(_phrases(token[1:-1] if optional else token, classes, line))
        parts.append(_part(alternatives, gap, optional=optional))
        gap = 0
    if (
        not 1 <= len(parts) <= MAX_PARTS
        or parts[0].optional
        or any(part.gap > MAX_GAP or len(part.firsts) > MAX_ALTERNATIVES for part in parts)
    ):
        raise _wrong(line, "too many parts, too long a gap, or a first part that may be missing")
    needed = tuple(part.firsts for part in parts if not part.optional)
    anchor = min(needed, key=lambda firsts: (len(firsts & common), len(firsts)))
    return Pattern(tuple(parts), needed, anchor, whole)


def phrases_of(text: str) -> tuple[Phrase, ...]:
    """Return the phrases of a class, which its file separates by `|`, folded."""
    found = (tuple(fold_word(word) for word in one.split()) for one in text.split("|"))
    return tuple(phrase for phrase in found if phrase)


def _phrases(token: str, classes: Mapping[str, Sequence[Phrase]], line: str) -> Iterable[Phrase]:
    if token.count("{") != token.count("}"):
        raise _wrong(line, f"{token!r} has a bracket too many")
    for one in _alternatives(token):
        name = one[1:-1]
        if one.startswith("{") and one.endswith("}"):
            if name not in classes:
                raise _wrong(line, f"there is no class {name!r}")
            yield from classes[name]
        elif one and not set(one) & set("{}[]*+?()\\^$."):
            yield tuple(fold_word(word) for word in one.split("_") if word)
        else:
            raise _wrong(line, f"{one!r} is no word")


def _alternatives(token: str) -> Iterable[str]:
    """Split at `|`, and `{a|b}` into the classes `{a}` and `{b}`."""
    inside = False
    for one in token.split("|"):
        inside = inside or one.startswith("{")
        yield "{" + one.strip("{}") + "}" if inside else one
        inside = inside and not one.endswith("}")


def _part(alternatives: tuple[Phrase, ...], gap: int, *, optional: bool) -> Part:
    phrases: dict[str, list[Phrase]] = {}
    for phrase in alternatives:
        if len(phrase) > 1:
            phrases.setdefault(phrase[0], []).append(phrase)
    return Part(
        frozenset(phrase[0] for phrase in alternatives if len(phrase) == 1),
        {first: tuple(some) for first, some in phrases.items()},
        frozenset(phrase[0] for phrase in alternatives),
        gap,
        optional,
    )


def _wrong(line: str, why: str) -> SettingsError:
    return SettingsError(
        f"a pattern of the lexicon does not hold: {line!r}: {why}",
        code="lexicon_wrong",
        hint="see the head of the lexicon's files for how patterns are written",
    )
