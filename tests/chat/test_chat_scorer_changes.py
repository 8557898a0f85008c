"""What a message is told to have changed, and towards whom."""

import msgspec
from chat_scoring import BEGIN, posts, talk

from tutela.chat.model import AgeBand, Message, Sign
from tutela.chat.scorer import Parts, Scorer

SHIPPED = Parts.shipped(encoder=False)
# Weights of their own: what is tested is when a crossing is told, not what ships.
HEAVY = {Sign.AGE: 1.8, Sign.ALONE: 2.3, Sign.SECRECY: 3.8, Sign.PICTURE: 5.0}
PLAIN = msgspec.structs.replace(
    SHIPPED,
    weights=msgspec.structs.replace(
        SHIPPED.weights, chance=0.0, signs=SHIPPED.weights.signs | HEAVY
    ),
)
NEARLY = (
    *("a: hi", "b: hi", "a: are you home alone?", "a: keep this our secret"),
    *("a: how old are you?",) * 2,
)


def crossings(messages):
    """Return the changes by which a point is crossed, and the score afterwards."""
    messages = list(messages)
    scorer = Scorer(PLAIN)
    changes = scorer.take_many(messages)
    return [one for one in changes if one.crossed], scorer.score(messages[0].conversation)


def test_the_point_is_told_where_questions_reach_it_without_a_sign():
    before, score = crossings(talk(*NEARLY))
    assert not before
    assert 9.6 < score.points < 10
    changes, score = crossings(talk(*NEARLY, *["a: and what then?"] * 9))
    assert score.alert
    assert [(one.author, one.message, one.shown) for one in changes] == [("a", "m10", ())]
    assert score.pairs[0].crossed_at == 11


def test_the_point_is_told_where_the_hour_reaches_it():
    late = BEGIN.replace(hour=22)
    changes, score = crossings(talk(*NEARLY, *["a: fine"] * 9, begin=late))
    assert score.alert
    assert [(one.message, one.shown) for one in changes] == [("m10", ())]
    assert Sign.NIGHT in {one.sign for one in score.pairs[0].reasons}


def test_the_point_is_told_where_the_platform_tells_an_age():
    asks = ("hi", "don't tell your mum", "send me a pic of you")
    said = [
        Message(conversation="c", id=f"a{at}", author="a", text=text, age_band=AgeBand.ADULT)
        for at, text in enumerate(asks)
    ]
    answer = Message(conversation="c", id="b", author="b", text="ok")
    assert not crossings([*said, answer])[0]
    for known in (
        Message(conversation="c", id="b", author="b", text="ok", age_band=AgeBand.MINOR),
        Message(conversation="c", id="b", author="b", age_band=AgeBand.MINOR),
    ):
        changes, score = crossings([*said, answer, known])
        assert [(one.author, one.other, one.message) for one in changes] == [("a", "b", "b")]
        assert score.alert


def test_a_message_to_two_tells_both_pairs_that_cross():
    lines = ("a: hi", "b: hi", "c: hi", "b>a: i am 12", "c>a: i am 12", "a>b,c: how old are you?")
    messages = list(posts(*lines, "a>b,c: send me a pic of you"))
    changes, score = crossings(messages)
    assert {(one.author, one.other, one.message) for one in changes} == {
        ("a", "b", "m6"),
        ("a", "c", "m6"),
    }
    assert [one.points for one in changes] == sorted((one.points for one in changes), reverse=True)
    assert {pair.crossed_at for pair in score.pairs} == {7}
    scorer = Scorer(PLAIN)
    told = [scorer.take(message) for message in messages]
    assert told[-1] == changes[0]
    assert len(scorer.take_many([messages[-1]])) == 1  # they crossed before


def test_a_known_file_counts_towards_whom_it_was_sent_to():
    hello = ("a: hi", "b: hi", "c: hi", "d: hi")
    for towards, other in (({"to": ("b",)}, "b"), ({"reply_to": "m2"}, "c"), ({}, "d")):
        scorer = Scorer(PLAIN)
        scorer.take_many(list(posts(*hello)))
        scorer.note_known_media("g", "m4", 4, "a", **towards)
        assert [(pair.author, pair.other) for pair in scorer.score("g").pairs] == [("a", other)]
    scorer = Scorer(PLAIN)
    scorer.take_many(list(posts(*hello)))
    scorer.note_known_media("g", "m4", 4, "a", to=("b", "c"))
    assert {pair.other for pair in scorer.score("g").pairs} == {"b", "c"}
