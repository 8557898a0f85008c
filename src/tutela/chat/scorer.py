"""Score conversations while they are read: one message at a time, no text kept.

A score orders work. It says how many signs of risk one speaker showed towards another, with the
messages that showed them, and never what a person is.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from typing import Final

import msgspec

from tutela.chat import ages, lexicon, prototypes, weighing
from tutela.chat.lexicon import Hit, Lexicon, Note, Split
from tutela.chat.limits import SHOWN
from tutela.chat.model import ConversationScore, Message, PairScore, Shown, Sign
from tutela.chat.prototypes import Likeness, Prototypes
from tutela.chat.state import NOBODY, Open, Pair, pack, unpack
from tutela.chat.summing import against, conversation_score, known_minor, tally
from tutela.chat.weighing import DEFAULT_POINT, Weights, may_alert, weigh
from tutela.core.errors import UsageError

MOST_HOT: Final = 8_192  # conversations kept unpacked
MOST_ENCODED: Final = 2_000  # messages of a conversation
_GATED_WORDS: Final = 3
_SHORT_WORDS: Final = 6  # a message that may go on with the one before it
_TAIL_WORDS: Final = 8


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a score is made with.

    Attributes:
        lexicon: Rules.
        weights: What signs count.
        prototypes: Sentences for the encoder, or None to do without.
        digest: SHA-256 over the files of all of them, hexadecimal: which score is this.
    """

    lexicon: Lexicon
    weights: Weights
    prototypes: Prototypes | None
    digest: str

    @staticmethod
    def shipped(encoder: bool) -> Parts:  # noqa: FBT001 - the seam that others call
        """Return lexicon, weights and, with the encoder, prototypes as they are shipped.

        Raises:
            ServiceError: the encoder cannot be loaded.
        """
        return _with_encoder() if encoder else _without_encoder()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What a message changed.

    Attributes:
        conversation: Which.
        author: Who showed signs.
        other: Towards whom.
        points: Of the pair, now.
        shown: What the message showed.
        message: The `id` of the message; it may be the other's, where that one states an age.
        crossed: Whether the pair reached the point with this message, for the first time.
    """

    conversation: str
    author: str
    other: str
    points: float
    shown: tuple[Shown, ...] = ()
    message: str = ""
    crossed: bool = False


class _Read(msgspec.Struct, gc=False):
    """A message as the lexicon reads it, before the state is asked."""

    split: Split
    hits: list[Hit]
    question: bool
    asks: bool
    like: Likeness | None = None


class Scorer:
    """The state of all conversations that are open; not for several threads.

    Args:
        parts: What the score is made with.
        point: From how many points on a conversation is put forward.
        most_pairs: Pairs kept; conversations longest not heard of are forgotten beyond it.
        offset_min: Minutes that the speakers' clocks are ahead of UTC; night is by it.

    Attributes:
        forgotten: Conversations that were forgotten because there were too many.
    """

    def __init__(
        self,
        parts: Parts,
        *,
        point: float = DEFAULT_POINT,
        most_pairs: int = 1_000_000,
        offset_min: int = 0,
    ) -> None:
        self.parts = parts
        self.point = point
        self.forgotten = 0
        self._most_pairs = most_pairs
        self._offset_min = offset_min
        self._hot: OrderedDict[str, Open] = OrderedDict()
        self._cold: OrderedDict[str, tuple[int, bytes]] = OrderedDict()
        self._cold_pairs = 0
        self._hot_pairs = 0

    @property
    def pairs(self) -> int:
        """How many pairs are kept."""
        return self._hot_pairs + self._cold_pairs

    def take(self, message: Message) -> Change | None:
        """Count a message; return what it changed, or None.

        Messages of a conversation come in its order; conversations may interleave.
        """
        read = self._read(message)
        if read is not None and self.parts.prototypes is not None and read.asks:
            read.like = self.parts.prototypes.like([_encoded(message, read.split)])[0]
        return self._count(message, read)

    def take_many(self, messages: Sequence[Message]) -> list[Change]:
        """Count messages as `take` does, and encode all gated ones at once."""
        reads = [self._read(message) for message in messages]
        model = self.parts.prototypes
        if model is not None:
            gated = [at for at, read in enumerate(reads) if read is not None and read.asks]
            texts = [_encoded(messages[at], reads[at].split) for at in gated]  # type: ignore[union-attr] # gated ones are read
            for at, like in zip(gated, model.like(texts), strict=True):
                reads[at].like = like  # type: ignore[union-attr] # likewise
        changes = (self._count(*one) for one in zip(messages, reads, strict=True))
        return [change for change in changes if change is not None]

    def note_known_media(
        self, conversation: str, message_id: str, number: int, author: str
    ) -> None:
        """Count a file that a hash list has, towards those whom its author last spoke to."""
        opened = self._open(conversation)
        by = opened.numbers.get(author)
        if by is None:
            return
        shown = Shown(sign=Sign.KNOWN_MEDIA, message=message_id, number=number, rule="hash_list")
        before = len(opened.talk.pairs)
        for other in opened.others(by, (), "", ()):
            pair = opened.pair(by, other)
            if len(pair.media) < SHOWN:
                pair.media.append(shown)
        self._hot_pairs += len(opened.talk.pairs) - before

    def score(self, conversation: str) -> ConversationScore:
        """Return a conversation's score as it stands."""
        opened = self._peek(conversation)
        return conversation_score(conversation, opened.talk, self.parts.weights, self.point)

    def close(self, conversation: str) -> ConversationScore:
        """Return a conversation's score, and forget its state."""
        told = self.score(conversation)
        self._drop(conversation)
        return told

    def dump(self, conversation: str) -> bytes:
        """Return a conversation's state, without text.

        The end of the last message, with which a short next one would be read, is not in it.
        """
        return pack(self._peek(conversation).talk)

    def load(self, conversation: str, state: bytes) -> None:
        """Take up a conversation where `dump` left it.

        Raises:
            UsageError: the state is none, or of another version.
        """
        try:
            talk = unpack(state)
        except msgspec.DecodeError as error:
            raise UsageError(
                "the state of a conversation cannot be read",
                code="chat_state",
                hint="begin the conversation anew",
            ) from error
        self._drop(conversation)
        self._keep(conversation, Open(talk))

    def _read(self, message: Message) -> _Read | None:
        if message.system or not message.author or not message.text:
            return None
        rules = self.parts.lexicon
        split = rules.split(message.text)
        hits = rules.find(split)
        question = "?" in split.folded.text
        asks = False
        if self.parts.prototypes is not None and len(split.words) >= _GATED_WORDS:
            asks = question or bool(hits) or split.words[0] in self.parts.prototypes.gate
        return _Read(split, hits, question, asks)

    def _count(self, message: Message, read: _Read | None) -> Change | None:
        opened = self._open(message.conversation)
        talk = opened.talk
        if message.system or not message.author:
            talk.number += 1
            return None
        author = opened.speaker(message.author, message.name, message.age_band)
        number = talk.number
        change = None
        before = len(talk.pairs)
        if author != NOBODY:
            change = self._spoken(opened, message, author, read)
            opened.spoke(author, message.id)
        talk.number = number + 1
        self._hot_pairs += len(talk.pairs) - before
        if self.pairs > self._most_pairs:
            self._forget()
        return change

    def _spoken(
        self, opened: Open, message: Message, author: int, read: _Read | None
    ) -> Change | None:
        words = read.split.words if read else ()
        others = opened.others(author, message.to, message.reply_to, words)
        pairs = [opened.pair(author, other) for other in others]
        for pair in pairs:
            pair.spoken(
                opened.talk.number,
                question=read is not None and read.question,
                time=message.time,
                offset_min=self._offset_min,
            )
        if read is None:
            return None
        self._read_on(opened, author, read)
        notes = {hit.rule.note for hit in read.hits if hit.rule.note is not None}
        aged = self._noted(opened, message, pairs, read, notes)
        shown = () if Note.AWARE in notes else _shown(message, opened, read, self.parts.weights)
        changes: list[Change] = []
        if shown:
            for pair in pairs:
                minor = known_minor(opened.talk, pair.other)
                pair.show(shown, opened.talk.number, minor=minor)
                if any(one.sign is Sign.AGE for one, _ in shown):
                    opened.ask_age(pair.other)
                changes.append(self._change(opened, message, pair, shown))
        if aged:
            back = (opened.known(other, author) for other in others)
            changes += [
                self._change(opened, message, pair, ()) for pair in back if pair and pair.marked
            ]
        return max(changes, key=lambda one: (one.crossed, one.points), default=None)

    def _read_on(self, opened: Open, author: int, read: _Read) -> None:
        """Read a short message together with the end of the speaker's last one."""
        words = read.split.words
        speaker, before = opened.tail
        if speaker != author:
            before = []
        if before and len(words) <= _SHORT_WORDS:
            read.hits = [*read.hits, *self.parts.lexicon.across(before, read.split)]
        opened.tail = (author, [*before, *words][-_TAIL_WORDS:])

    def _noted(
        self,
        opened: Open,
        message: Message,
        pairs: Sequence[Pair],
        read: _Read,
        notes: set[Note],
    ) -> bool:
        """Count what is no sign; tell whether the author stated an age that was not known."""
        talk = opened.talk
        author = pairs[0].author
        others = [pair.other for pair in pairs]
        speaker = talk.speakers[author]
        talk.sale += Note.SALE in notes
        talk.surprise += Note.SURPRISE in notes
        speaker.kin += Note.KIN in notes
        speaker.home += Note.HOME in notes
        speaker.role += Note.ROLE in notes
        speaker.aware += Note.AWARE in notes
        speaker.adult += Note.ADULT in notes
        if Note.REFUSAL in notes:
            for other in others:
                if pair := opened.known(other, author):
                    pair.refuse(talk.number)
        split = read.split
        age = ages.stated(
            split.words,
            split.present,
            split.folded.text,
            asked=opened.was_asked_age(author),
        )
        if age is None and Note.SAME in notes:
            age = opened.same_age(author)
        if Note.AGE_ASKED in notes and (age or speaker.minor_age or speaker.adult_age):
            for other in others:
                opened.ask_age(other)
        if age is None:
            return False
        talk.last_age = (talk.number, age, author)
        if age >= ages.OF_AGE:
            speaker.adult_age = age
            return False
        fresh = not speaker.minor_age
        if fresh:
            speaker.minor_at, speaker.minor_message = talk.number, message.id
            speaker.minor_span = split.span(0, len(split.words))
        speaker.minor_age = min(speaker.minor_age or age, age)
        return fresh

    def _change(
        self,
        opened: Open,
        message: Message,
        pair: Pair,
        shown: Sequence[tuple[Shown, float]],
    ) -> Change:
        talk = opened.talk
        one = tally(talk, pair, against(talk, pair))
        points = sum(weigh(self.parts.weights, one).values())
        crossed = (
            not pair.crossed_at and points >= self.point and may_alert(self.parts.weights, one)
        )
        if crossed:
            pair.crossed_at = talk.number + 1
        return Change(
            conversation=message.conversation,
            author=talk.speakers[pair.author].author,
            other=talk.speakers[pair.other].author,
            points=points,
            shown=tuple(one for one, _ in shown),
            message=message.id,
            crossed=crossed,
        )

    def _open(self, conversation: str) -> Open:
        opened = self._hot.get(conversation)
        if opened is not None:
            self._hot.move_to_end(conversation)
            return opened
        cold = self._cold.pop(conversation, None)
        if cold is None:
            opened = Open()
        else:
            self._cold_pairs -= cold[0]
            opened = Open(unpack(cold[1]))
        self._keep(conversation, opened)
        return opened

    def _keep(self, conversation: str, opened: Open) -> None:
        self._hot[conversation] = opened
        self._hot_pairs += len(opened.talk.pairs)
        while len(self._hot) > MOST_HOT:
            name, oldest = self._hot.popitem(last=False)
            count = len(oldest.talk.pairs)
            self._hot_pairs -= count
            self._cold_pairs += count
            self._cold[name] = (count, pack(oldest.talk))

    def _peek(self, conversation: str) -> Open:
        if (opened := self._hot.get(conversation)) is not None:
            return opened
        cold = self._cold.get(conversation)
        return Open(unpack(cold[1])) if cold else Open()

    def _drop(self, conversation: str) -> None:
        if (opened := self._hot.pop(conversation, None)) is not None:
            self._hot_pairs -= len(opened.talk.pairs)
        if (cold := self._cold.pop(conversation, None)) is not None:
            self._cold_pairs -= cold[0]

    def _forget(self) -> None:
        """Forget whole conversations, those longest not heard of first; never the one at hand."""
        while self.pairs > self._most_pairs:
            if self._cold:
                _, (count, _state) = self._cold.popitem(last=False)
                self._cold_pairs -= count
            elif len(self._hot) > 1:
                _, opened = self._hot.popitem(last=False)
                self._hot_pairs -= len(opened.talk.pairs)
            else:
                return
            self.forgotten += 1

    def pair(self, conversation: str, author: str, other: str) -> PairScore | None:
        """Return the score of one pair as it stands, or None; others of a large group are not."""
        opened = self._peek(conversation)
        by, to = opened.numbers.get(author), opened.numbers.get(other)
        if by is None or to is None:
            return None
        both = (opened.known(by, to), opened.known(to, by))
        few = {pair.author << 32 | pair.other: pair for pair in both if pair is not None}
        talk = msgspec.structs.replace(opened.talk, pairs=few)
        told = conversation_score(conversation, talk, self.parts.weights, self.point)
        return next((p for p in told.pairs if (p.author, p.other) == (author, other)), None)


def _shown(
    message: Message, opened: Open, read: _Read, weights: Weights
) -> tuple[tuple[Shown, float], ...]:
    """Return each sign that a message shows, by its strongest rule, with its strength."""
    best: dict[Sign, Hit] = {}
    for hit in read.hits:
        sign = hit.rule.sign
        if sign is not None and (sign not in best or hit.rule.strength > best[sign].rule.strength):
            best[sign] = hit
    number = opened.talk.number
    shown = []
    for sign, hit in best.items():
        start, end = read.split.span(hit.start, hit.end)
        one = Shown(
            sign=sign, message=message.id, number=number, rule=hit.rule.id, start=start, end=end
        )
        shown.append((one, hit.rule.strength))
    like = read.like
    refuses = any(hit.rule.note is Note.REFUSAL for hit in read.hits)  # about what was asked
    if like is not None and not best and not refuses and opened.talk.encoded < MOST_ENCODED:
        opened.talk.encoded += 1
        one = Shown(
            sign=like.sign,
            message=message.id,
            number=number,
            rule=like.prototype,
            end=len(message.text),
            similarity=like.similarity,
        )
        shown.append((one, weights.prototype))
    return tuple(shown)


def _encoded(message: Message, split: Split) -> str:
    """Return what the encoder reads: the text as written, folded only where it is disguised."""
    return split.folded.text if split.folded.altered else message.text


@cache
def _without_encoder() -> Parts:
    return _parts(None)


@cache
def _with_encoder() -> Parts:
    return _parts(Prototypes(prototypes.shipped()))


def _parts(model: Prototypes | None) -> Parts:
    files = [*lexicon.shipped_bytes().values(), weighing.shipped_bytes()]
    if model is not None:
        files += prototypes.shipped_bytes().values()
    digest = hashlib.sha256()
    for data in files:
        digest.update(hashlib.sha256(data).digest())
    return Parts(
        lexicon=lexicon.shipped(),
        weights=weighing.load(),
        prototypes=model,
        digest=digest.hexdigest(),
    )
