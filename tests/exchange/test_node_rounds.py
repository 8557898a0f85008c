"""Rounds to nodes: who is slow or away keeps nobody waiting; votes go where they are wanted."""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext

import pytest
from federation_support import Nation

from tutela.core.errors import ConflictError, FetchError
from tutela.exchange.federation import rounds
from tutela.exchange.federation.message import ListOffer, RecordRow, Terms, encoded
from tutela.exchange.federation.nodes import Allowed
from tutela.exchange.federation.rounds import Rounds
from tutela.exchange.federation.sharing import Page


class Line:
    """A line to another nation of the test, in place of TLS."""

    nations: dict[str, Nation]
    slow: threading.Event

    def __init__(self, node, identity, silence_s) -> None:
        self.other = self.nations[node.name]
        self.asker = next(one for one in self.nations.values() if one.identity.pin == identity.pin)
        assert silence_s == 5

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def terms(self) -> Terms:
        if self.other.name == "cc":
            self.slow.wait(20)
            raise FetchError("nobody is there")
        node = self.other.node(self.asker)
        return Terms(may_ask=node.may_ask, votes=node.votes)

    def send(self, message: bytes) -> bytes:
        return self.other.inbox.take(self.other.node(self.asker), message)

    def offers(self) -> list[ListOffer]:
        return []

    def record(self, _side, _after) -> list[RecordRow]:
        return []

    @contextmanager
    def page(self, _name, _after):
        yield iter(())


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> type[Line]:
    Line.nations, Line.slow = {}, threading.Event()
    monkeypatch.setattr(rounds, "Link", Line)
    return Line


def test_votes_that_are_not_wanted_are_not_sent_and_all_once_they_are(nation, line, tmp_path):
    one, other = nation("aa"), nation("bb")
    line.nations = {"aa": one, "bb": other}
    one.trust(other)
    other.trust(one, Allowed(may_ask=True, hears=True))
    mine, theirs = one.office.make_case(2), other.office.make_case(2)
    going = Rounds(one.database, one.identity, tmp_path / "library", 5)
    one.vote(mine, "A")
    assert [done.answered for done in going.go()] == [0]
    other.changes(one, votes=True)
    one.vote(mine, "A", media=1)
    assert [done.answered for done in going.go()] == [1]
    assert other.counting.count() == 2
    # Taken from it between the asking and the sending: nothing of it is lost.
    refusing = Line.terms

    def stale(_line: Line) -> Terms:
        return Terms(may_ask=True, votes=True)

    other.changes(one, votes=False)
    one.vote(mine, "B")
    Line.terms = stale
    try:
        assert [done.answered for done in going.go()] == [1]
    finally:
        Line.terms = refusing
    assert [done.answered for done in going.go()] == [0]
    other.changes(one, votes=True)
    assert [done.answered for done in going.go()] == [1]
    other.counting.count()
    assert other.agreed(theirs.media_ids[0]).code == "B"
    assert other.agreed(theirs.media_ids[1]).code == "A"


def test_a_node_that_is_slow_keeps_nobody_waiting_and_is_left_alone_for_a_while(
    nation, line, tmp_path
):
    one, other, third = nation("aa"), nation("bb"), nation("cc")
    line.nations = {"aa": one, "bb": other, "cc": third}
    one.trust(third)
    one.trust(other)
    other.trust(one)
    mine, theirs = one.office.make_case(1), other.office.make_case(1)
    one.vote(mine, "A")
    going = Rounds(one.database, one.identity, tmp_path / "library", 5)
    came: list[str] = []
    heard = threading.Event()

    def hear(done) -> None:
        came.append(f"{done.node} {done.error.code if done.error else 'well'}")
        heard.set()

    going.begin(hear)
    assert heard.wait(20)
    assert came == ["bb well"]
    assert other.counting.count() == 1
    assert other.agreed(theirs.media_ids[0]).code == "A"
    # It is still at the slow one: no second round is begun with it.
    assert not going.ended(0)
    line.slow.set()
    assert going.ended(20)
    assert came == ["bb well", "cc unreachable"]
    assert one.node(third).trouble == "unreachable"
    going.begin(hear)
    assert going.ended(20)
    assert came == ["bb well", "cc unreachable", "bb well"]


def test_what_is_in_the_way_of_one_thing_does_not_stop_the_others(
    nation, line, tmp_path, monkeypatch
):
    one, other = nation("aa"), nation("bb")
    line.nations = {"aa": one, "bb": other}
    one.trust(other, Allowed(hears=True, wants=("gone", "good", "strange")))
    other.trust(one)
    one.vote(one.office.make_case(1), "A")
    monkeypatch.setattr(line, "send", refusing)
    monkeypatch.setattr(
        line, "offers", lambda _: [offer("good", "alert"), offer("strange", "bait")]
    )
    page = encoded(Page(change=0, entries=0, more=False)) + b"\n"
    monkeypatch.setattr(line, "page", lambda *_: nullcontext(iter([page])))
    (done,) = Rounds(one.database, one.identity, tmp_path / "library", 5).go()
    assert [followed.list for followed in done.lists] == ["good"]
    # The first thing is what is told; the message waits.
    assert done.error.code == one.node(other).trouble == "order"
    assert one.waiting(other)


def refusing(_line: Line, _message: bytes) -> bytes:
    raise ConflictError("another number is the next", code="order")


def offer(name: str, role: str) -> ListOffer:
    return ListOffer(name=name, title=name, role=role, radius_bits=31)
