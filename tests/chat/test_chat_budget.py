import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from tutela.chat.budget import Choice, false_alerts, upper_bound
from tutela.chat.model import ConversationScore
from tutela.core.errors import UsageError


def score(name, points, *, alert=False):
    return ConversationScore(
        conversation=name, points=points, pairs=(), messages=1, speakers=2, alert=alert
    )


def choose(scores, budget):
    choice = Choice(budget)
    for one in scores:
        choice.add(one, one)
    return choice.made()


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_bound_is_the_one_of_the_book(pair):
    count, total = pair
    exact = 1.0 if count == total else float(beta.ppf(0.95, count + 1, total - count))
    assert upper_bound(count, total) == pytest.approx(exact, rel=1e-6)


def test_none_of_many_is_about_three_parts():
    assert upper_bound(0, 30_000) == pytest.approx(3 / 30_000, rel=0.01)


@pytest.mark.parametrize(("count", "total"), [(0, 0), (2, 1), (-1, 5)])
def test_a_part_of_nothing_is_refused(count, total):
    with pytest.raises(UsageError):
        upper_bound(count, total)


def test_the_budget_shows_the_heaviest_and_says_ties():
    some = [score("a", 5), score("b", 12, alert=True), score("c", 5), score("d", 0), score("e", 5)]
    chosen = choose(some, 2)
    assert [one.conversation for one in chosen.shown] == ["b", "a"]
    assert (chosen.point, chosen.tied, chosen.alerts, chosen.left) == (5, 2, 1, 2)
    assert choose(some, 99).left == 0
    assert choose([], 5).shown == ()
    with pytest.raises(UsageError):
        choose(some, -1)


def test_false_alerts_are_told_from_the_operators_own_traffic():
    told = false_alerts([float(at) for at in range(100)], 98.0)
    assert (told.reached, told.rate) == (2, 0.02)
    assert 0.02 < told.upper < 0.07
    nothing = false_alerts([], 10.0)
    assert (nothing.conversations, nothing.rate, nothing.upper) == (0, None, None)
