"""What is kept of a conversation while it is read: counts by pair of speakers, and no text.

Everything is O(1) a message. A pair is directed: what one speaker showed towards one other. Kept
are speakers and messages by the export's ids, signs, rules and places; never what was written.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from tutela.chat.limits import SHOWN
from tutela.chat.model import AgeBand, Shown, Sign
from tutela.chat.normalise import fold_word
from tutela.chat.weighing import CLEAR, DISTINCT

NOBODY: Final = 0  # the other of a speaker who speaks before anybody else did
MOST_OTHERS: Final = 3  # towards whom a message of a group goes
TALK_PAIRS: Final = 30_000  # of a conversation; the ones longest not spoken are left behind
TALK_SPEAKERS: Final = 100_000
MOST_FORGOTTEN: Final = 1_000_000  # conversations of which nothing but a count is kept
_ADDRESSES: Final = 256  # messages of a group that may be answered
_NAME_CHARS: Final = 40
_RING: Final = (1 << 50) - 1
_PENDING: Final = 6  # messages within which an answer belongs to a question
_AGAIN: Final = 60  # messages within which asking again is persistence
_NIGHT: Final = (22, 6)  # from, until; hours

# What can be refused; asking for any of them again is persistence.
ASKED: Final = {
    sign: 1 << place
    for place, sign in enumerate(
        (
            Sign.PICTURE,
            Sign.CHANNEL,
            Sign.MEETING,
            Sign.AGE,
            Sign.ALONE,
            Sign.SECRECY,
            Sign.GIFT,
            Sign.PRESSURE,
        )
    )
}
_PRESSING: Final = ASKED[Sign.PRESSURE]


class Counted(msgspec.Struct, array_like=True):
    """One sign of a pair.

    Attributes:
        total: Sum of strengths.
        count: Of messages that showed it.
        shown: The first one, and the strongest.
        strengths: Of each of `shown`.
    """

    total: float = 0.0
    count: int = 0
    shown: list[Shown] = []
    strengths: list[float] = []

    def add(self, shown: Shown, strength: float) -> None:
        """Count a showing; keep it if it is among the first or the strongest."""
        self.total += strength
        self.count += 1
        if len(self.shown) < SHOWN:
            self.shown.append(shown)
            self.strengths.append(strength)
            return
        weakest = min(range(1, SHOWN), key=self.strengths.__getitem__)
        if strength > self.strengths[weakest]:
            del self.shown[weakest], self.strengths[weakest]
            self.shown.append(shown)
            self.strengths.append(strength)


class Pair(msgspec.Struct, array_like=True, omit_defaults=True):
    """What one speaker showed towards one other.

    Attributes:
        author: Number of the speaker.
        other: Number of the other.
        messages: From one to the other.
        questions: Of those.
        signs: Shown, by name.
        marked: Messages that showed any.
        first: Number of the first of them; -1 for none.
        last: Of the last message between them.
        ring: Of the last fifty messages, a bit for each that showed a sign; the newest is lowest.
        open_asks: What was asked and may still be refused, as bits of `ASKED`.
        open_at: Number of that message.
        refused: What was refused, likewise.
        refused_at: Number of the last refusal.
        refusals: How many.
        persistence: How often was asked again after one.
        insisted: Messages that did so; the first few.
        minor_request: A picture or the camera was asked for from a stated minor.
        timed: Messages with a time.
        night: Of those, at night.
        days: Distinct days, as far as they came in order.
        last_day: Ordinal of the last one.
        media: Files that a hash list has.
        crossed_at: Messages of the conversation after which it reached the point; 0 for never.
        clear: Messages that showed a sign clearly by themselves.
        kin: Messages to the other that speak as family, or to it.
    """

    author: int
    other: int
    messages: int = 0
    questions: int = 0
    signs: dict[str, Counted] = {}
    marked: int = 0
    first: int = -1
    last: int = 0
    ring: int = 0
    open_asks: int = 0
    open_at: int = 0
    refused: int = 0
    refused_at: int = 0
    refusals: int = 0
    persistence: int = 0
    insisted: list[Shown] = []
    minor_request: bool = False
    timed: int = 0
    night: int = 0
    days: int = 0
    last_day: int = 0
    media: list[Shown] = []
    crossed_at: int = 0
    clear: int = 0
    kin: int = 0

    @property
    def may_cross(self) -> bool:
        """Whether it did not reach the point yet, and has what any alert needs."""
        return not self.crossed_at and (self.minor_request or len(self.signs) >= DISTINCT)

    def spoken(
        self, number: int, *, question: bool, time: datetime | None, offset_min: int
    ) -> None:
        """Count a message."""
        self.messages += 1
        self.questions += question
        self.last = number
        self.ring = (self.ring << 1) & _RING
        if time is not None:
            self.timed += 1
            minutes = (time.hour * 60 + time.minute + offset_min) % 1440
            self.night += not _NIGHT[1] * 60 <= minutes < _NIGHT[0] * 60
            if (day := time.toordinal()) > self.last_day:
                self.last_day = day
                self.days += 1

    def show(self, shown: Iterable[tuple[Shown, float]], number: int, *, minor: bool) -> None:
        """Count what a message showed, each sign once."""
        asks = 0
        clear = False
        for one, strength in shown:
            clear = clear or strength >= CLEAR
            name = one.sign.value
            counted = self.signs.get(name)
            if counted is None:
                counted = self.signs[name] = Counted()
            counted.add(one, strength)
            asks |= ASKED.get(one.sign, 0) & ~_PRESSING  # what is pressed for was asked before
            if minor and one.sign is Sign.PICTURE and strength >= 1:
                self.minor_request = True
            self._insist(one, number)
        self.marked += 1
        self.clear += clear
        self.ring |= 1
        if self.first < 0:
            self.first = number
        if asks:
            fresh = number - self.open_at <= _PENDING
            self.open_asks = asks | (self.open_asks if fresh else 0)
            self.open_at = number

    def refuse(self, number: int) -> bool:
        """Count a refusal by the other, where something was asked just before; tell if so."""
        if not self.open_asks or number - self.open_at > _PENDING:
            return False
        self.refused |= self.open_asks
        self.open_asks = 0
        self.refused_at = number
        self.refusals += 1
        return True

    def _insist(self, shown: Shown, number: int) -> None:
        asked = ASKED.get(shown.sign, 0)
        if not self.refused or number - self.refused_at > _AGAIN:
            return
        if asked & (self.refused | _PRESSING) or shown.sign is Sign.THREAT:
            self.persistence += 1
            if len(self.insisted) < SHOWN:
                self.insisted.append(shown)


class Speaker(msgspec.Struct, array_like=True, omit_defaults=True):
    """One who speaks in a conversation.

    Attributes:
        author: By the export's id.
        minor_age: The youngest age under 18 that was stated; 0 for none.
        adult_age: The last age of 18 and more that was stated; 0 for none.
        band: What the platform says.
        home: Messages that say mum, not your mum.
        role: Messages that speak as, or to, a teacher, a trainer, a doctor.
        aware: Messages that speak of staying safe, and show no sign beside it.
        adult: Messages that speak of own children, a job.
        minor_at: Number of the message that stated it; -1 for none.
        minor_message: Its id.
        minor_span: Its characters.
        sale: Messages that speak of things sold.
        surprise: Messages that speak of a present or a party.
    """

    author: str
    minor_age: int = 0
    adult_age: int = 0
    band: AgeBand = AgeBand.UNKNOWN
    home: int = 0
    role: int = 0
    aware: int = 0
    adult: int = 0
    minor_at: int = -1
    minor_message: str = ""
    minor_span: tuple[int, int] = (0, 0)
    sale: int = 0
    surprise: int = 0

    @property
    def is_minor(self) -> bool:
        """Whether this speaker is stated, or said, to be under 18."""
        return self.minor_age > 0 or self.band is AgeBand.MINOR

    @property
    def is_adult(self) -> bool:
        """Whether this speaker is stated, or said, to be of age, and nothing else."""
        return not self.is_minor and (self.adult_age > 0 or self.band is AgeBand.ADULT)


class Talk(msgspec.Struct, array_like=True, omit_defaults=True):
    """A conversation.

    Attributes:
        number: Of messages read.
        speakers: By number; the first stands for nobody yet.
        pairs: By author and other, the least recently spoken first.
        recent: Numbers of the last few speakers, the latest last.
        addresses: In a group, who wrote which of the last messages.
        names: In a group, who is called what (a checksum of the name).
        asked_age: Who was asked for an age, and in which message, the last few.
        sale: Messages of anybody that speak of things sold.
        surprise: Messages of anybody that speak of a present or a party.
        last_age: The last age that was stated: number of the message, years, speaker.
        encoded: Messages that went to the encoder.
        left: Pairs that were left behind.
        sold: Of those that speak of things sold, the ones that show no sign beside it.
        forgotten: Whether its beginning was read and forgotten, all but the number of messages.
    """

    number: int = 0
    speakers: list[Speaker] = []
    pairs: dict[int, Pair] = {}
    recent: list[int] = []
    addresses: dict[str, int] = {}
    names: dict[int, int] = {}
    asked_age: dict[int, int] = {}
    sale: int = 0
    surprise: int = 0
    last_age: tuple[int, int, int] = (-_PENDING, 0, 0)
    encoded: int = 0
    left: int = 0
    sold: int = 0
    forgotten: bool = False


class Open:
    """A conversation that is being read, with what is quick to rebuild from its state.

    Args:
        talk: Its state.

    Attributes:
        tail: The last speaker, and the last few words; only while it is open, and never packed.
    """

    __slots__ = ("numbers", "tail", "talk")

    def __init__(self, talk: Talk | None = None) -> None:
        self.talk = talk or Talk(speakers=[Speaker("")])
        self.tail: tuple[int, list[str]] = (NOBODY, [])
        self.numbers = {one.author: at for at, one in enumerate(self.talk.speakers)}

    def speaker(self, author: str, name: str, band: AgeBand) -> int:
        """Return the number of a speaker, who may be new."""
        number = self.numbers.get(author)
        if number is None:
            if len(self.talk.speakers) >= TALK_SPEAKERS:
                return NOBODY
            number = self.numbers[author] = len(self.talk.speakers)
            self.talk.speakers.append(Speaker(author))
            if number == 2:
                self._met(number)
            for word in (name or author)[:_NAME_CHARS].split()[:1]:
                mark = zlib.crc32(fold_word(word).encode("utf-8", "replace"))
                self.talk.names.setdefault(mark, number)
        if band is not AgeBand.UNKNOWN:
            self.talk.speakers[number].band = band
        return number

    def pair(self, author: int, other: int) -> Pair:
        """Return a pair, which may be new, as the one spoken last."""
        key = author << 32 | other
        pairs = self.talk.pairs
        pair = pairs.pop(key, None)
        if pair is None:
            pair = Pair(author, other)
            if len(pairs) >= TALK_PAIRS:
                del pairs[next(iter(pairs))]
                self.talk.left += 1
        pairs[key] = pair
        return pair

    def known(self, author: int, other: int) -> Pair | None:
        """Return a pair if there is one."""
        return self.talk.pairs.get(author << 32 | other)

    def others(
        self, author: int, to: Iterable[str], reply_to: str, words: Iterable[str]
    ) -> tuple[int, ...]:
        """Return towards whom a message goes: an answer, a mention, or who spoke before."""
        talk = self.talk
        if len(talk.speakers) <= 3:
            return (2 if author == 1 else 1,) if len(talk.speakers) == 3 else (NOBODY,)
        named = [number for one in to if (number := self.numbers.get(one)) and number != author]
        if not named and (number := talk.addresses.get(reply_to)) and number != author:
            named = [number]
        if not named:
            marks = {zlib.crc32(word.encode("utf-8", "replace")) for word in list(words)[:40]}
            found = (talk.names.get(mark) for mark in marks & talk.names.keys())
            named = sorted({number for number in found if number and number != author})
        if not named:
            before = [number for number in reversed(talk.recent) if number != author]
            # Who was shown signs before is more likely meant than who happened to speak between.
            named = [one for one in before if (p := self.known(author, one)) and p.marked][:1]
            named = named or before[:1]
        return tuple(named[:MOST_OTHERS]) or (NOBODY,)

    def spoke(self, author: int, message: str) -> None:
        """Remember who spoke last, and in a group also which message it was."""
        talk = self.talk
        if author in talk.recent:
            talk.recent.remove(author)
        talk.recent.append(author)
        del talk.recent[: -(MOST_OTHERS + 1)]
        if len(talk.speakers) > 3:
            talk.addresses[message] = author
            if len(talk.addresses) > _ADDRESSES:
                del talk.addresses[next(iter(talk.addresses))]

    def ask_age(self, other: int) -> None:
        """Remember that somebody was asked for an age."""
        talk = self.talk
        talk.asked_age[other] = talk.number
        if len(talk.asked_age) > _ADDRESSES:
            del talk.asked_age[next(iter(talk.asked_age))]

    def same_age(self, author: int) -> int | None:
        """Return the age that somebody else stated just before, for one who says "me too"."""
        at, age, speaker = self.talk.last_age
        near = self.talk.number - at < _PENDING and speaker not in {author, NOBODY}
        return age if near and age else None

    def was_asked_age(self, author: int) -> bool:
        """Tell whether somebody was asked for an age just before."""
        at = self.talk.asked_age.get(author, self.talk.asked_age.get(NOBODY))
        return at is not None and self.talk.number - at <= _PENDING

    def _met(self, number: int) -> None:
        """Turn what the first speaker said to nobody towards the second."""
        pair = self.talk.pairs.pop(1 << 32 | NOBODY, None)
        if pair is not None:
            pair.other = number
            self.talk.pairs[1 << 32 | number] = pair


class Forgotten:
    """How many messages conversations had that were forgotten: a checksum and a number of each.

    With it a conversation that goes on is numbered as its source numbers it, and known to be
    incomplete. Of more than `MOST_FORGOTTEN` the ones forgotten first begin anew.
    """

    def __init__(self) -> None:
        self._numbers: OrderedDict[int, int] = OrderedDict()

    def add(self, conversation: str, number: int) -> None:
        """Take note of a conversation that is being forgotten."""
        self._numbers[_mark(conversation)] = number
        if len(self._numbers) > MOST_FORGOTTEN:
            self._numbers.popitem(last=False)

    def open(self, conversation: str) -> Open:
        """Return a conversation as it goes on: where it was, or at its beginning."""
        number = self._numbers.get(_mark(conversation)) if self._numbers else None
        if number is None:
            return Open()
        return Open(Talk(number=number, speakers=[Speaker("")], forgotten=True))

    def drop(self, conversation: str) -> None:
        """Forget that a conversation was forgotten: it is open again, or at its end."""
        if self._numbers:
            self._numbers.pop(_mark(conversation), None)


def _mark(conversation: str) -> int:
    data = conversation.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest())


class _Head(msgspec.Struct, array_like=True):
    number: int = 0


def number_of(state: bytes) -> int:
    """Return how many messages a packed conversation has, without unpacking it."""
    return _HEAD.decode(state).number


def pack(talk: Talk) -> bytes:
    """Return a conversation's state in few bytes, without text."""
    return _ENCODER.encode(talk)


def unpack(state: bytes) -> Talk:
    """Return the state that `pack` packed.

    Raises:
        msgspec.DecodeError: it is no such state.
    """
    return _DECODER.decode(state)


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Talk)
_HEAD: Final = msgspec.msgpack.Decoder(_Head)
