"""Every point is told with its posts; differences add up; ranks say what they hang on."""

from __future__ import annotations

import pytest
from actors_support import Site

from tutela.actors import link, weighing
from tutela.actors.evidence import collect
from tutela.actors.explain import LIMITS, explain, why_above
from tutela.actors.model import CounterKind, Named, Ranking
from tutela.actors.rank import rank
from tutela.actors.sensitivity import DRAWS, sensitivity
from tutela.observation.model import EntityKind

W = weighing.load()


@pytest.fixture
def site() -> Site:
    made = Site()
    made.account(1, site=1, role="admin")
    made.account(2, site=2)
    made.steady(1, things=24, every_days=14)
    made.steady(2, things=12, source="second", severity=3)
    return made


@pytest.fixture
def ranking(site: Site) -> Ranking:
    return rank(site.seen(), W)


def test_each_line_names_posts_and_all_lines_add_up(site, ranking):
    by_id = {post.id: post for post in site.posts}
    for lead in ranking.leads:
        told = explain(ranking, lead)
        assert sum(line.points for line in told.lines) == pytest.approx(lead.score.total)
        for line in told.lines:
            assert line.posts or "role" in line.sentence
            assert all(by_id[post].account in lead.accounts for post in line.posts)
        assert told.limits == LIMITS
        assert told.weights == "v1"


def test_what_speaks_against_a_lead_stands_beside_it(ranking):
    kinds = {lead.accounts[0]: {each.kind for each in lead.counter} for lead in ranking.leads}
    assert all(CounterKind.PRIVATE_UNSEEN in each for each in kinds.values())
    assert CounterKind.ONE_SOURCE in kinds[2]


def test_lists_that_differ_and_likeness_are_told():
    site = Site()
    site.steady(1)
    for number in range(20):
        name = f"1.{number}"
        (entry,) = site.known[name]
        like = type(entry)(entry.entity, "second", 3, exact=False)
        site.known[name] = (like,) if number < 8 else (entry, like)
    (lead,) = rank(site.seen(), W).leads
    kinds = {each.kind for each in lead.counter}
    assert {CounterKind.SOURCES_DIFFER, CounterKind.PERCEPTUAL_ONLY} <= kinds


def test_why_one_is_above_the_other_adds_up(ranking):
    above, below = ranking.leads
    told = why_above(above, below)
    assert told.points > 0
    assert told.points == pytest.approx(above.score.ranked - below.score.ranked)
    assert sum(each.points for each in told.differences) == pytest.approx(told.points)
    assert told.sentence.startswith("+")
    back = why_above(below, above)
    assert back.points == pytest.approx(-told.points)


def test_links_that_merge_and_links_that_do_not_are_told_apart(site):
    key = EntityKind.PGP_KEY
    site.account(3, site=3)
    site.steady(3)
    for account in (1, 3):
        statement = Named(key, "AA", verified=True, statement=str(account), names_author=True)
        site.post(account, 5, named=(statement,))
    site.accounts[4] = site.accounts[1].__class__(4, 4, site.accounts[1].handle)
    ranking = rank(site.seen(), W)
    lead = next(lead for lead in ranking.leads if 1 in lead.accounts)
    told = explain(ranking, lead, link.links(collect(site.seen()), W, [1, 2, 3, 4]))
    assert set(lead.accounts) == {1, 3}
    assert len(told.merged_by) == 1
    others = [{each.first, each.second} for each in told.other_links]
    assert {1, 4} in others
    assert {1, 3} not in others


def test_a_rank_tells_what_it_hangs_on(site):
    found = sensitivity(site.seen(), W, (1, 2))
    assert [each.what for each in found[1].varied[:2]] == [
        "without the list first",
        "without the list second",
    ]
    assert len(found[1].varied) == 2 + DRAWS
    assert found[1].varied[0].rank is None
    assert found[1].worst is None
    assert found[2].varied[0].rank == 1
    assert found[2].best == 1
    assert found == sensitivity(site.seen(), W, (1, 2))
