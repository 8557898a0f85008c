"""Lists, members, entries: who may what, what becomes of contents, and where entries stand."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from exchange_lists import Lists, made_up
from sqlalchemy import func, select

from tutela.core.entry import Role as ListRole
from tutela.core.errors import AccessError, UsageError
from tutela.core.media import Digests
from tutela.exchange import changes, entries, members
from tutela.exchange import lists as published
from tutela.exchange.candidate import Candidate
from tutela.exchange.model import Coded, EntryState, MemberPermission
from tutela.store.tables.audit import AuditEvent


def _leaves(office, action: str) -> int:
    with office.database.read() as tx:
        asked = select(func.count()).where(AuditEvent.action == action)
        return tx.execute(asked).scalar_one()


def test_a_stranger_and_an_unknown_name_get_the_same_refusal(office, lists):
    assert lists.view(lists.owner).name == "known"
    stranger = office.person("member", 1)
    said = []
    for name in ("known", "nothing"):
        with pytest.raises(AccessError) as refused, office.database.read() as tx:
            published.view(tx, stranger, name)
        said.append((refused.value.code, refused.value.message, refused.value.hint))
    assert said[0] == said[1]
    assert said[0][0] == "not_found"


def test_members_see_a_list_until_they_are_removed(office, lists):
    member = lists.member(1)
    assert lists.view(member).permission is MemberPermission.READ
    with office.database.read() as tx:
        assert [one.name for one in published.mine(tx, member)] == ["known"]
    with office.database.write() as tx:
        members.remove(tx, lists.owner, lists.id, office.organisations[1])
    with pytest.raises(AccessError):
        lists.view(member)
    with office.database.read() as tx:
        assert published.mine(tx, member) == []


@pytest.mark.parametrize("permission", MemberPermission)
def test_a_member_adds_by_what_it_may(office, lists, permission):
    lists.member(1, permission)
    who = office.person("supervisor", 1)
    if permission is MemberPermission.READ:
        with pytest.raises(AccessError):
            lists.add(made_up(1), who=who)
        return
    lists.add(made_up(1), who=who)
    with office.database.read() as tx:
        state = next(iter(entries.states(tx, lists.id, [1]).values()))
    manages = permission is MemberPermission.MANAGE
    assert state is (EntryState.ACTIVE if manages else EntryState.PROPOSED)
    if not manages:
        with pytest.raises(AccessError), office.database.write() as tx:
            entries.decide(tx, who, lists.id, [1], accept=True, reason="mine")


def test_the_same_content_is_one_entry_and_gains_what_was_not_known(lists):
    whole = made_up(1)
    bare = Candidate(digests=Digests(sha256=whole.digests.sha256), codes=whole.codes)
    first = lists.add(bare)
    assert (first.added, first.changed) == (1, 0)
    again = lists.add(whole, bare)
    assert (again.added, again.changed, again.unchanged) == (0, 1, 1)
    assert again.ids == [first.ids[0]] * 2
    assert lists.add(whole).unchanged == 1
    (entry,) = lists.since(lists.owner)
    assert entry.digests == whole.digests
    assert entry.fingerprints == whole.fingerprints


def test_counts_add_up_whatever_is_given(lists):
    given = [made_up(1), made_up(1), made_up(2), Candidate(), made_up(3, Coded("GB", "x", "A"))]
    said = lists.add(*given)
    total = said.added + said.changed + said.unchanged + said.kept_withdrawn + said.waiting
    assert total + sum(said.refused.values()) == len(given)
    assert [one is None for one in said.ids] == [False, False, False, True, True]


def test_an_alert_entry_needs_a_code_by_which_it_is_illegal(office, lists):
    harmless = made_up(1, Coded("GB", "uk-abc", "none"))
    uncoded = Candidate(digests=made_up(2).digests)
    assert lists.add(harmless, uncoded).refused == {"no code by which it is illegal": 2}
    other = Lists.made(office, "harmless", ListRole.IGNORABLE)
    assert sum(other.add(made_up(3)).refused.values()) == 1
    assert other.add(harmless).added == 1


@pytest.mark.parametrize(
    ("codes", "reason"),
    [
        ((Coded("GBR", "uk-abc", "A"),), "a code by no country's law"),
        ((Coded("GB", "uk-abc", "A"), Coded("GB", "uk-abc", "B")), "two codes of one scheme"),
        ((Coded("GB", "uk-abc", "Z"),), "a code that is none of its scheme"),
        (
            (Coded("GB", "uk-abc", "A"), Coded("DE", "uk-abc", "none")),
            "a code by which it is not illegal",
        ),
    ],
)
def test_codes_that_say_nothing_sure_are_refused(lists, codes, reason):
    assert lists.add(made_up(1, *codes), made_up(2)).refused == {reason: 1}
    assert [one.id for one in lists.since(lists.owner)] == [1]


def _both(*acts) -> None:
    threads = [threading.Thread(target=act) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_two_who_add_the_same_at_once_make_one_entry(lists):
    """Whoever comes second waits, and meets what the first did."""
    contents = [made_up(number) for number in range(300)]
    done = []
    _both(*[lambda: done.append(lists.add(*contents))] * 2)
    assert sorted((one.added, one.unchanged) for one in done) == [(0, 300), (300, 0)]
    assert done[0].ids == done[1].ids


def test_what_is_deleted_meanwhile_is_not_withdrawn(office, lists):
    """A deleted entry has nothing to withdraw: whoever comes second must see that."""
    ids = lists.add(*(made_up(number) for number in range(200))).ids

    def move(act):
        with office.database.write() as tx:
            act(tx, lists.owner, lists.id, ids, "both at once")

    _both(*(partial(move, act) for act in (entries.remove, entries.withdraw)))
    with office.database.read() as tx:
        assert set(entries.states(tx, lists.id, ids).values()) == {EntryState.DELETED}


def test_what_was_withdrawn_stays_so_until_it_is_restored(office, lists):
    given = lists.add(made_up(1))
    assert lists.withdraw(*given.ids) == 1
    assert lists.withdraw(*given.ids) == 0
    assert lists.add(made_up(1)).kept_withdrawn == 1
    assert lists.since(lists.owner) == []
    with office.database.write() as tx:
        assert entries.restore(tx, lists.owner, lists.id, given.ids, "checked again") == 1
    assert len(lists.since(lists.owner)) == 1


def test_a_deleted_entry_keeps_its_number_and_nothing_else(office, lists):
    member = lists.member(1)
    given = lists.add(made_up(1, tags=("series-x",), reference="R-1"))
    known = lists.since(member)[-1].change
    with office.database.write() as tx:
        entries.remove(tx, lists.owner, lists.id, given.ids, "by order")
    (gone,) = lists.since(member, known)
    assert gone.id == given.ids[0]
    assert gone.state is EntryState.DELETED
    assert not gone.digests
    assert gone.tags == gone.codes == gone.fingerprints == ()
    with office.database.read() as tx:
        kept = [tuple(row) for row in tx.exec_driver_sql("SELECT * FROM listed_entries")]
    assert made_up(1).digests.sha256 not in repr(kept).encode()
    assert "series-x" not in repr(kept)
    assert lists.add(made_up(1)).added == 1


def test_a_reason_is_needed_and_entries_of_other_lists_are_not_touched(office, lists):
    given = lists.add(made_up(1))
    other = Lists.made(office, "second")
    for number, reason in ((given.ids[0], " "), (99, "x")):
        with pytest.raises(UsageError), office.database.write() as tx:
            entries.withdraw(tx, lists.owner, lists.id, [number], reason)
    with pytest.raises(UsageError), office.database.write() as tx:
        entries.withdraw(tx, lists.owner, other.id, given.ids, "not here")
    assert len(lists.since(lists.owner)) == 1


def test_each_entry_is_a_leaf_of_the_log(office, lists):
    lists.add(*(made_up(n) for n in range(20)))
    lists.withdraw(1, 2, 3)
    assert _leaves(office, "entry.added") == 20
    assert _leaves(office, "entry.withdrawn") == 3


def test_a_closed_list_takes_nothing_more(office, lists):
    with office.database.write() as tx:
        published.close(tx, lists.owner, lists.id)
    with pytest.raises(UsageError):
        lists.add(made_up(1))


def test_jurisdictions_decide_what_a_member_gets(lists):
    german = lists.member(1, jurisdictions=["DE"])
    everybody = lists.member(2)
    lists.add(
        made_up(1, Coded("GB", "uk-abc", "A")),
        made_up(2, Coded("GB", "uk-abc", "B"), Coded("DE", "ncmec", "A1")),
        made_up(3, Coded("INT", "interpol-baseline", "baseline")),
    )
    got = lists.since(german)
    assert [one.id for one in got] == [2, 3]
    assert [code.jurisdiction for one in got for code in one.codes] == ["DE", "INT"]
    assert len(lists.since(everybody)) == 3


def test_a_member_whose_jurisdictions_change_is_told_what_it_has_no_more(lists):
    member = lists.member(1)
    lists.add(made_up(1, Coded("GB", "uk-abc", "A")), made_up(2, Coded("DE", "ncmec", "A1")))
    known = lists.since(member)[-1].change
    lists.member(1, jurisdictions=["DE"])
    told = {one.id: one.state for one in lists.since(member, known)}
    assert told == {1: EntryState.WITHDRAWN, 2: EntryState.ACTIVE}


def test_only_who_syncs_gets_entries(office, lists):
    lists.add(made_up(1))
    view = lists.view(lists.owner)
    with pytest.raises(AccessError), office.database.read() as tx:
        changes.since(tx, office.person("grader"), view, 0, 10)
