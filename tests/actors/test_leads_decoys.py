"""No lead may contain an innocent, in worlds made to produce them; the ceilings are the issue's."""

from __future__ import annotations

import pytest

import leads_peers
import leads_world
from tutela.actors.rank import rank

FIRST = 30


@pytest.fixture(scope="module", params=[0.0, 0.5], ids=["all posts", "half of the posts"])
def rankings(request, worlds, weights):
    seen = [
        leads_world.observed(world, request.param, number) for number, world in enumerate(worlds)
    ]
    return request.param, [(w, s, rank(s, weights)) for w, s in zip(worlds, seen, strict=True)]


def test_no_lead_contains_an_innocent(rankings):
    _, ranked = rankings
    for world, _, ranking in ranked:
        innocent = world.truth.innocent
        named = [lead.accounts for lead in ranking.leads[:FIRST] if innocent & set(lead.accounts)]
        assert not named


def test_what_simpler_rankers_name_shows_that_the_decoys_work(rankings):
    _, ranked = rankings
    for world, seen, _ in ranked:
        innocent = world.truth.innocent
        for peer in (leads_peers.post_count, leads_peers.hits, leads_peers.any_shared_key):
            assert any(innocent & set(lead) for lead in peer(seen)[:FIRST])


def test_the_order_follows_the_harm_that_was_done(rankings):
    unseen, ranked = rankings
    for world, _, ranking in ranked:
        strongest = [lead.accounts[0] for lead in ranking.leads[:FIRST]]
        assert leads_world.ndcg(strongest, leads_world.gains(world)) > (0.65 if unseen else 0.75)


def test_nobody_is_merged_with_another_person(rankings):
    _, ranked = rankings
    merged = 0
    for world, _, ranking in ranked:
        owner = world.truth.owner
        for link in ranking.merged:
            merged += 1
            assert owner[link.first] == owner[link.second]
    assert merged


def test_everybody_with_a_known_thing_is_a_lead_or_told_why_not(rankings):
    _, ranked = rankings
    for _, _, ranking in ranked:
        groups = [lead.accounts for lead in ranking.leads]
        groups += [each.accounts for each in ranking.abstained]
        flat = [account for group in groups for account in group]
        assert len(flat) == len(set(flat))
        assert [lead.rank for lead in ranking.leads] == list(range(1, len(ranking.leads) + 1))


def test_accounts_that_the_blind_list_knows_are_never_leads(rankings):
    _, ranked = rankings
    for world, _, ranking in ranked:
        assert not world.told & {a for lead in ranking.leads for a in lead.accounts}
