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

from tutela.chat import lexicon, noting, prototypes, showing, weighing
from tutela.chat.lexicon import Lexicon
from tutela.chat.limits import SHOWN
from tutela.chat.model import ConversationScore, Message, PairScore, Shown, Sign
from tutela.chat.prototypes import Prototypes
from tutela.chat.showing import Read
from tutela.chat.state import NOBODY, Forgotten, Open, Pair, number_of, pack, unpack
from tutela.chat.summing import against, conversation_score, known_minor, tally
from tutela.chat.weighing import DEFAULT_POINT, Weights, may_alert, weigh
from tutela.core.errors import UsageError

MOST_HOT: Final = 8_192  # conversations kept unpacked


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


class Scorer:
    """The state of all conversations that are open; not for several threads.

    Args:
        parts: What the score is made with.
        point: From how many points on a conversation is put forward.
        most_pairs: Pairs kept; conversations longest not heard of are forgotten beyond it.
        offset_min: Minutes that the speakers' clocks are ahead of UTC; night is by it.

    Attributes:
        forgotten: How often a conversation was forgotten because there were too many; one that
            goes on later is numbered on, and its score says that it is incomplete.
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
        self._gone = Forgotten()

    @property
    def pairs(self) -> int:
        """How many pairs are kept."""
        return self._hot_pairs + self._cold_pairs

    def take(self, message: Message) -> Change | None:
        """Count a message; return what it changed, or None.

        Messages of a conversation come in its order; conversations may interleave. Of several
        pairs that a message changes the one is told that crosses the point, and of those the
        heaviest; `take_many` tells all that cross it.
        """
        read = self._read(message)
        if read is not None and self.parts.prototypes is not None and read.asks:
            read.like = self.parts.prototypes.like([showing.encoded(message, read.split)])[0]
        told = self._count(message, read)
        return told[0] if told else None

    def take_many(self, messages: Sequence[Message]) -> list[Change]:
        """Count messages as `take` does, and encode all gated ones at once.

        Returns:
            By message in order: a change for each pair that crosses the point, the heaviest first;
            of a message by which none does, what it changed of the heaviest pair.
        """
        reads = [self._read(message) for message in messages]
        model = self.parts.prototypes
        if model is not None:
            gated = [at for at, read in enumerate(reads) if read is not None and read.asks]
            texts = [showing.encoded(messages[at], reads[at].split) for at in gated]  # type: ignore[union-attr] # gated ones are read
            for at, like in zip(gated, model.like(texts), strict=True):
                reads[at].like = like  # type: ignore[union-attr] # likewise
        told = (self._count(*one) for one in zip(messages, reads, strict=True))
        return [change for changes in told for change in changes]

    def note_known_media(  # noqa: PLR0913 - what a message says of itself
        self,
        conversation: str,
        message_id: str,
        number: int,
        author: str,
        *,
        to: Sequence[str] = (),
        reply_to: str = "",
    ) -> None:
        """Count a file that a hash list has, towards those whom its message goes to.

        Where that is not said, they are whom the author last spoke to. A pair that reaches the
        point by it is told with its next message, and by its score.
        """
        opened = self._open(conversation)
        by = opened.numbers.get(author)
        if by is None:
            return
        shown = Shown(sign=Sign.KNOWN_MEDIA, message=message_id, number=number, rule="hash_list")
        before = len(opened.talk.pairs)
        for other in opened.others(by, to, reply_to, ()):
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

    def _read(self, message: Message) -> Read | None:
        return showing.read(self.parts.lexicon, self.parts.prototypes, message)

    def _count(self, message: Message, read: Read | None) -> list[Change]:
        opened = self._open(message.conversation)
        talk = opened.talk
        if message.system or not message.author:
            talk.number += 1
            return []
        author = opened.speaker(message.author, message.name, message.age_band)
        number = talk.number
        changes: list[Change] = []
        before = len(talk.pairs)
        if author != NOBODY:
            changes = self._spoken(opened, message, author, read)
            opened.spoke(author, message.id)
        talk.number = number + 1
        self._hot_pairs += len(talk.pairs) - before
        if self.pairs > self._most_pairs:
            self._forget()
        return changes

    def _spoken(
        self, opened: Open, message: Message, author: int, read: Read | None
    ) -> list[Change]:
        words = read.split.words if read else ()
        others = opened.others(author, message.to, message.reply_to, words)
        pairs = [opened.pair(author, other) for other in others]
        back = [pair for other in others if (pair := opened.known(other, author))]
        for pair in pairs:
            pair.spoken(
                opened.talk.number,
                question=read is not None and read.question,
                time=message.time,
                offset_min=self._offset_min,
            )
        changes: list[Change] = []
        if read is not None:
            changes = self._said(opened, message, pairs, back, read)
        # Hours, questions, an age that the platform tells: the point is reached without a sign too.
        quiet = (
            self._change(opened, message, pair, ()) for pair in (*pairs, *back) if pair.may_cross
        )
        return _told([*changes, *(change for change in quiet if change.crossed)])

    def _said(
        self,
        opened: Open,
        message: Message,
        pairs: Sequence[Pair],
        back: Sequence[Pair],
        read: Read,
    ) -> list[Change]:
        """Count what a message says; return what that changed of the pairs, each way."""
        talk = opened.talk
        showing.read_on(self.parts.lexicon, opened, pairs[0].author, read)
        shown = showing.shown(message, opened, read, self.parts.weights)
        aged = noting.noted(opened, message, pairs, read, signs=bool(shown))
        changes: list[Change] = []
        for pair in pairs if shown else ():
            pair.show(shown, talk.number, minor=known_minor(talk, pair.other))
            if any(one.sign is Sign.AGE for one, _ in shown):
                opened.ask_age(pair.other)
            changes.append(self._change(opened, message, pair, shown))
        if aged:
            changes += [self._change(opened, message, pair, ()) for pair in back if pair.marked]
        return changes

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
            opened = self._gone.open(conversation)
            self._gone.drop(conversation)
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
        return Open(unpack(cold[1])) if cold else self._gone.open(conversation)

    def _drop(self, conversation: str) -> None:
        if (opened := self._hot.pop(conversation, None)) is not None:
            self._hot_pairs -= len(opened.talk.pairs)
        if (cold := self._cold.pop(conversation, None)) is not None:
            self._cold_pairs -= cold[0]
        self._gone.drop(conversation)

    def _forget(self) -> None:
        """Forget whole conversations, those longest not heard of first; never the one at hand."""
        while self.pairs > self._most_pairs:
            if self._cold:
                name, (count, state) = self._cold.popitem(last=False)
                self._cold_pairs -= count
                self._gone.add(name, number_of(state))
            elif len(self._hot) > 1:
                name, opened = self._hot.popitem(last=False)
                self._hot_pairs -= len(opened.talk.pairs)
                self._gone.add(name, opened.talk.number)
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


def _told(changes: Sequence[Change]) -> list[Change]:
    """Return each change that crosses the point, or else the heaviest."""
    heavy = sorted(changes, key=lambda one: -one.points)
    return [one for one in heavy if one.crossed] or heavy[:1]


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
