"""Agreed grades become entries: only what is trusted, and not for longer than it is."""

from __future__ import annotations

import time

import pytest
from exchange_lists import Lists, made_up
from sqlalchemy import select, update

from tutela.casework import grade
from tutela.casework.grade import Decision
from tutela.cli import serve
from tutela.core.entry import Role as ListRole
from tutela.core.errors import UsageError
from tutela.exchange import entries, generation, grades, lapses
from tutela.exchange.lapses import Watch
from tutela.exchange.model import EntryState
from tutela.store.tables.casework import Media
from tutela.store.tables.grading import Agreement


@pytest.fixture
def media(office):
    """Four media, each in a case of each organisation."""
    first = office.make_case(4)
    cases = [first.id]
    cases += [office.make_case(first.media_ids, organisation=n).id for n in (1, 2)]
    return cases, first.media_ids


def _vote(office, media, code, numbers, organisations=(0, 1, 2)):
    cases, ids = media
    for organisation in organisations:
        with office.database.write() as tx:
            wishes = [Decision(ids[number], code) for number in numbers]
            grade.give(tx, office.person("grader", organisation), cases[organisation], wishes)


def _take(lists, scheme="uk-abc"):
    with lists.office.database.write() as tx:
        return grades.take(tx, lists.owner, lists.id, scheme, "GB")


def test_only_trusted_illegal_media_come_onto_an_alert_list(office, lists, media):
    _vote(office, media, "A", [0, 1])
    _vote(office, media, "none", [2])
    _vote(office, media, "B", [3], organisations=(0, 1))  # two of three: indicative
    taken = _take(lists)
    assert (taken.added, taken.unchanged, taken.disputed) == (2, 0, 0)
    got = lists.since(lists.owner)
    with office.database.read() as tx:
        digests = tx.execute(select(Media.sha256).where(Media.id.in_(media[1][:2]))).scalars()
        assert sorted(one.digests.sha256 for one in got) == sorted(digests)
    assert {(c.jurisdiction, c.scheme, c.code) for one in got for c in one.codes} == {
        ("GB", "uk-abc", "A")
    }
    again = _take(lists)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)


def test_what_is_not_illegal_comes_onto_an_ignorable_list(office, media):
    other = Lists.made(office, "harmless", ListRole.IGNORABLE)
    _vote(office, media, "none", [0])
    _vote(office, media, "A", [1])
    assert _take(other).added == 1


@pytest.mark.parametrize("now_says", ["none", "B"])
def test_a_vote_that_differs_later_disputes_the_entry(office, lists, media, now_says):
    _vote(office, media, "A", [0])
    _take(lists)
    _vote(office, media, now_says, [0], organisations=(1,))
    assert _take(lists).disputed == 1
    (entry,) = lists.since(lists.owner)
    assert entry.state is EntryState.DISPUTED  # it still matches, and says so
    _vote(office, media, "A", [0], organisations=(1,))
    assert _take(lists).agreed_again == 1
    assert lists.since(lists.owner)[0].state is EntryState.DISPUTED  # a person restores it


def test_a_code_that_all_changed_is_the_entrys_new_code(office, lists, media):
    _vote(office, media, "A", [0])
    _take(lists)
    _vote(office, media, "B", [0])
    assert _take(lists).changed == 1
    assert [c.code for c in lists.since(lists.owner)[0].codes] == ["B"]


def test_an_agreement_that_turned_harmless_disputes_the_entry(office, lists, media):
    _vote(office, media, "A", [0])
    _take(lists)
    _vote(office, media, "none", [0])
    assert _take(lists).disputed == 1
    with office.database.read() as tx:
        assert list(entries.states(tx, lists.id, [1]).values()) == [EntryState.DISPUTED]


def test_a_withdrawn_entry_is_not_taken_again(office, lists, media):
    _vote(office, media, "A", [0])
    _take(lists)
    lists.withdraw(1)
    assert _take(lists).kept_withdrawn == 1
    assert lists.since(lists.owner) == []


def test_the_watch_disputes_what_votes_do_not_carry_any_more(office, lists, media):
    """Nobody runs anything: a vote changes, and within a minute members are told."""
    watch = Watch(office.database)
    _vote(office, media, "A", [0, 1])
    _take(lists)
    assert watch.look() == 0
    _vote(office, media, "B", [0], organisations=(1,))
    assert watch.look() == 1
    assert watch.look() == 0
    states = {one.id: one.state for one in lists.since(lists.owner)}
    assert states == {1: EntryState.DISPUTED, 2: EntryState.ACTIVE}


def test_the_server_watches(office, lists, media, monkeypatch):
    monkeypatch.setattr(serve, "LOOK_S", 0.01)
    _vote(office, media, "A", [0])
    _take(lists)
    with serve._watched(office.database):
        _vote(office, media, "B", [0], organisations=(1,))
        until = time.monotonic() + 20
        while lists.since(lists.owner)[0].state is EntryState.ACTIVE:
            assert time.monotonic() < until
            time.sleep(0.01)
    assert lists.since(lists.owner)[0].state is EntryState.DISPUTED


def test_the_watch_reads_no_list_while_no_agreement_changes(office, lists, media, monkeypatch):
    watch = Watch(office.database)
    watch.look()
    _vote(office, media, "A", [2], organisations=(0,))
    lists.add(made_up(1))
    monkeypatch.setattr(lapses, "found", None)
    assert watch.look() == 0


def test_no_generation_is_sealed_over_grades_that_lapsed(office, lists, media):
    _vote(office, media, "A", [0])
    _take(lists)
    _vote(office, media, "none", [0], organisations=(1,))
    with office.database.write() as tx:
        generation.seal(tx, lists.owner, lists.id)
    assert [one.state for one in lists.since(lists.owner)] == [EntryState.DISPUTED]


def test_inferred_grades_make_no_entry(office, lists):
    """A stack's grade reaches members that nobody looked at: no vote, so nothing to trust."""
    first = office.make_case(4, stacks=(4,))
    cases = [first.id]
    cases += [office.make_case(first.media_ids, organisation=n, stacks=(4,)).id for n in (1, 2)]
    for organisation, case in enumerate(cases):
        with office.database.write() as tx:
            wish = Decision(first.media_ids[0], "A", stack=True)
            grade.give(tx, office.person("grader", organisation), case, [wish])
    assert _take(lists).added == 1


def test_a_scheme_without_a_fitting_code_is_refused(lists):
    with pytest.raises(UsageError):
        _take(lists, "no-such-scheme")


def test_a_blank_picture_lends_no_pdq(office, lists, media):
    _vote(office, media, "A", [0, 1])
    with office.database.write() as tx:
        tx.execute(
            update(Media)
            .where(Media.id == media[1][0])
            .values(pdq=bytes(32), pdq_quality=10, is_picture=True)
        )
        tx.execute(
            update(Media)
            .where(Media.id == media[1][1])
            .values(pdq=b"\x5a" * 32, pdq_quality=90, is_picture=True)
        )
        assert tx.execute(select(Agreement.state).limit(1)).scalar() == "trusted"
    _take(lists)
    assert [len(one.fingerprints) for one in lists.since(lists.owner)] == [0, 1]
