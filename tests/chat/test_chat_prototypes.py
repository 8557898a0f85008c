import msgspec
import pytest
from chat_scoring import dialogues, talk

from tutela.chat import prototypes
from tutela.chat.lexicon import Lexicon
from tutela.chat.model import Sign
from tutela.chat.scorer import Parts, Scorer
from tutela.core.errors import SettingsError


@pytest.fixture(scope="module")
def parts():
    return Parts.shipped(encoder=True)


def test_each_sign_of_a_line_has_prototypes(parts):
    for one in prototypes.shipped():
        assert len(one.sign) == 11
    assert parts.digest != Parts.shipped(encoder=False).digest


def test_what_is_like_a_prototype_is_told_with_its_likeness(parts):
    told = parts.prototypes.like(
        ["is somebody else in the room with you now", "the train leaves at five"]
    )
    assert told[0].sign is Sign.ALONE
    assert told[0].prototype.startswith("prototype.en.alone.")
    assert 0.5 <= told[0].similarity <= 1
    assert told[1] is None
    assert parts.prototypes.like(["is somebody else in the room with you now"]) == told[:1]


def test_harmless_sentences_are_like_no_sign(parts):
    texts = [
        text for one in prototypes.shipped() for some in one.harmless.values() for text in some
    ]
    assert parts.prototypes.like(texts) == [None] * len(texts)


def test_a_likeness_counts_less_than_a_rule(parts):
    scorer = Scorer(msgspec.structs.replace(parts, lexicon=Lexicon([])))
    for message in talk("b: hi", "a: is somebody else in the room with you now?"):
        change = scorer.take(message)
    assert change.shown[0].similarity > 0
    assert change.points == pytest.approx(parts.weights.signs[Sign.ALONE] * parts.weights.prototype)


def test_streaming_and_batches_agree_with_the_encoder(parts):
    messages = [one for _, some in list(dialogues("risk"))[:6] for one in some]
    one, many = Scorer(parts), Scorer(parts)
    changes = [change for message in messages if (change := one.take(message))]
    told = many.take_many(messages)
    assert [(c.conversation, c.points, c.crossed) for c in told] == [
        (c.conversation, c.points, c.crossed) for c in changes
    ]


@pytest.mark.parametrize("data", [b"", b"\xff", b"language = 2"])
def test_prototypes_that_do_not_hold_are_refused(data):
    with pytest.raises(SettingsError):
        prototypes.parse(data)
