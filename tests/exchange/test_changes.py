"""Whoever goes on where it stopped misses nothing, by number and by time, on both databases."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from exchange_lists import made_up
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from tutela.core.time import now
from tutela.exchange import changes, entries, head
from tutela.exchange.model import SERVED, Coded, EntryState
from tutela.store.tables.exchange import EntryCode, ListedEntry

LAST = 2**62
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 9)),
        st.tuples(st.just("code"), st.integers(0, 9)),
        st.tuples(st.just("see"), st.sampled_from([(), ("GB",), ("DE",), ("DE", "GB")])),
        st.tuples(st.just("withdraw"), st.integers(0, 9)),
        st.tuples(st.just("restore"), st.integers(0, 9)),
        st.tuples(st.just("delete"), st.integers(0, 9)),
        st.tuples(st.just("read"), st.integers(1, 3)),
        st.tuples(st.just("wait"), st.integers(0, 1500)),
    ),
    max_size=25,
)


class Clock:
    """The clock of the installation, moved by hand; it begins later in each example."""

    begun = now()

    def __init__(self) -> None:
        Clock.begun += timedelta(days=1)
        self.moment = Clock.begun

    def __call__(self):
        return self.moment


class Follower:
    """A client that keeps what it was told, by number or by time."""

    def __init__(self, lists, who) -> None:
        self.lists, self.who = lists, who
        self.by_number: dict[int, object] = {}
        self.by_time: dict[int, object] = {}
        self.change = 0
        self.after = None

    def read_all(self, clock: Clock) -> None:
        while self.read(3, clock):
            pass

    def read(self, limit: int, clock: Clock) -> bool:
        """Read a page of changes by number, and all by time; tell whether there were any."""
        page = self.lists.since(self.who, self.change, limit)
        self._take(self.by_number, page)
        more, self.change = bool(page), page[-1].change if page else self.change
        database = self.lists.office.database
        with database.write() as tx:
            until = changes.answer_until(tx, clock())
        view = self.lists.view(self.who)
        with database.read() as tx:
            page = changes.between(tx, self.who, [view], self.after, until, 10_000)
        self._take(self.by_time, page)
        # As NCMEC's clients do: the next question begins after this very second.
        self.after = (until, LAST)
        return more or bool(page)

    @staticmethod
    def _take(kept, page) -> None:
        for one in page:
            if one.state in SERVED:
                kept[one.id] = one.digests, one.codes
            else:
                kept.pop(one.id, None)


def _served(lists, who) -> dict[int, object]:
    return {one.id: (one.digests, one.codes) for one in lists.since(who, 0, 1000)}


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS)
def test_a_follower_has_what_is_served(office, lists, steps):
    with office.database.write() as tx:
        tx.execute(delete(EntryCode))
        tx.execute(delete(ListedEntry))
    followers = [Follower(lists, lists.owner), Follower(lists, lists.member(1))]
    clock = Clock()
    numbers: dict[int, int] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(head, "now", clock)
        for act, number in steps:
            if act == "read":
                for follower in followers:
                    follower.read(number, clock)
            elif act == "wait":
                clock.moment += timedelta(milliseconds=number)
            else:
                _change(lists, numbers, act, number)
        clock.moment += timedelta(seconds=5)
        for follower in followers:
            follower.read_all(clock)
            assert follower.by_number == _served(lists, follower.who)
            assert follower.by_time == _served(lists, follower.who)


def _change(lists, numbers, act, number) -> None:
    moves = {"withdraw": entries.withdraw, "restore": entries.restore, "delete": entries.remove}
    if act == "add":
        numbers[number] = lists.add(made_up(number)).ids[0]
    elif act == "code":  # a content that was British is German too
        numbers[number] = lists.add(made_up(number, Coded("DE", "ncmec", "A1"))).ids[0]
    elif act == "see":
        lists.member(1, jurisdictions=number)
    elif number in numbers:
        with lists.office.database.write() as tx:
            moves[act](tx, lists.owner, lists.id, [numbers[number]], "a test")


def test_changes_of_many_writers_are_read_in_one_order(lists):
    """Two threads write while a third reads to the end: numbers grow and none is missed."""
    who, told, ended = lists.owner, [], threading.Event()

    def write(first: int) -> None:
        for number in range(first, first + 40):
            lists.add(made_up(number))

    def read() -> None:
        change = 0
        while True:
            last = ended.is_set()
            page = lists.since(who, change, 7)
            told.extend(one.change for one in page)
            change = page[-1].change if page else change
            if last and not page:
                return

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 1000)]
    reader = threading.Thread(target=read)
    for thread in (*writers, reader):
        thread.start()
    for thread in writers:
        thread.join()
    ended.set()
    reader.join()
    assert told == sorted(set(told))
    assert len(told) == 80


def test_what_is_written_while_a_client_asks_is_dated_later(office, lists):
    """A writer that holds the order when the client asks is waited for, not missed."""
    database, who = office.database, lists.owner
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with database.write() as tx:
            entries.add(tx, who, lists.id, [made_up(1)])
            begun.set()
            go_on.wait(10)

    writer = threading.Thread(target=slow)
    writer.start()
    assert begun.wait(10)
    promised = []
    asker = threading.Thread(target=lambda: promised.append(_answer(database)))
    asker.start()
    asker.join(0.3)
    assert not promised, "the answer did not wait for the writer"
    go_on.set()
    asker.join()
    writer.join()
    lists.add(made_up(2))
    with database.read() as tx:
        later = changes.between(
            tx, who, [lists.view(who)], (promised[0], LAST), now() + timedelta(5), 10
        )
        before = changes.between(tx, who, [lists.view(who)], None, promised[0], 10)
    assert sorted(one.id for one in [*before, *later]) == [1, 2]
    assert all(one.changed_at >= promised[0] + timedelta(seconds=1) for one in later if one.id == 2)


def _answer(database):
    with database.write() as tx:
        return changes.answer_until(tx, now())


def test_a_moment_of_the_future_is_never_promised(database):
    with database.write() as tx:
        assert changes.answer_until(tx, now() + timedelta(days=1)) <= now()


@pytest.mark.parametrize("state", [EntryState.WITHDRAWN, EntryState.DELETED])
def test_whoever_begins_is_told_nothing_of_what_ceased(office, lists, state):
    given_ids = lists.add(made_up(1), made_up(2)).ids
    move = entries.withdraw if state is EntryState.WITHDRAWN else entries.remove
    with office.database.write() as tx:
        move(tx, lists.owner, lists.id, given_ids[:1], "a test")
    assert [one.id for one in lists.since(lists.owner)] == given_ids[1:]
