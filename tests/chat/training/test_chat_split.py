"""Nobody, and nobody's partner, is in two folds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.chat.training.split import Groups, folds, touched
from tutela.core.errors import InputError

links = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=60)


@given(links)
def test_groups_are_those_who_are_linked(pairs):
    groups = Groups()
    plain: list[set[int]] = [{number} for number in range(41)]
    for one, two in pairs:
        groups.link(one, two)
        joined = plain[one] | plain[two]
        for member in joined:
            plain[member] = joined
    for one in range(41):
        assert groups.of(one) == min(plain[one])


@given(links, st.integers(0, 9))
def test_partners_stay_together(pairs, seed):
    groups = Groups()
    for one, two in pairs:
        groups.link(one, two)
    of = [groups.of(number) for number in range(60)]
    flagged = [number >= 41 for number in range(60)]  # nobody is linked with these
    found = folds(of, flagged, 5, seed)
    assert found == folds(of, flagged, 5, seed)
    for one, two in pairs:
        assert found[one] == found[two]
    by_fold = [
        sum(f for f, fold in zip(flagged, found, strict=True) if fold == n) for n in range(5)
    ]
    assert max(by_fold) - min(by_fold) <= 1


def test_flagged_authors_of_one_group_cannot_be_divided():
    with pytest.raises(InputError) as refused:
        folds([0] * 50 + list(range(50, 90)), [True] * 50 + [False] * 40, 5, 1)
    assert refused.value.code == "not_divisible"


def test_whole_groups_are_touched():
    assert touched([0, 0, 2, 2, 4], [1, 4]) == {0, 1, 4}
