"""What a message says that is no sign, and yet counts for how signs are read: ages, kin, a sale."""

from __future__ import annotations

from collections.abc import Sequence

from tutela.chat import ages
from tutela.chat.lexicon import Note
from tutela.chat.model import Message
from tutela.chat.showing import Read
from tutela.chat.state import Open, Pair


def noted(
    opened: Open, message: Message, pairs: Sequence[Pair], read: Read, *, signs: bool
) -> bool:
    """Count what is no sign; tell whether the author stated to be a minor, and was not known to be.

    Args:
        opened: The conversation.
        message: As it came.
        pairs: From its author to whom it goes; at least one.
        read: As it was read.
        signs: Whether it shows a sign as well.
    """
    author = pairs[0].author
    _count(opened, pairs, read.notes, signs=signs)
    if Note.REFUSAL in read.notes:
        for pair in pairs:
            if back := opened.known(pair.other, author):
                back.refuse(opened.talk.number)
    age = _age(opened, author, read)
    speaker = opened.talk.speakers[author]
    if Note.AGE_ASKED in read.notes and (age or speaker.minor_age or speaker.adult_age):
        for pair in pairs:
            opened.ask_age(pair.other)
    return age is not None and _aged(opened, message, author, read, age)


def _count(opened: Open, pairs: Sequence[Pair], notes: frozenset[Note], *, signs: bool) -> None:
    talk = opened.talk
    speaker = talk.speakers[pairs[0].author]
    sale, surprise = Note.SALE in notes, Note.SURPRISE in notes
    talk.sale += sale
    talk.sold += sale and not signs
    speaker.sale += sale
    talk.surprise += surprise
    speaker.surprise += surprise
    for pair in pairs:
        pair.kin += Note.KIN in notes
    speaker.home += Note.HOME in notes
    speaker.role += Note.ROLE in notes
    speaker.aware += Note.AWARE in notes and not signs
    speaker.adult += Note.ADULT in notes


def _age(opened: Open, author: int, read: Read) -> int | None:
    """Return the age that a message states of its author, or None."""
    split = read.split
    age = ages.stated(
        split.words, split.present, split.folded.text, asked=opened.was_asked_age(author)
    )
    if age is None and Note.SAME in read.notes:
        return opened.same_age(author)
    return age


def _aged(opened: Open, message: Message, author: int, read: Read, age: int) -> bool:
    talk = opened.talk
    speaker = talk.speakers[author]
    talk.last_age = (talk.number, age, author)
    if age >= ages.OF_AGE:
        speaker.adult_age = age
        return False
    fresh = not speaker.minor_age
    if fresh:
        speaker.minor_at, speaker.minor_message = talk.number, message.id
        speaker.minor_span = read.split.span(0, len(read.split.words))
    speaker.minor_age = min(speaker.minor_age or age, age)
    return fresh
