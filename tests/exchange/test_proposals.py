"""What contributors propose: nobody's until a person of the owner takes it."""

from __future__ import annotations

import pytest
from exchange_lists import Lists, made_up
from sqlalchemy import update

from tutela.core.entry import Role as ListRole
from tutela.core.errors import AccessError, UsageError
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.exchange import entries, generation, lookup, proposals
from tutela.exchange.candidate import Candidate
from tutela.exchange.merging import NOT_THEIRS
from tutela.exchange.model import Coded, EntryState, MemberPermission
from tutela.store.tables.access import Account


@pytest.fixture
def contributor(office, lists):
    """A supervisor of South Force, which may propose."""
    lists.member(1, MemberPermission.CONTRIBUTE)
    return office.person("supervisor", 1)


def _decide(lists, numbers, *, accept, who=None):
    with lists.office.database.write() as tx:
        return entries.decide(
            tx, who or lists.owner, lists.id, numbers, accept=accept, reason="seen"
        )


def _waiting(lists, who):
    with lists.office.database.read() as tx:
        view = lists.view(who)
        found = proposals.waiting(tx, who, view)
        assert proposals.count(tx, who, view) == len(found)
    return [one.id for one in found]


def test_a_proposal_is_nobodys_until_the_owner_takes_it(lists, contributor):
    reader = lists.member(2)
    given = lists.add(made_up(1, reference="R-7"), made_up(2), who=contributor)
    assert lists.since(reader) == []
    assert _waiting(lists, lists.owner) == _waiting(lists, contributor) == given.ids
    assert _decide(lists, given.ids[:1], accept=True) == 1
    assert _decide(lists, given.ids[1:], accept=False) == 1
    (entry,) = lists.since(reader)
    assert (entry.id, entry.source, entry.reference) == (given.ids[0], "South Force", "R-7")
    assert _waiting(lists, lists.owner) == []


def test_contributors_see_their_own_proposals_and_readers_none(office, lists, contributor):
    lists.member(2, MemberPermission.CONTRIBUTE)
    other = office.person("supervisor", 2)
    first = lists.add(made_up(1), who=contributor).ids
    second = lists.add(made_up(2), who=other).ids
    assert _waiting(lists, contributor) == first
    assert _waiting(lists, other) == second
    lists.member(2)
    with pytest.raises(AccessError):
        _waiting(lists, other)


def test_pages_of_proposals_follow_each_other(office, lists, contributor):
    given = lists.add(*(made_up(number) for number in range(5)), who=contributor).ids
    with office.database.read() as tx:
        view = lists.view(lists.owner)
        first = proposals.waiting(tx, lists.owner, view, 3)
        second = proposals.waiting(tx, lists.owner, view, 3, first[-1].id)
    assert [one.id for one in [*first, *second]] == given


def test_what_was_declined_is_told_to_nobody(office, lists, contributor):
    """Not even that it was there: a value that the owner did not take may name a harmless thing."""
    reader = lists.member(2)
    lists.add(made_up(0))
    known = lists.since(reader)[-1].change
    (number,) = lists.add(made_up(1), who=contributor).ids
    _decide(lists, [number], accept=False)
    assert lists.since(reader, known) == []
    with office.database.read() as tx:
        view = lists.view(reader)
        assert lookup.by_value(tx, reader, view, "sha256", made_up(1).digests.sha256) == []
    assert lists.add(made_up(1)).kept_withdrawn == 1
    assert _decide(lists, [number], accept=True) == 1
    assert [one.id for one in lists.since(reader, known)] == [number]


def test_only_a_person_decides(office, lists, contributor):
    given = lists.add(made_up(1), who=contributor).ids
    with office.database.write() as tx:
        account = Account.id == lists.owner.account_id
        tx.execute(update(Account).where(account).values(kind="program"))
    with pytest.raises(UsageError) as refused:
        _decide(lists, given, accept=True)
    assert refused.value.code == "person"
    with pytest.raises(AccessError):
        _decide(lists, given, accept=True, who=contributor)
    assert _waiting(lists, lists.owner) == given


def test_a_contributor_changes_nothing_that_others_rely_on(lists, contributor):
    """Neither codes nor values of an active entry: a false PDQ would match harmless pictures."""
    bare = Candidate(
        digests=Digests(sha256=made_up(1).digests.sha256), codes=(Coded("GB", "uk-abc", "A"),)
    )
    lists.add(bare)
    before = lists.since(lists.owner)
    for change in (
        {"fingerprints": (Fingerprint(PDQ, b"\x5a" * 32, 90),)},
        {"codes": (Coded("GB", "uk-abc", "B"),)},
        {"tags": ("seen elsewhere",)},
    ):
        words = {"digests": bare.digests, "codes": bare.codes} | change
        said = lists.add(Candidate(**words), who=contributor)
        assert said.refused == {NOT_THEIRS: 1}
        assert said.ids == [None]
    assert lists.add(bare, who=contributor).unchanged == 1
    assert lists.since(lists.owner) == before


def test_a_contributor_may_add_to_its_own_proposal_and_not_to_others(office, lists, contributor):
    lists.member(2, MemberPermission.CONTRIBUTE)
    other = office.person("supervisor", 2)
    bare = Candidate(digests=Digests(sha256=made_up(1).digests.sha256), codes=made_up(1).codes)
    lists.add(bare, who=contributor)
    assert lists.add(made_up(1), who=other).refused == {NOT_THEIRS: 1}
    assert lists.add(made_up(1), who=contributor).changed == 1


def test_what_the_owner_adds_of_a_proposal_waits_for_the_decision(lists, contributor):
    """The proposal has values that nobody has looked at: an import does not wave them through."""
    given = lists.add(made_up(1), who=contributor).ids
    said = lists.add(made_up(1), made_up(2))
    assert (said.waiting, said.added) == (1, 1)
    assert said.ids[0] == given[0]
    assert [one.id for one in lists.since(lists.owner)] == [said.ids[1]]


def test_proposals_alone_make_no_generation(office, lists, contributor):
    lists.add(made_up(1))
    with office.database.write() as tx:
        first = generation.seal(tx, lists.owner, lists.id)
    given = lists.add(made_up(2), who=contributor).ids
    _decide(lists, given, accept=False)
    with office.database.write() as tx:
        assert generation.seal(tx, lists.owner, lists.id) == first
    _decide(lists, given, accept=True)
    with office.database.write() as tx:
        assert generation.seal(tx, lists.owner, lists.id).number == first.number + 1


def test_another_lists_proposals_are_not_decided(office, lists, contributor):
    given = lists.add(made_up(1), who=contributor).ids
    other = Lists.made(office, "second", ListRole.ALERT)
    with pytest.raises(UsageError), office.database.write() as tx:
        entries.decide(tx, lists.owner, other.id, given, accept=True, reason="seen")
    with office.database.read() as tx:
        assert entries.states(tx, lists.id, given) == {given[0]: EntryState.PROPOSED}
