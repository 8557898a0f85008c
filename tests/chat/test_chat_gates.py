"""The gates that every release passes, at the default point as it is shipped.

What they are measured on is invented or was written by adults; none of it is evidence of
performance on real victims. `make bench ONLY=chat` measures all of the real chat.
"""

from __future__ import annotations

from statistics import median

import chat_suites
import pytest

from tutela.chat.model import STAGES, Sign
from tutela.chat.scorer import Parts
from tutela.chat.weighing import DEFAULT_POINT

STATES = {Sign.PERSISTENCE, Sign.MINOR, Sign.ASYMMETRY, Sign.NIGHT}


@pytest.fixture(scope="module")
def parts() -> Parts:
    return Parts.shipped(encoder=True)


@pytest.fixture(scope="module")
def risk(parts: Parts) -> list:
    return list(chat_suites.scores(parts, chat_suites.suite("risk")))


def test_the_suites_are_large_enough_and_as_they_were_written():
    risk, harmless = chat_suites.suite("risk"), chat_suites.suite("harmless")
    assert len(risk) >= 150
    assert len(harmless) >= 300
    assert {one.language for one in harmless} == {"en", "de", "es", "fr"}
    assert {one.style for one in risk} >= {"leet", "slow", "refused", "group"}
    assert any(one.language == "mixed" for one in risk)
    assert max(len(one.messages) for one in risk) > 200


def test_the_point_is_the_one_that_was_fixed_beforehand():
    assert DEFAULT_POINT == 10.0


def test_four_fifths_of_the_risky_dialogues_alert(risk):
    alerts = sum(one.alert for one in risk)
    assert alerts / len(risk) >= 0.8, f"{alerts} of {len(risk)}"


def test_half_of_those_alerts_come_within_forty_messages(risk):
    crossed = [
        min(pair.crossed_at for pair in one.pairs if pair.may_alert and pair.crossed_at)
        for one in risk
        if one.alert
    ]
    assert median(crossed) <= 40


def test_alerts_are_about_who_asks(risk):
    askers = {one.name: one.asker for one in chat_suites.suite("risk")}
    alerts = [one for one in risk if one.alert]
    right = sum(one.pairs[0].author == askers[one.conversation] for one in alerts)
    assert right / len(alerts) >= 0.95, f"{right} of {len(alerts)}"


def test_at_most_two_of_a_hundred_harmless_dialogues_alert(parts):
    found = list(chat_suites.scores(parts, chat_suites.suite("harmless")))
    alerts = sum(one.alert for one in found)
    assert alerts / len(found) <= 0.02, f"{alerts} of {len(found)}"


def test_at_most_one_of_two_hundred_harmless_real_conversations_alerts(parts):
    found = list(chat_suites.scores(parts, chat_suites.chitchat(share=6)))
    alerts = sum(one.alert for one in found)
    assert len(found) > 1_000
    assert alerts / len(found) <= 0.005, f"{alerts} of {len(found)}"


def test_no_alert_rests_on_one_line(risk):
    for score in risk:
        for pair in score.pairs:
            if not pair.may_alert or pair.points < DEFAULT_POINT:
                continue
            lines = [one for one in pair.reasons if one.sign not in STATES]
            numbers = {shown.number for one in lines for shown in one.shown}
            signs = {one.sign for one in pair.reasons}
            exception = {Sign.PICTURE, Sign.MINOR} <= signs
            assert (len(lines) >= 2 and len(numbers) >= 2) or exception


def test_every_reason_of_an_alert_names_its_stage_and_adds_up(risk):
    for score in risk:
        for pair in score.pairs:
            assert {one.sign for one in pair.reasons} <= set(STAGES)
            assert sum(one.points for one in pair.reasons) == pytest.approx(pair.points, abs=1e-6)
