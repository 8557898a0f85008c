"""Lines are cut where signs lie, and spans joined, whatever numbers come."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tutela.observation.conversation_lines import (
    AT_ONCE,
    MOST_OPENED,
    Fold,
    clipped,
    folded,
    joined,
    parts,
    size,
    within,
)

NUMBERS = st.integers(-5, 60)
SPANS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8)


@given(st.text(max_size=50), SPANS)
def test_a_text_in_pieces_is_the_text_and_counts_what_lies_in_a_span(text: str, spans):
    found = parts(text, spans)
    assert "".join(one.text for one in found) == text
    assert all(one.text for one in found)
    marks = [one.counted for one in found for _ in one.text]
    assert marks == [any(a <= place < b for a, b in spans) for place in range(len(text))]


@given(SPANS)
def test_joined_spans_hold_the_same_numbers_and_do_not_touch(spans):
    found = joined(spans)
    assert {n for a, b in found for n in range(a, b + 1)} == {
        n for a, b in spans for n in range(a, b + 1)
    }
    assert all(first[1] + 1 < second[0] for first, second in pairwise(found))


@given(st.lists(st.tuples(st.integers(-9, 10**9), st.integers(-9, 10**9)), max_size=60))
def test_no_more_is_opened_than_may_be(spans):
    found = within(spans, 5_000)
    assert sum(b - a + 1 for a, b in found) <= MOST_OPENED
    assert all(0 <= a <= b < 5_000 for a, b in found)


def test_a_fold_is_opened_some_lines_at_a_time():
    (fold,) = folded([], 1_000)
    assert isinstance(fold, Fold)
    assert (fold.first, fold.last, fold.count) == (0, 999, 1_000)
    assert fold.last_at_once == AT_ONCE - 1
    assert list(folded([], 0)) == []


def test_a_long_fold_can_be_read_to_its_end():
    opened, messages, following = (), 5_000, 20
    while following < messages:
        last = min(following + AT_ONCE, messages) - 1
        opened = within([*opened, (following, last)], messages)
        assert opened == ((max(20, last - MOST_OPENED + 1), last),)
        following = last + 1


@given(st.lists(st.tuples(st.integers(0, 4_999), st.integers(0, 4_999)), max_size=20))
def test_what_was_opened_last_is_always_open(spans):
    valid = clipped(spans, 5_000)
    found = within(spans, 5_000)
    if valid:
        first, last = valid[-1]
        wanted = (first, min(last, first + MOST_OPENED - 1))
        assert any(a <= wanted[0] and wanted[1] <= b for a, b in found)
    assert size(found) <= min(size(valid), MOST_OPENED)
    assert within(found, 5_000) == found


def test_lines_nearest_to_what_was_opened_last_stay():
    assert within([(0, 450), (1_000, 1_099)], 5_000) == ((51, 450), (1_000, 1_099))
    assert within([(1_000, 1_450), (0, 99)], 5_000) == ((0, 99), (1_000, 1_399))
