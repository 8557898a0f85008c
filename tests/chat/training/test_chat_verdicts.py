"""What people said gives precision and order, and says that it gives no recall."""

from __future__ import annotations

import enum

import msgspec
import pytest
from chat_corpus_support import PARTS, POINT

from tutela.chat.training import evaluate, verdicts


class Verdict(enum.StrEnum):
    TRUE = "true"
    FALSE = "false"
    UNSURE = "unsure"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    conversation_id: int
    verdict: Verdict
    points: float = 9.0
    message: int | None = None
    sign: str = ""
    parts_sha256: bytes = PARTS
    given_by: int | None = 1

    @property
    def alert(self) -> bool:
        return self.points >= POINT


def said(number, verdict, points=9.0, **more):
    return Said(conversation_id=number, verdict=Verdict(verdict), points=points, **more)


def measured(*rows, at=(2, 10)):
    found = verdicts.of_feedback(rows, PARTS, POINT, at=at)
    whole, signs = found.tables
    return found, whole, {figure.name: figure for figure in (*whole.figures, *signs.figures)}


def test_precision_of_what_was_read_and_no_recall():
    found, table, values = measured(
        said(1, "true"), said(2, "false", 8), said(3, "unsure", 7), said(4, "true", 6),
        said(5, "false", 1),
    )  # fmt: skip
    assert (table.units, table.flagged) == (4, 2)
    assert found.left == {"other_parts": 0, "unsure": 1, "people_differ": 0}
    assert values["precision"].value == pytest.approx(2 / 3)
    assert values["recall"].value is None
    assert values["precision at 2"].value == 0.5
    assert values["precision at 10"].value is None
    text = "\n".join(evaluate.lines(found))
    assert "nothing tells of misses" in text
    assert "no data" in text


def test_the_last_word_of_a_person_counts_and_who_differ_are_left_out():
    found, table, values = measured(
        said(1, "false"), said(1, "true"),
        said(2, "true", given_by=1), said(2, "false", given_by=2),
        said(3, "unsure", given_by=1), said(3, "true", given_by=2),
        said(4, "true", parts_sha256=bytes(32)),
    )  # fmt: skip
    assert (table.units, table.flagged) == (2, 2)
    assert found.left == {"other_parts": 1, "unsure": 0, "people_differ": 1}
    assert values["precision"].value == 1


def test_signs_have_a_precision_of_their_own():
    _, table, values = measured(
        said(1, "true", sign="gift", message=3), said(1, "false", sign="gift", message=4),
        said(2, "true", sign="age"), said(2, "unsure", sign="night"),
    )  # fmt: skip
    assert table.units == 0  # nothing was said of a whole
    assert values["precision of gift"].value == 0.5
    assert values["precision of age"].value == 1
    assert "precision of night" not in values


def test_of_nothing_there_is_no_data():
    _, table, _ = measured()
    assert all(figure.value is None for figure in table.figures)
