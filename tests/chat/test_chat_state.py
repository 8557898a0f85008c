import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.chat import state
from tutela.chat.limits import SHOWN
from tutela.chat.model import AgeBand, Shown, Sign
from tutela.chat.state import (
    NOBODY,
    Counted,
    Forgotten,
    Open,
    Pair,
    Speaker,
    Talk,
    number_of,
    pack,
    unpack,
)


def shown(sign, number=0):
    return Shown(sign=sign, message=str(number), number=number)


def test_the_first_and_the_strongest_are_kept():
    counted = Counted()
    for number, strength in enumerate([0.1, *[0.5] * 6, 1.0, 1.0]):
        counted.add(shown(Sign.PICTURE, number), strength)
    assert counted.count == 9
    assert len(counted.shown) == SHOWN
    assert counted.shown[0].number == 0
    assert {one.number for one in counted.shown} >= {7, 8}


def test_asking_again_after_a_refusal_is_persistence():
    pair = Pair(1, 2)
    pair.show([(shown(Sign.PICTURE), 1.0)], 0, minor=False)
    assert pair.refuse(1)
    pair.show([(shown(Sign.FLATTERY, 2), 1.0)], 2, minor=False)
    assert pair.persistence == 0
    pair.show([(shown(Sign.PICTURE, 3), 1.0)], 3, minor=False)
    assert (pair.persistence, pair.refusals) == (1, 1)


def test_a_no_to_nothing_is_no_refusal():
    pair = Pair(1, 2)
    assert not pair.refuse(3)
    pair.show([(shown(Sign.PICTURE), 1.0)], 0, minor=False)
    assert not pair.refuse(50)


def test_only_a_request_after_the_age_is_one_to_a_minor():
    pair = Pair(1, 2)
    pair.show([(shown(Sign.PICTURE), 1.0)], 0, minor=False)
    assert not pair.minor_request
    pair.show([(shown(Sign.PICTURE), 0.6)], 1, minor=True)
    assert not pair.minor_request
    pair.show([(shown(Sign.PICTURE), 1.0)], 2, minor=True)
    assert pair.minor_request


@given(st.integers(0, 400))
def test_the_ring_holds_the_last_fifty(count):
    pair = Pair(1, 2)
    for number in range(count):
        pair.spoken(number, question=False, time=None, offset_min=0)
        pair.show([(shown(Sign.AGE, number), 1.0)], number, minor=False)
    assert pair.ring.bit_count() == min(count, 50)
    assert len(pack(Talk(pairs={1: pair}))) < 2_000


def opened(*names):
    one = Open()
    for name in names:
        one.spoke(one.speaker(name, name, AgeBand.UNKNOWN), f"of {name}")
    return one


def test_two_speak_to_each_other():
    one = opened("a", "b")
    assert one.others(1, (), "", ()) == (2,)
    assert one.others(2, (), "", ()) == (1,)


def test_what_is_said_before_anybody_answers_goes_to_who_comes():
    one = opened("a")
    assert one.others(1, (), "", ()) == (NOBODY,)
    one.pair(1, NOBODY).messages = 3
    one.speaker("b", "b", AgeBand.UNKNOWN)
    assert one.known(1, 2).messages == 3
    assert one.known(1, NOBODY) is None


def test_in_a_group_an_answer_a_mention_and_the_last_speaker():
    one = opened("a", "b", "c", "d")
    one.spoke(4, "m9")
    assert one.others(1, ("c",), "m9", ("b",)) == (3,)
    assert one.others(1, (), "m9", ("b",)) == (4,)
    assert one.others(1, (), "", ("hi", "b")) == (2,)
    assert one.others(1, (), "", ("hi",)) == (4,)
    assert len(one.others(1, ("b", "c", "d", "a"), "", ())) == 3


def test_names_are_kept_as_checksums():
    one = Open()
    one.speaker("u1", "Ann Miller", AgeBand.UNKNOWN)
    assert one.talk.names == {zlib.crc32(b"ann"): 1}
    assert b"Miller" not in pack(one.talk)


def test_speakers_and_pairs_of_a_conversation_are_bounded(monkeypatch):
    monkeypatch.setattr(state, "TALK_PAIRS", 10)
    monkeypatch.setattr(state, "TALK_SPEAKERS", 20)
    one = opened(*[f"u{at}" for at in range(50)])
    assert len(one.talk.speakers) == 20
    for at in range(2, 20):
        one.pair(1, at)
    assert len(one.talk.pairs) == 10
    assert one.talk.left == 8


def test_a_platforms_word_makes_a_minor_or_an_adult():
    assert Speaker("a", band=AgeBand.MINOR).is_minor
    assert Speaker("a", band=AgeBand.ADULT).is_adult
    assert not Speaker("a", band=AgeBand.ADULT, minor_age=13).is_adult
    assert Speaker("a", adult_age=30).is_adult


@given(st.binary(max_size=60))
def test_a_state_that_is_none_is_refused(data):
    try:
        talk = unpack(data)
    except msgspec.DecodeError:
        return
    assert isinstance(talk, Talk)


def test_a_state_is_packed_and_unpacked():
    one = opened("a", "b", "c")
    one.pair(1, 2).show([(shown(Sign.AGE), 1.0)], 0, minor=False)
    assert unpack(pack(one.talk)) == one.talk


@pytest.mark.parametrize(("hour", "night"), [(15, 0), (23, 1), (3, 1), (6, 0), (21, 0)])
def test_night_is_by_the_clock(hour, night):
    from datetime import UTC, datetime  # noqa: PLC0415 - used here alone

    pair = Pair(1, 2)
    pair.spoken(0, question=False, time=datetime(2024, 1, 1, hour, tzinfo=UTC), offset_min=0)
    assert (pair.night, pair.timed, pair.days) == (night, 1, 1)


def test_of_what_is_forgotten_the_number_is_kept_and_bounded(monkeypatch):
    monkeypatch.setattr(state, "MOST_FORGOTTEN", 3)
    gone = Forgotten()
    for at in range(5):
        gone.add(f"c{at}\ud800", at + 7)
    assert [gone.open(f"c{at}\ud800").talk.number for at in range(5)] == [0, 0, 9, 10, 11]
    assert gone.open("c4\ud800").talk.forgotten
    gone.drop("c4\ud800")
    assert not gone.open("c4\ud800").talk.forgotten


def test_the_number_is_read_from_a_packed_state():
    one = opened("a", "b")
    one.talk.number = 70_000
    assert number_of(pack(one.talk)) == 70_000


SOME = st.sets(st.sampled_from([Sign.PICTURE, Sign.SECRECY, Sign.GIFT]), min_size=1)


@given(st.lists(SOME, max_size=5))
def test_two_signs_and_two_clear_messages_are_two_signs_on_two_messages(messages):
    pair = Pair(1, 2)
    for number, signs in enumerate(messages):
        pair.show([(shown(sign, number), 1.0) for sign in sorted(signs)], number, minor=False)
    showings = [(sign, at) for at, signs in enumerate(messages) for sign in signs]
    held = any(one[0] != two[0] and one[1] != two[1] for one in showings for two in showings)
    assert (pair.clear >= 2 and len(pair.signs) >= 2) == held


def test_a_weak_showing_is_no_clear_message():
    pair = Pair(1, 2)
    for number in range(5):
        pair.show([(shown(Sign.PICTURE, number), 0.5)], number, minor=False)
    assert (pair.clear, pair.marked) == (0, 5)
