"""Filters and orders are written in an address and read back."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.casework import view
from tutela.casework.model import MediaState
from tutela.casework.view import Filter, Sort, SortKey, View
from tutela.core.errors import UsageError

WORDS = st.text(st.characters(blacklist_characters="\0"), min_size=1, max_size=30)
CODES = st.text("ABCDEF0123456789-", min_size=1, max_size=4)
FILTERS = st.builds(
    Filter,
    states=st.sets(st.sampled_from(MediaState), max_size=3).map(lambda s: tuple(sorted(s))),
    codes=st.sets(CODES, max_size=3).map(lambda s: tuple(sorted(s))),
    exhibit=st.none() | st.integers(0, 10**12),
    camera=st.none() | WORDS,
    series=st.none() | st.integers(0, 10**6),
    victim=st.none() | st.integers(0, 10**6),
    tag=st.none() | WORDS,
    path=st.none() | WORDS,
    hits=st.none() | st.booleans(),
    stacks=st.none() | st.booleans(),
    second=st.none() | st.booleans(),
    located=st.none() | st.booleans(),
    captured_from=st.none() | st.dates(),
    captured_until=st.none() | st.dates(max_value=date(9999, 12, 30)),
    members=st.booleans(),
)
SORTS = st.builds(Sort, st.sampled_from(SortKey), st.booleans())


@given(st.builds(View, FILTERS, SORTS))
def test_a_view_survives_its_address(wanted: View):
    assert view.parse(view.query(wanted)) == wanted


def test_nothing_asked_is_an_empty_address():
    assert view.query(View()) == {}
    assert view.parse({"state": "", "sort": ""}) == View()
    assert view.parse({"sort": "-captured"}).sort == Sort(SortKey.CAPTURED, descending=True)


@pytest.mark.parametrize(
    "given_",
    [
        {"colour": "red"},
        {"state": "openn"},
        {"exhibit": "-1"},
        {"exhibit": "٣"},
        {"exhibit": "9" * 30},
        {"hits": "true"},
        {"from": "yesterday"},
        {"sort": "--size"},
        {"path": "a\0b"},
        {"path": "x" * 400},
    ],
)
def test_what_is_not_known_is_refused(given_: dict[str, str]):
    with pytest.raises(UsageError):
        view.parse(given_)
