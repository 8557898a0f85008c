"""Which signs a message shows, by rules and by likeness, before its pair of speakers is asked."""

from __future__ import annotations

from typing import Final

import msgspec

from tutela.chat.lexicon import Hit, Lexicon, Note, Split
from tutela.chat.model import Message, Shown, Sign
from tutela.chat.prototypes import Likeness, Prototypes
from tutela.chat.state import Open
from tutela.chat.weighing import Weights

MOST_ENCODED: Final = 2_000  # messages of a conversation
_GATED_WORDS: Final = 3
_SHORT_WORDS: Final = 6  # a message that may go on with the one before it
_TAIL_WORDS: Final = 8
_NONE: Final[frozenset[Note]] = frozenset()


class Read(msgspec.Struct, gc=False):
    """A message as the lexicon reads it, before the state is asked.

    Attributes:
        split: Its words.
        hits: Rules that match.
        notes: What else it says.
        question: Whether it asks.
        asks: Whether the encoder shall see it.
        like: What the encoder says.
    """

    split: Split
    hits: list[Hit]
    notes: frozenset[Note]
    question: bool
    asks: bool
    like: Likeness | None = None


def read(rules: Lexicon, model: Prototypes | None, message: Message) -> Read | None:
    """Return what a message says by rules, or None where nobody says anything."""
    if message.system or not message.author or not message.text:
        return None
    split = rules.split(message.text)
    hits = rules.find(split)
    notes = frozenset(hit.rule.note for hit in hits if hit.rule.note is not None) if hits else _NONE
    if Note.AWARE in notes or not rules.still.isdisjoint(split.present):
        hits = _by_sentence(rules, split, hits)
    question = "?" in split.folded.text
    asks = False
    if model is not None and len(split.words) >= _GATED_WORDS:
        asks = question or bool(hits) or split.words[0] in model.gate
    return Read(split, hits, notes, question, asks)


def _by_sentence(rules: Lexicon, split: Split, hits: list[Hit]) -> list[Hit]:
    """Read signs by sentence, where one of them speaks of staying safe: it stills its own alone.

    Else a word of safety behind a request would hide the request.
    """
    kept = [hit for hit in hits if hit.rule.sign is None]
    spans = split.sentences()
    for start, end in spans if len(spans) > 1 else ():
        words = split.words[start:end]
        found = rules.find(Split(split.folded, words, set(words)))
        if not any(hit.rule.note is Note.AWARE for hit in found):
            kept += [
                Hit(hit.rule, start + hit.start, start + hit.end)
                for hit in found
                if hit.rule.sign is not None
            ]
    if len(spans) == 1 and not any(hit.rule.note is Note.AWARE for hit in hits):
        return hits
    return kept


def read_on(rules: Lexicon, opened: Open, author: int, one: Read) -> None:
    """Read a short message together with the end of the speaker's last one."""
    words = one.split.words
    speaker, before = opened.tail
    if speaker != author:
        before = []
    if before and len(words) <= _SHORT_WORDS and Note.AWARE not in one.notes:
        found = rules.across(before, one.split)
        if found:
            # What the words before show by themselves was counted with them, and not again.
            alone = rules.find(Split(one.split.folded, before, set(before)))
            had = {hit.rule.sign for hit in alone}
            one.hits = [*one.hits, *(hit for hit in found if hit.rule.sign not in had)]
    opened.tail = (author, [*before, *words][-_TAIL_WORDS:])


def shown(
    message: Message, opened: Open, one: Read, weights: Weights
) -> tuple[tuple[Shown, float], ...]:
    """Return each sign that a message shows, by its strongest rule, with its strength."""
    best: dict[Sign, Hit] = {}
    for hit in one.hits:
        sign = hit.rule.sign
        if sign is not None and (sign not in best or hit.rule.strength > best[sign].rule.strength):
            best[sign] = hit
    number = opened.talk.number
    found = []
    for sign, hit in best.items():
        start, end = one.split.span(hit.start, hit.end)
        by_rule = Shown(
            sign=sign, message=message.id, number=number, rule=hit.rule.id, start=start, end=end
        )
        found.append((by_rule, hit.rule.strength))
    like = one.like
    stilled = Note.REFUSAL in one.notes or Note.AWARE in one.notes  # a refusal of what was asked
    if like is not None and not best and not stilled and opened.talk.encoded < MOST_ENCODED:
        opened.talk.encoded += 1
        by_likeness = Shown(
            sign=like.sign,
            message=message.id,
            number=number,
            rule=like.prototype,
            end=len(message.text),
            similarity=like.similarity,
        )
        found.append((by_likeness, weights.prototype))
    return tuple(found)


def encoded(message: Message, split: Split) -> str:
    """Return what the encoder reads: the text as written, folded only where it is disguised."""
    return split.folded.text if split.folded.altered else message.text
