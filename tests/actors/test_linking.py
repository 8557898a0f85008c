"""Links are suggested by evidence; people confirm and undo them, and what they said stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from leads_support import CONTACT, FIRST, READ, Town, page, post

from tutela.actors import linking, ranking
from tutela.actors.linking import CONFIRMED, SUGGESTED, UNDONE, Suggestion
from tutela.core.errors import AccessError, ConflictError, UsageError
from tutela.observation import keep
from tutela.observation.keep import Source
from tutela.observation.model import EntityKind, EntitySeen

MAIL = EntitySeen(EntityKind.EMAIL, "heron@post.test", checked=True)


KEY = "AB" * 20


def signed(statement: str, **more: bool) -> EntitySeen:
    named = {"names_author": True, **more}
    return EntitySeen(
        EntityKind.PGP_KEY, KEY, checked=True, verified=True, statement=statement, **named
    )


def rank(town: Town) -> ranking.RankingInfo:
    return ranking.rank(town.database, town.who, town.case_id, town.desk())


def link(town: Town) -> linking.LinkInfo:
    with town.database.read() as tx:
        pair = town.account("heron"), town.account("heron", 1)
        return linking.between(tx, town.who, town.case_id, *pair)


def more(town: Town, *names: EntitySeen) -> None:
    """Let heron give names on both sites."""
    source = Source(town.case_id, "crawl order 1", timedelta(days=400))
    with town.database.write() as tx:
        for host in ("forum.test", "board.test"):
            at = FIRST + timedelta(days=40)
            said = post("heron", f"{host} more", at, entities=names)
            keep.pages(tx, town.words, source, [page(said, thread="n", host=host)], READ)


def test_one_contact_only_hints_and_two_link(town: Town):
    rank(town)
    hint = link(town)
    assert (hint.tier, hint.state) == ("C", SUGGESTED)
    with town.database.write() as tx, pytest.raises(UsageError, match="only hints"):
        linking.confirm(tx, town.who, town.case_id, hint.id, "it looks so")
    more(town, MAIL)
    rank(town)
    found = link(town)
    assert (found.id, found.tier) == (hint.id, "B")
    assert {one["kind"] for one in found.evidence} >= {"tox", "email"}
    with town.database.write() as tx:
        confirmed = linking.confirm(tx, town.who, town.case_id, found.id, "both were checked")
        assert confirmed.state == CONFIRMED
        with pytest.raises(ConflictError):
            linking.confirm(tx, town.who, town.case_id, found.id, "again")
    rank(town)
    assert link(town).state == CONFIRMED
    with town.database.read() as tx:
        first = ranking.of_account(tx, town.who, town.case_id, town.account("heron"))
    assert first is not None
    assert first.members == (town.account("heron"),), "tier B never merges"


def test_what_is_undone_stays_undone_when_it_is_found_again(town: Town):
    more(town, MAIL)
    rank(town)
    found = link(town)
    with town.database.write() as tx:
        linking.undo(tx, town.who, town.case_id, found.id, "the mail is a shop's")
        with pytest.raises(ConflictError):
            linking.undo(tx, town.who, town.case_id, found.id, "again")
    rank(town)
    again = link(town)
    assert (again.state, again.reason) == (UNDONE, "the mail is a shop's")
    with town.database.write() as tx:
        linking.confirm(tx, town.who, town.case_id, found.id, "it is not, after all")
    assert link(town).state == CONFIRMED


def test_suggestions_that_are_found_no_more_go_and_decisions_stay(town: Town):
    one, two, three = (town.account(name) for name in ("gull", "finch", "wren"))
    made = [
        Suggestion(one_id=b, other_id=a, tier="B", weight=3.0, evidence=({"kind": "tox"},))
        for a, b in ((one, two), (one, three))
    ]
    with town.database.write() as tx:
        linking.keep(tx, town.case_id, made)
        kept = linking.between(tx, town.who, town.case_id, one, three)
        linking.undo(tx, town.who, town.case_id, kept.id, "no")
        linking.keep(tx, town.case_id, [])
        assert [x.state for x in linking.listed(tx, town.who, town.case_id)] == [UNDONE]
        assert linking.undone(tx, town.case_id) == {(min(one, three), max(one, three))}
        assert linking.listed(tx, town.who, town.case_id, [two]) == []
        with pytest.raises(UsageError):
            linking.between(tx, town.who, town.case_id, one, two)


def test_an_undone_pair_is_not_ranked_as_one(town: Town):
    rank(town)
    pair = town.account("heron"), town.account("heron", 1)
    with town.database.write() as tx:
        linking.undo(tx, town.who, town.case_id, link(town).id, "no")
        assert (min(pair), max(pair)) in linking.undone(tx, town.case_id)
        with pytest.raises(AccessError):
            other = town.office.person("supervisor", 1)
            linking.confirm(tx, other, town.case_id, 1, "x")
    assert CONTACT.checked


def sign(town: Town, *by_site: tuple[str, str, EntitySeen]) -> None:
    """Let somebody post a signed text on a site."""
    source = Source(town.case_id, "crawl order 1", timedelta(days=400))
    with town.database.write() as tx:
        for place, (handle, host, name) in enumerate(by_site):
            at = FIRST + timedelta(days=50 + place)
            said = post(handle, f"{host} signed", at, entities=(name,))
            keep.pages(tx, town.words, source, [page(said, thread="k", host=host)], READ)


def test_a_key_that_signs_for_both_accounts_ranks_them_as_one_until_it_is_undone(town: Town):
    sign(town, ("heron", "forum.test", signed("01")), ("heron", "board.test", signed("02")))
    rank(town)
    found = link(town)
    assert found.tier == "A"
    both = (town.account("heron"), town.account("heron", 1))
    with town.database.read() as tx:
        first = ranking.of_account(tx, town.who, town.case_id, town.account("heron"))
    assert set(first.members) == set(both)
    with town.database.write() as tx:
        linking.undo(tx, town.who, town.case_id, found.id, "the key was sold")
    rank(town)
    with town.database.read() as tx:
        first = ranking.of_account(tx, town.who, town.case_id, town.account("heron"))
    assert len(first.members) <= 1


def test_who_pastes_what_another_signed_is_not_that_other(town: Town):
    pasted = signed("01", names_author=False)
    sign(town, ("heron", "forum.test", signed("01")), ("owl", "board.test", pasted))
    rank(town)
    with town.database.read() as tx:
        tiers = {
            one.tier
            for one in linking.listed(tx, town.who, town.case_id)
            if town.account("owl", 1) in {one.one_id, one.other_id}
        }
    assert "A" not in tiers
