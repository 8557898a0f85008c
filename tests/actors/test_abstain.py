"""Whom no lead is made of: each reason by hand."""

from __future__ import annotations

import pytest
from actors_support import KEY, Site

from tutela.actors import blind, weighing
from tutela.actors.model import Abstention, CounterKind, Named, Observed, Reason
from tutela.actors.rank import rank
from tutela.observation.model import EntityKind

W = weighing.load()


def reason(seen: Observed, account: int = 1) -> Abstention | None:
    """Return why an account is no lead; None where it is one."""
    ranking = rank(seen, W)
    if any(account in lead.accounts for lead in ranking.leads):
        return None
    return next(each for each in ranking.abstained if account in each.accounts)


def steady(**values) -> Site:
    site = Site()
    site.account(1, **values)
    site.steady(1)
    return site


def burst(site: Site, begin: float, days: int, *, hour: float = 12) -> None:
    """Let known things come one a day, among talk of the same account."""
    for number in range(days):
        site.post(1, begin + number, site.thing(f"late {number}"), hour=hour + number % 3)


def chat(site: Site, days: range) -> None:
    for day in days:
        site.post(1, day, hour=11 + day % 4)


def test_who_brings_in_known_things_over_months_is_a_lead():
    assert reason(steady().seen()) is None


def test_a_few_hits_are_too_little():
    site = Site()
    for number in range(4):
        site.post(1, 30 * number, site.thing(str(number)))
    found = reason(site.seen())
    assert found is not None
    assert found.reason is Reason.TOO_LITTLE
    assert found.evidence[0].posts == (1, 2, 3, 4)


def test_an_account_that_may_be_a_childs_goes_to_safeguarding_whatever_else_it_has():
    found = reason(steady(says_minor=True).seen())
    assert found is not None
    assert found.reason is Reason.SAFEGUARDING
    site = Site()
    site.steady(1, self_generated=True)
    found = reason(site.seen())
    assert found is not None
    assert found.reason is Reason.SAFEGUARDING


def test_one_burst_after_months_of_talk_is_withheld_and_says_why():
    site = Site()
    chat(site, range(0, 200, 4))
    burst(site, 210, 70)
    found = reason(site.seen())
    assert found is not None
    assert found.reason is Reason.TAKEN_OVER
    assert found.evidence[0].kind is CounterKind.QUIET_BEFORE
    assert found.evidence[0].posts
    assert found.shown == "withheld for a check by a person"


def test_a_shorter_burst_is_too_little_however_much_came():
    site = Site()
    burst(site, 0, 50)
    found = reason(site.seen())
    assert found is not None
    assert found.reason is Reason.TOO_LITTLE


def test_known_things_at_other_hours_than_all_else_are_another_hands():
    site = Site()
    chat(site, range(0, 300, 5))
    for number in range(25):
        site.post(1, 12 * number, site.thing(f"night {number}"), hour=1 + number % 3)
    found = reason(site.seen())
    assert found is not None
    assert found.reason is Reason.TAKEN_OVER
    assert found.evidence[0].kind is CounterKind.OTHER_HOURS


def test_who_only_passes_on_what_was_known_is_withheld():
    site = Site()
    for number in range(20):
        name = site.thing(str(number))
        site.post(2, number, name)
        site.post(1, 30 + 12 * number, name, hour=12 + number % 3)
    found = reason(site.seen())
    assert found is not None
    assert found.reason is Reason.PASSES_ON_ONLY
    assert found.evidence[0].value == 0


@pytest.mark.parametrize("text", ["", "again"])
def test_a_program_is_no_lead(text):
    site = Site()
    for number in range(30):
        site.post(1, 9 * number, site.thing(str(number)), text=text)
    found = reason(site.seen())
    assert found is not None
    assert found.reason is Reason.PROGRAM


def test_who_never_sleeps_is_a_program():
    site = Site()
    for number in range(40):
        site.post(1, 9 * number, site.thing(str(number)), hour=number * 7 % 24)
    found = reason(site.seen())
    assert found is not None
    assert found.reason is Reason.PROGRAM


def test_the_blind_list_withholds_and_does_not_say_that_it_did():
    site = steady(handle="Quiet Heron")
    told = frozenset({blind.token(KEY, "handle", "quiet heron", "1")})
    found = reason(site.seen(protected=told))
    assert found is not None
    assert found.reason is Reason.PROTECTED
    assert found.evidence == ()
    other = Abstention((1,), Reason.TAKEN_OVER)
    assert found.shown == other.shown


def test_who_has_too_little_is_told_so_also_on_the_blind_list():
    site = Site()
    site.post(1, 0, site.thing("a"))
    site.account(1, handle="heron")
    told = frozenset({blind.token(KEY, "handle", "heron", "1")})
    found = reason(site.seen(protected=told))
    assert found is not None
    assert found.reason is Reason.TOO_LITTLE


def test_the_blind_list_knows_contacts_in_own_words_only():
    site = steady()
    named = Named(EntityKind.XMPP, "heron@example.org", checked=True)
    quoted = Named(EntityKind.XMPP, "wren@example.org", checked=True, quoted=True)
    site.post(1, 3, named=(named, quoted))
    heron = blind.token(KEY, "xmpp", "heron@example.org")
    wren = blind.token(KEY, "xmpp", "wren@example.org")
    assert reason(site.seen(protected=frozenset({wren}))) is None
    assert reason(site.seen(protected=frozenset({heron}))) is not None


def test_a_token_depends_on_the_key_and_the_site():
    one = blind.token(KEY, "handle", "heron", "1")
    assert one == blind.token(KEY, "handle", " HERON ", "1")
    assert one != blind.token(KEY, "handle", "heron", "2")
    assert one != blind.token(KEY[::-1], "handle", "heron", "1")
    with pytest.raises(ValueError, match="16 bytes"):
        blind.token(b"short", "handle", "heron")
