"""The service in a large group: each pair that crosses has its reasons, and costs no more."""

from __future__ import annotations

import msgspec
import pytest

from tutela.chat import limits
from tutela.chat.model import Message
from tutela.chat.scorer import Parts, Scorer
from tutela.chat.service import Service
from tutela.core import chatting
from tutela.core.chat_settings import ChatSettings
from tutela.core.principal import SYSTEM

SETTINGS = ChatSettings(enabled=True, legal_basis="invented for tests", retention_days=1)
CROWD = 3 * limits.PAIRS


class Watched(Scorer):
    """Counts how often a whole conversation is scored."""

    wholes = 0

    def score(self, conversation):
        self.wholes += 1
        return super().score(conversation)


class Several(Watched):
    """Tells of each pair towards whom a message went, as crossed."""

    def take_many(self, messages):
        found = {one.message: one for one in super().take_many(messages)}
        return [
            msgspec.structs.replace(found[message.id], other=other, crossed=True)
            for message in messages
            if message.id in found
            for other in message.to
        ]


@pytest.fixture
def parts():
    return Parts.shipped(encoder=False)


def serving(parts, scorer):
    made = []

    def make():
        made.append(scorer(parts))
        return made[-1]

    return Service(SETTINGS, make, bytes.fromhex(parts.digest)), made


def sent(author, number, text, *to):
    return chatting.Message(
        conversation="g", id=f"{author}{number}", author=author, text=text, to=to
    )


def ask(service, messages):
    return [one for some in service.take(SYSTEM, messages) for one in some]


def test_every_crossed_answer_of_a_group_has_reasons(parts):
    service, made = serving(parts, Watched)
    ask(service, [sent(f"s{n}", 0, "i am 12") for n in range(CROWD)])
    answers = ask(service, [sent("a", n, "send me a pic of you", f"s{n}") for n in range(CROWD)])
    crossed = [one for one in answers if one.crossed]
    assert [one.other for one in crossed] == [f"s{n}" for n in range(CROWD)]
    for n, one in enumerate(crossed):
        assert {reason.sign for reason in one.reasons} >= {"picture", "minor"}
        assert {line.message for r in one.reasons for line in r.lines} <= {f"a{n}", f"s{n}0"}
        assert sum(reason.points for reason in one.reasons) == pytest.approx(one.points)
    assert sum(one.wholes for one in made) == 0


def test_a_message_that_crosses_towards_several_is_answered_for_each(parts):
    service, _ = serving(parts, Several)
    ask(service, [sent(f"s{n}", 0, "i am 12") for n in range(3)])
    answers = ask(service, [sent("a", 0, "send me a pic of you", "s0", "s2")])
    assert [(one.id, one.other, one.crossed) for one in answers] == [
        ("a0", "s0", True),
        ("a0", "s2", True),
    ]
    assert all(one.reasons for one in answers)


def test_a_pair_alone_is_as_among_all(parts):
    scorer = Scorer(parts)
    texts = ("how old are you", "i am 12", "send me a picture of you", "no", "are you alone")
    for number, text in enumerate(texts * 3):
        scorer.take(Message(conversation="c", id=str(number), author="abc"[number % 3], text=text))
    told = scorer.score("c")
    assert len(told.pairs) > 2
    assert [scorer.pair("c", one.author, one.other) for one in told.pairs] == list(told.pairs)
    assert scorer.score("c") == told
    for wrong in (("c", "a", "x"), ("c", "x", "a"), ("nowhere", "a", "b"), ("c", "a", "a")):
        assert scorer.pair(*wrong) is None
