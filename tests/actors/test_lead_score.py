"""What counts, once; what counts nothing; and what nobody can do to somebody else's score."""

from __future__ import annotations

import random
from datetime import timedelta
from importlib import resources

import msgspec
import pytest
from actors_support import BEGIN, Site
from hypothesis import given
from hypothesis import strategies as st

from tutela.actors import weighing
from tutela.actors.evidence import collect
from tutela.actors.model import Observed, Score, TermKind
from tutela.actors.rank import rank
from tutela.actors.score import lower, score, things
from tutela.core.errors import SettingsError
from tutela.observation.model import MediaRole

W = weighing.load()


def scored(seen: Observed, *accounts: int) -> Score:
    evidence = collect(seen)
    return score(evidence, accounts, W, things(evidence, accounts, W))


def one(*, views: int | None = 100, **values) -> Score:
    site = Site()
    site.post(1, 0, site.thing("a", **values), views=views)
    return scored(site.seen(), 1)


def test_a_thing_counts_once_however_often_it_is_posted():
    site = Site()
    name = site.thing("a")
    for day in range(5):
        site.post(1, day, name, views=100)
    score = scored(site.seen(), 1)
    assert len(score.terms) == 1 + len([t for t in score.terms if not t.factors])
    assert score.terms[0].posts == (1, 2, 3, 4, 5)
    assert score.material < 5 * one().material


def test_near_duplicates_are_one_thing():
    site = Site()
    site.thing("a")
    site.known["b"] = (msgspec.structs.replace(site.known["a"][0], exact=False),)
    site.post(1, 0, "a", "b")
    assert [term.kind for term in scored(site.seen(), 1).terms if term.factors] == [TermKind.EXACT]


def test_what_no_list_knows_counts_nothing():
    site = Site()
    site.post(1, 0, *[f"unknown {number}" for number in range(50)], views=100_000)
    assert scored(site.seen(), 1).total == 0
    assert not rank(site.seen(), W).leads


@pytest.mark.parametrize("role", [MediaRole.QUOTED, MediaRole.AVATAR])
def test_what_is_quoted_is_not_the_quoters(role):
    site = Site()
    site.post(1, 0, site.thing("a"), role=role)
    assert scored(site.seen(), 1).total == 0


def test_an_answer_with_the_thing_that_it_answers_is_a_quote_whatever_the_page_says():
    site = Site()
    source = site.post(1, 0, site.thing("a"))
    site.post(2, 1, "a", answers=(source,))
    site.post(3, 1, "a", answers=(999,))
    site.post(4, 1, site.thing("b"), answers=(source,))
    evidence = collect(site.seen())
    assert evidence.candidates() == [1, 4]
    assert dict(evidence.unsure) == {2: [2], 3: [3]}


def test_likeness_counts_less_and_is_told_apart():
    like = one(exact=False)
    assert like.terms[0].kind is TermKind.PERCEPTUAL
    assert like.material == pytest.approx(one().material * W.material.perceptual)


def test_only_the_first_by_an_hour_gets_the_bonus_and_no_one_after_a_list():
    site = Site()
    name = site.thing("a")
    site.post(1, 0, name)
    site.post(2, 1, name)
    first, second = (dict(scored(site.seen(), n).terms[0].factors) for n in (1, 2))
    assert first["first seen"] == 1 + W.material.first_seen_bonus
    assert second["first seen"] == 1
    old = one(known_since=BEGIN - timedelta(days=1))
    assert dict(old.terms[0].factors)["first seen"] == 1


def test_one_hit_is_sure_of_nothing_and_the_bound_is_below_the_sum():
    assert one().lower == 0
    assert lower([1.0] * 9, 1.0) == pytest.approx(6.0)
    assert lower([], 1.0) == 0


def test_terms_add_up_and_context_keeps_its_caps():
    site = Site()
    for number in range(4):
        site.account(number, site=number, role="admin")
        site.steady(number)
    seen = site.seen(markers=dict.fromkeys(range(4), 50))
    score = scored(seen, 0, 1, 2, 3)
    base = score.ranked - score.context
    context = [term for term in score.terms if not term.factors]
    assert {t.kind for t in context} >= {TermKind.ROLE, TermKind.SPREAD, TermKind.MARKERS}
    assert sum(term.points for term in score.terms) == pytest.approx(score.total)
    assert score.context == pytest.approx(W.context.cap * base)
    assert any(term.capped for term in context)
    assert score.worst <= score.lower <= score.material


def test_context_alone_is_worth_nothing():
    site = Site()
    site.account(1, role="admin")
    site.post(1, 0)
    assert scored(site.seen(markers={1: 9}), 1).ranked == 0


def test_without_its_best_window_a_single_burst_is_worth_nothing():
    site = Site()
    for number in range(30):
        site.post(1, number, site.thing(f"a{number}"))
    burst = scored(site.seen(), 1)
    assert burst.lower > 0
    assert burst.worst == 0


@given(st.randoms(use_true_random=False))
def test_the_order_in_which_rows_come_does_not_matter(chance: random.Random):
    site = Site()
    site.steady(1)
    site.steady(2, things=12)
    for number in range(12):
        site.post(3, 20 * number + 3, f"1.{number}", f"2.{number % 12}")
    seen = site.seen()
    posts, accounts = list(seen.posts), list(seen.accounts)
    chance.shuffle(posts)
    chance.shuffle(accounts)
    mixed = msgspec.structs.replace(seen, posts=tuple(posts), accounts=tuple(accounts))
    assert rank(mixed, W) == rank(seen, W)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 300),
            st.integers(0, 19),
            st.sampled_from(MediaRole),
            st.booleans(),
            st.integers(0, 10**6),
        ),
        max_size=25,
    )
)
def test_nothing_that_another_posts_raises_an_account(extra):
    site = Site()
    site.steady(1)
    before = scored(site.seen(), 1)
    for day, number, role, answers, views in extra:
        about = (1 + 2 * number,) if answers else ()
        site.post(2, day, f"1.{number}", role=role, answers=about, views=views, hour=13.5)
    after = scored(site.seen(), 1)
    assert after.ranked <= before.ranked + 1e-9
    assert after.material <= before.material + 1e-9


def test_chat_and_quotes_of_others_do_not_move_what_is_assumed_of_silent_sites():
    site = Site()
    for number in range(10):
        site.post(1, 9 * number, site.thing(f"a{number}"), views=None)
        site.post(2, 9 * number, site.thing(f"b{number}"), views=50)
    before = scored(site.seen(), 1)
    site.post(3, 100, "b1", "b2", role=MediaRole.QUOTED, views=10**6)
    site.post(3, 101, views=10**6)
    assert scored(site.seen(), 1).material == before.material


@pytest.mark.parametrize(
    "text", ["version = 1", "nonsense", "version = 'x'\nsurprise = 2", "\xff" * 70_000]
)
def test_weights_that_do_not_hold_are_refused(text):
    with pytest.raises(SettingsError):
        weighing.parse(text.encode("latin-1"))


def test_weights_of_the_agency_are_read_from_their_file(tmp_path):
    file = tmp_path / "weights.toml"
    shipped = resources.files("tutela.actors") / "weights" / weighing.SHIPPED
    file.write_text(shipped.read_text().replace('version = "v1"', 'version = "ours 3"'))
    assert weighing.load(file).version == "ours 3"
    with pytest.raises(SettingsError):
        weighing.load(tmp_path / "none.toml")
    assert W.severity_points(1.5) == pytest.approx(2.0)
    assert W.severity_points(9) == W.severity_points(3)
