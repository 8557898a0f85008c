"""The service with a trained model: probabilities from what is kept of words, which is no word."""

from __future__ import annotations

import threading

import chat_corpus_support as made
import pytest

from tutela.chat.model import Message
from tutela.chat.service import Service
from tutela.chat.training import train
from tutela.chat.training.corpus import read
from tutela.chat.training.heard import Heard
from tutela.core import chatting
from tutela.core.chat_settings import ChatSettings
from tutela.core.principal import SYSTEM

SETTINGS = ChatSettings(enabled=True, legal_basis="invented for tests", retention_days=1)


@pytest.fixture(scope="module")
def model(corpus):
    config = train.Config(licence="invented for tests", may_use=True)
    return train.train(corpus, made.PlainScorer(), made.PARTS, config, point=made.POINT).model


def test_pairs_carry_the_probability_of_the_model(corpus, model):
    service = Service(SETTINGS, made.PlainScorer, made.PARTS, model=model)
    read_ = [m for m in read(corpus) if isinstance(m, Message) and m.conversation == "c0003"]
    sent = [
        chatting.Message(conversation=m.conversation, id=m.id, author=m.author, text=m.text)
        for m in read_
    ]
    answers = [answer for some in service.take(SYSTEM, sent) for answer in some]
    assert {answer.model for answer in answers} == {model.version}
    (pair,) = service.standing(SYSTEM, "c0003").pairs
    scorer = made.PlainScorer()
    scorer.take_many(read_)
    (expected,) = scorer.close("c0003").pairs
    weights = model.weigh([m.text for m in read_ if m.author == expected.author])
    heard = Heard(sum(weights), len(weights))
    at = model.probability(model.logit([expected], heard))
    assert pair.probability == pytest.approx(at, abs=1e-6)
    assert pair.probability > 0.3


def test_speakers_beyond_the_room_have_signs_alone(model):
    small = ChatSettings(enabled=True, legal_basis="invented", retention_days=1, pairs=100)
    service = Service(small, made.PlainScorer, made.PARTS, model=model)
    sent = [
        chatting.Message(conversation="big", id=str(n), author=f"a{n}", text="how old are you")
        for n in range(300)
    ]
    assert sum(len(some) for some in service.take(SYSTEM, sent)) == 300
    (program,) = service._programs.values()
    assert program.heard == len(program.talks["big"].heard) == 100
    service.forget(SYSTEM, "big")
    assert program.heard == 0


def test_threads_share_a_program_and_nothing_is_lost():
    service = Service(SETTINGS, made.PlainScorer, made.PARTS)

    def send(thread: int) -> None:
        for number in range(20):
            sent = [
                chatting.Message(conversation="c", id=f"{thread}-{number}-{n}", author=f"a{thread}")
                for n in range(10)
            ]
            list(service.take(SYSTEM, sent))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = service.standing(SYSTEM, "c")
    assert (found.messages, found.speakers) == (1_200, 6)
