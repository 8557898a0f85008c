"""What may merge, what links, what only hints, and what is no evidence at all."""

from __future__ import annotations

import numpy as np
import pytest
from actors_support import Site

from tutela.actors import hours, link, style, weighing
from tutela.actors.evidence import collect
from tutela.actors.model import Link, Named, Tier
from tutela.actors.rank import rank
from tutela.observation.model import EntityKind

W = weighing.load()
KEY = EntityKind.PGP_KEY


def signed(statement: str, *, names: bool = True) -> Named:
    return Named(KEY, "AB12", verified=True, statement=statement, names_author=names)


def two(first: tuple[Named, ...], second: tuple[Named, ...], **values) -> Link | None:
    """Return the link of two accounts that post names."""
    site = Site()
    site.account(1, handle="heron", site=1)
    site.account(2, handle="wren", site=2)
    for number in range(3, 60):
        site.account(number)
    for day, named in enumerate(first):
        site.post(1, day, named=(named,))
    for day, named in enumerate(second):
        site.post(2, 10 + day, named=(named,))
    found = link.links(collect(site.seen(**values)), W, [1, 2])
    return next((each for each in found if (each.first, each.second) == (1, 2)), None)


def test_texts_that_one_key_signed_and_that_name_both_accounts_merge():
    found = two((signed("one"),), (signed("other"),))
    assert found is not None
    assert found.merges
    assert found.evidence[0].tier is Tier.A
    assert found.evidence[0].posts == (1, 2)
    assert found.bits > 0


def test_a_pasted_key_is_no_evidence():
    pasted = Named(KEY, "AB12", checked=True)
    assert two((pasted,), (pasted,)) is None
    assert two((signed("one"),), (pasted,)) is None


def test_who_repeats_a_signed_text_proves_nothing():
    copied = signed("one", names=False)
    assert two((signed("one"),), (copied,)) is None
    assert two((signed("one"), signed("two")), (copied, signed("two", names=False))) is None


def test_a_signed_text_that_names_nobody_merges_nothing_also_if_its_original_was_not_seen():
    found = two((signed("one"),), (signed("other", names=False),))
    assert found is not None
    assert not found.merges
    assert not found.links


def test_a_quoted_signature_is_somebody_elses():
    quoted = Named(KEY, "AB12", quoted=True, verified=True, statement="x", names_author=True)
    assert two((signed("one"),), (quoted,)) is None


def test_two_independent_contact_ids_link_and_never_merge():
    session = Named(EntityKind.SESSION, "05aa", checked=True)
    xmpp = Named(EntityKind.XMPP, "heron@example.org", checked=True)
    alone = two((session,), (session,))
    both = two((session, xmpp), (session, xmpp))
    assert alone is not None
    assert both is not None
    assert (alone.links, both.links) == (False, True)
    assert not both.merges
    unchecked = Named(EntityKind.SESSION, "05aa")
    assert two((unchecked,), (session,)) is None


def test_a_contact_id_that_many_have_is_nobodys():
    site = Site()
    gift = Named(EntityKind.BITCOIN, "1gift", checked=True)
    for account in range(1, 9):
        site.account(account, handle=f"{account}")
        site.post(account, account, named=(gift,))
    assert not link.links(collect(site.seen()), W)


def test_what_the_site_itself_shows_merges_and_can_be_undone():
    site = Site()
    site.steady(1)
    site.steady(2)
    seen = site.seen(proved=((2, 1),))
    assert rank(seen, W).leads[0].accounts == (1, 2)
    apart = rank(seen, W, undone=[(2, 1)])
    assert {lead.accounts for lead in apart.leads} == {(1,), (2,)}
    assert not apart.merged


def test_handles_that_read_alike_and_shared_things_only_hint():
    site = Site()
    site.account(1, site=1, handle="GreyHeron77", avatar="a1")
    site.account(2, site=2, handle="grey_her\u043en", avatar="a1")
    for number in range(3, 90):
        site.account(number, handle=f"unlike {chr(97 + number % 26) * 6}{number}x")
    for number in range(12):
        name = site.thing(str(number))
        site.post(1, 9 * number, name)
        site.post(2, 9 * number + 1, name)
        site.post(3, 9 * number + 1, site.thing(f"other {number}"))
    found = link.links(collect(site.seen()), W, [1, 2])[0]
    assert {each.kind for each in found.evidence} >= {"handle", "avatar", "media"}
    assert {each.tier for each in found.evidence} == {Tier.C}
    assert not found.merges
    assert not found.links


def test_style_hints_below_five_thousand_characters_say_nothing():
    site = Site()
    for account in range(1, 30):
        site.post(account, account, site.thing(str(account)), text="a word or two " * 30)
    evidence = collect(site.seen())
    assert link.style_hints(evidence, W, evidence.candidates()) == ()


def test_skeletons_fold_what_is_drawn_alike():
    assert link.skeleton("\u0421edar_99") == link.skeleton("cedar") == "cedar"
    assert link.skeleton("c3dar") == "cedar"
    assert link.skeleton("\uff23edar") == "cedar"


def test_hours_of_one_person_and_of_two():
    rng = np.random.default_rng(1)
    day, again, night = (list(rng.normal(mean, 2, 40) % 24) for mean in (14, 14, 2))
    assert hours.apart_hours(day, night) > 10
    assert hours.chance(day, night) < 0.01 < hours.chance(day, again)
    assert hours.chance(night, day) == hours.chance(day, night)
    assert hours.focus(day) > 0.7
    assert hours.focus([float(hour) for hour in range(24)]) < 0.01
    assert hours.overlap(day, again) > 0.8 > hours.overlap(day, night)
    assert hours.apart_hours([23.5], [0.5]) == pytest.approx(1)


def test_a_text_is_most_like_itself_and_grams_keep_no_text():
    texts = [
        "the heron stands in the reeds",
        "a marten climbs a pine",
        "wrens, wrens, wrens!",
    ]
    table = style.vectors(texts)
    assert table.shape == (3, style.PLACES)
    assert np.allclose((table**2).sum(axis=1), 1)
    assert (style.z_scores(table, table).argmax(axis=1) == np.arange(3)).all()
    assert style.vectors([]).shape == (0, style.PLACES)
    assert style.counts("").sum() == 0
