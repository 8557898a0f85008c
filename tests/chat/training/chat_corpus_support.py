"""Invented mild dialogues from templates, written as a PAN-2012 corpus; and a plain scorer.

For tests of the machinery only: figures on it say nothing of any real conversation.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import msgspec

from tutela.chat.model import (
    ConversationScore,
    Message,
    PairScore,
    Reason,
    Shown,
    Sign,
)
from tutela.chat.reader import Reader
from tutela.chat.training.corpus import Corpus, open_corpus

SMALL_TALK = (
    "did you finish the homework for {subject}",
    "the {subject} test was harder than last week",
    "our team won the match on {day}",
    "the bus was late again on {day}",
    "which level are you on in that game",
    "my cat sleeps on the keyboard all day",
    "shall we practise {subject} on {day}",
    "the weather is awful here",
    "i baked bread with my sister on {day}",
    "what is the score now",
    "haha yes",
    "ok see you later",
)
WORRYING = (
    "how old are you then",
    "are you alone at home on {day}",
    "keep this between us please",
    "lets write on the other app instead",
    "send me a picture of you",
    "you are so mature for your age",
    "dont tell your parents about {subject}",
    "shall we meet on {day} after school",
)
ANSWERS = ("why do you ask", "i dont know", "maybe", "no thanks", "i am thirteen")
SUBJECTS = ("maths", "history", "music", "biology")
DAYS = ("monday", "tuesday", "friday", "sunday")
RULES = {
    "how old": Sign.AGE,
    "alone": Sign.ALONE,
    "between us": Sign.SECRECY,
    "other app": Sign.CHANNEL,
    "picture": Sign.PICTURE,
    "mature": Sign.FLATTERY,
    "parents": Sign.SECRECY,
    "meet on": Sign.MEETING,
}
POINT = 4.0
READERS: list[Reader] = []  # the one of the session, opened by conftest
PARTS = bytes(range(32))


def write(
    folder: Path,
    flagged: int = 40,
    harmless: int = 160,
    seed: int = 7,
    *,
    lines: bool = True,
    ids_from: int = 0,
) -> Corpus:
    """Write a corpus of pairs; every tenth harmless conversation shares a speaker with another.

    `ids_from` is the first number of an id: corpora whose ids are apart have nobody in common.
    """
    draw = random.Random(seed)
    rows, ids, telling = [], [], []
    last = ids_from + flagged
    for number in range(ids_from, last + harmless):
        risky = number < last
        talk, one, two = f"c{number:04x}", f"a{number:05x}", f"b{number:05x}"
        if not risky and number % 10 == 0:
            two = f"b{number - 1:05x}" if number - 1 >= last else two
        said = list(_talk(draw, one, two, risky=risky))
        rows.append(f'<conversation id="{talk}">')
        for line, (author, text, tells) in enumerate(said, 1):
            if tells:
                telling.append(f"{talk}\t{line}")
            rows.append(
                f'<message line="{line}"><author>{author}</author>'
                f"<time>0{line % 10}:15</time><text>{escape(text)}</text></message>"
            )
        rows.append("</conversation>")
        ids += [one] if risky else []
    xml = folder / "corpus.xml"
    body = "\n".join(rows)
    xml.write_text(f'<?xml version="1.0" encoding="UTF-8"?>\n<conversations>{body}</conversations>')
    names, told = folder / "flagged.txt", folder / "lines.txt"
    names.write_text("\n".join(ids) + "\n")
    told.write_text("\n".join(telling) + "\n")
    return open_corpus(xml, names, told if lines else None, reader=READERS[0])


def _talk(draw: random.Random, one: str, two: str, *, risky: bool):
    for turn in range(draw.randint(8, 30)):
        speaker = one if turn % 2 == 0 else two
        # Others ask such things too, now and then.
        tells = speaker == one and draw.random() < (0.5 if risky else 0.03)
        texts = WORRYING if tells else ANSWERS if risky and speaker == two else SMALL_TALK
        text = draw.choice(texts).format(subject=draw.choice(SUBJECTS), day=draw.choice(DAYS))
        yield speaker, text, tells and risky


class Change(msgspec.Struct, frozen=True):
    conversation: str
    author: str
    other: str
    points: float
    shown: tuple[Shown, ...]
    message: str
    crossed: bool


class PlainScorer:
    """One point for each sign that a rule finds; two signs of a speaker may alert."""

    def __init__(self, point: float = POINT) -> None:
        self.point = point
        self.texts = 0
        self._talks: dict[str, dict] = {}

    def take_many(self, messages: Sequence[Message]) -> list[Change]:
        return [change for message in messages if (change := self._take(message))]

    def _take(self, message: Message) -> Change | None:
        self.texts += 1
        talk = self._talks.setdefault(
            message.conversation, {"count": 0, "speakers": {}, "signs": {}, "crossed": {}}
        )
        talk["speakers"][message.author] = None
        number, talk["count"] = talk["count"], talk["count"] + 1
        found = [
            Shown(
                sign=sign,
                message=message.id,
                number=number,
                rule=f"test.{sign}",
                start=at,
                end=at + len(words),
            )
            for words, sign in RULES.items()
            if (at := message.text.find(words)) >= 0
        ]
        if not found:
            return None
        talk["signs"].setdefault(message.author, []).extend(found)
        pair = self._pair(talk, message.author)
        crossed = pair.may_alert and pair.points >= self.point
        first = crossed and message.author not in talk["crossed"]
        if first:
            talk["crossed"][message.author] = number + 1
        return Change(
            conversation=message.conversation,
            author=message.author,
            other=pair.other,
            points=pair.points,
            shown=tuple(found),
            message=message.id,
            crossed=first,
        )

    def _pair(self, talk: dict, author: str) -> PairScore:
        by_sign: dict[Sign, list[Shown]] = {}
        for shown in talk["signs"].get(author, ()):
            by_sign.setdefault(shown.sign, []).append(shown)
        reasons = tuple(
            Reason(sign=sign, points=float(len(all_)), count=len(all_), shown=tuple(all_[:5]))
            for sign, all_ in by_sign.items()
        )
        return PairScore(
            author=author,
            other=next((o for o in talk["speakers"] if o != author), ""),
            points=sum(reason.points for reason in reasons),
            reasons=reasons,
            may_alert=len(reasons) >= 2,
            crossed_at=talk["crossed"].get(author),
        )

    def score(self, conversation: str) -> ConversationScore:
        empty = {"count": 0, "speakers": {}, "signs": {}, "crossed": {}}
        talk = self._talks.get(conversation, empty)
        pairs = sorted(
            (self._pair(talk, author) for author in talk["signs"]), key=lambda p: -p.points
        )
        alerting = [p.points for p in pairs if p.may_alert]
        points = max(alerting, default=0.0)
        return ConversationScore(
            conversation=conversation,
            points=points,
            pairs=tuple(pairs[:20]),
            messages=talk["count"],
            speakers=len(talk["speakers"]),
            alert=points >= self.point,
        )

    def pair(self, conversation: str, author: str, other: str) -> PairScore | None:
        talk = self._talks.get(conversation)
        found = self._pair(talk, author) if talk and author in talk["signs"] else None
        return found if found and found.other == other else None

    def close(self, conversation: str) -> ConversationScore:
        found = self.score(conversation)
        self._talks.pop(conversation, None)
        return found
