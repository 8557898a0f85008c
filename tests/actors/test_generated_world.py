"""The generator does what its parameters say, and its truth is no score."""

from __future__ import annotations

from statistics import mean

from generated import SEEDS

from world import corpus
from world.making import make
from world.parameters import HABITS, OPEN, final
from world.shape import OFFENDERS, Kind, Standing


def owners(world, kind: Kind) -> set[int]:
    truth = world.truth
    return {account for account, who in truth.owner.items() if truth.kind[who] is kind}


def test_a_seed_gives_one_world_and_another_seed_another(worlds):
    assert make(OPEN, SEEDS[0]) == worlds[0]
    assert worlds[0].posts != worlds[1].posts


def test_every_kind_lives_in_it_and_only_offenders_did_harm(worlds):
    for world in worlds:
        assert set(world.truth.kind.values()) == set(Kind) == set(HABITS)
        for person, kind in world.truth.kind.items():
            assert (world.truth.harm[person] > 0) <= (kind in OFFENDERS)
        assert not any(world.truth.harm_here[account] for account in world.truth.innocent)


def test_lists_know_six_in_ten_and_differ_now_and_then(worlds):
    world = worlds[0]
    items = {item for post in world.posts for item, _ in post.media}
    both = [entries for entries in world.listed.values() if len(entries) == 2]
    assert 0.35 < len(items & world.listed.keys()) / len(items) < 0.75
    assert 0.05 < mean(one.severity != other.severity for one, other in both) < 0.35
    assert any(entry.perceptual for entries in world.listed.values() for entry in entries)


def test_some_quotes_are_taken_for_the_moderators_own(worlds):
    moderators = [owners(world, Kind.MODERATOR) for world in worlds]
    read = [
        standing
        for world, theirs in zip(worlds, moderators, strict=True)
        for post in world.posts
        if post.account in theirs
        for _, standing in post.media
    ]
    assert 0 < read.count(Standing.POSTED) / len(read) < 0.25


def test_stolen_accounts_show_known_things_late_and_from_another_hand(worlds):
    world = worlds[0]
    for account in owners(world, Kind.HIJACKED):
        posts = [post for post in world.posts if post.account == account]
        bad = [p for p in posts if "offer" in p.acts]
        rest = [p for p in posts if "offer" not in p.acts]
        assert {p.voice for p in bad}.isdisjoint(p.voice for p in rest if p.about is None)
        if bad and len(rest) > 5:
            assert mean(p.at_days for p in bad) > mean(p.at_days for p in rest)


def test_framers_paste_keys_of_others_and_repeat_what_they_signed(worlds):
    pasted = repeated = 0
    for world in worlds:
        framers = owners(world, Kind.FRAMER)
        names = [(post.account, each) for post in world.posts for each in post.named]
        signed = {each.statement for who, each in names if each.names_author or who not in framers}
        theirs = {each.value for who, each in names if who not in framers}
        pasted += sum(who in framers and each.value in theirs for who, each in names)
        repeated += sum(
            who in framers and each.verified and each.statement in signed for who, each in names
        )
    assert pasted > 10
    assert repeated > 0


def test_the_two_sets_of_parameters_differ():
    hidden = final()
    assert hidden.salt != OPEN.salt
    assert hidden.loss > OPEN.loss
    assert hidden.people != OPEN.people


def test_words_are_those_of_the_installed_corpus():
    assert len(corpus.senders()) > 1300
    assert corpus.text(-1, 3) == ""
    assert corpus.text(0, 0)
