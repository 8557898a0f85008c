"""Agreed grades become entries: only what is trusted, and not for longer than it is."""

from __future__ import annotations

import pytest
from exchange_lists import Lists
from sqlalchemy import select, update

from tutela.casework import grade
from tutela.casework.grade import Decision
from tutela.core.entry import Role as ListRole
from tutela.core.errors import UsageError
from tutela.exchange import entries, grades
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
