"""Lists between nodes: a partner follows what its nation may read, by number, and loses nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from exchange_lists import Lists, made_up
from federation_support import Nation, refused

from tutela.core.entry import Role
from tutela.core.errors import FetchError
from tutela.core.media import Digests
from tutela.exchange import members
from tutela.exchange.federation import sharing
from tutela.exchange.federation.message import ListOffer
from tutela.exchange.federation.sharing import Followed
from tutela.exchange.model import Coded, MemberPermission
from tutela.hashlist.library import Library
from tutela.hashlist.live import LiveList

Two = tuple[Nation, Nation]


class Line:
    """Pages of a nation's lists as they come over a line, which may do something to them."""

    def __init__(self, owner: Nation, reader: Nation, bend=lambda page: page) -> None:
        self.owner, self.reader, self.bend = owner, reader, bend
        self.pages = 0

    @contextmanager
    def __call__(self, name: str, after: int) -> Iterator[Iterator[bytes]]:
        self.pages += 1
        body = sharing.page(self.owner.database, self.owner.node(self.reader), name, after)
        bent = self.bend(body)
        yield (bent[start : start + 700] for start in range(0, len(bent), 700))


@pytest.fixture
def lists(two: Two) -> Lists:
    """The list `known` of the second nation, which the first one may read."""
    one, other = two
    made = Lists.made(other.office)
    _set(made, other, one)
    return made


def _set(lists: Lists, owner: Nation, reader: Nation, jurisdictions=()) -> None:
    with owner.database.write() as tx:
        members.add(
            tx,
            lists.owner,
            lists.id,
            owner.node(reader).organisation_id,
            MemberPermission.READ,
            jurisdictions,
        )


def offers(owner: Nation, reader: Nation) -> list[ListOffer]:
    with owner.database.read() as tx:
        return sharing.offers(tx, owner.node(reader))


def follow(two: Two, library: Path, bend=lambda page: page) -> Followed:
    one, other = two
    (offer,) = offers(other, one)
    return sharing.follow(one.node(other), offer, library, Line(other, one, bend))


def matches(library: Path, *numbers: int) -> list[bool]:
    opened = Library.open(library)
    digests = [
        Digests(sha256=hashlib.sha256(b"content %d" % number).digest()) for number in numbers
    ]
    return [bool(opened.find(one)) for one in digests]


@pytest.mark.usefixtures("lists")
def test_a_node_is_offered_what_its_nation_may_read(two: Two, nation):
    one, other = two
    third = nation("cc")
    other.trust(third)
    assert [offer.name for offer in offers(other, one)] == ["known"]
    assert offers(other, third) == []
    assert (
        refused(lambda: sharing.page(other.database, other.node(third), "known", 0)) == "not_found"
    )
    assert refused(lambda: sharing.page(other.database, other.node(one), "other", 0)) == "not_found"


def test_a_list_comes_whole_goes_on_and_forgets_what_was_withdrawn(
    two: Two, lists: Lists, tmp_path
):
    added = lists.add(made_up(1), made_up(2), made_up(3))
    assert added is not None
    done = follow(two, tmp_path / "library")
    assert (done.local, done.entries, done.added) == ("bb-known", 3, 3)
    assert matches(tmp_path / "library", 1, 2, 3, 4) == [True, True, True, False]
    lists.add(made_up(4))
    first = lists.since(lists.owner)[0]
    lists.withdraw(first.id)
    done = follow(two, tmp_path / "library")
    assert (done.entries, done.added, done.removed) == (3, 1, 1)
    assert matches(tmp_path / "library", 1, 2, 3, 4) == [False, True, True, True]
    again = follow(two, tmp_path / "library")
    assert (again.added, again.replaced, again.removed) == (0, 0, 0)
    one, other = two
    sharing.tell(one.database, one.node(other), done)
    sharing.tell(one.database, one.node(other), again)
    assert len(one.logged("node.followed")) == 1
    assert len(other.logged("node.listed")) == 2


def test_codes_and_owner_come_along(two: Two, lists: Lists, tmp_path):
    lists.add(made_up(1))
    follow(two, tmp_path / "library")
    (hit,) = Library.open(tmp_path / "library").find(
        Digests(sha256=hashlib.sha256(b"content 1").digest())
    )
    assert (hit.list, hit.role) == ("bb-known", Role.ALERT)
    assert [(one.scheme, one.code) for one in hit.entry.classifications] == [("uk-abc", "A")]
    assert hit.entry.provenance.received_from == "bb"


def test_only_entries_of_the_members_jurisdictions_come(two: Two, lists: Lists, tmp_path):
    one, other = two
    _set(lists, other, one, ["DE"])
    lists.add(made_up(1), made_up(2, Coded("DE", "uk-abc", "A"), Coded("GB", "uk-abc", "B")))
    assert follow(two, tmp_path / "library").entries == 1
    assert matches(tmp_path / "library", 1, 2) == [False, True]


def test_a_long_list_comes_in_pages_and_goes_on_where_it_was_cut(
    two: Two, lists: Lists, tmp_path, monkeypatch
):
    monkeypatch.setattr(sharing, "ENTRIES", 10)
    lists.add(*(made_up(number) for number in range(35)))
    one, other = two
    (offer,) = offers(other, one)
    line = Line(other, one)

    def cut(page: bytes) -> bytes:
        if line.pages == 3:
            raise FetchError("the line was cut")
        return page

    line.bend = cut
    assert (
        refused(lambda: sharing.follow(one.node(other), offer, tmp_path / "library", line))
        == "unreachable"
    )
    assert len(LiveList.open(tmp_path / "library", "bb-known")) == 20
    line.bend = lambda page: page
    done = sharing.follow(one.node(other), offer, tmp_path / "library", line)
    assert (done.entries, done.added) == (35, 15)


def head(page: bytes, **fields: object) -> bytes:
    line, _, rest = page.partition(b"\n")
    return json.dumps(json.loads(line) | fields).encode() + b"\n" + rest


@pytest.mark.parametrize(
    ("bend", "code"),
    [
        (lambda page: page[:-400], "line"),
        (lambda page: b"\n".join(page.splitlines()[:-1]), "truncated"),
        (lambda page: page + page.splitlines()[-1] + b"\n", "truncated"),
        (lambda page: head(page, entries=2), "truncated"),
        (lambda page: head(page, change=0), "roll_back"),
        (lambda page: head(page, v=2), "message"),
        (lambda page: page.partition(b"\n")[2], "message"),
        (lambda _: b"x" * 10_000, "page"),
        (lambda _: b"", "message"),
        (lambda page: page.replace(b'"type":"entry"', b'"type":"other"'), "line"),
    ],
)
def test_a_page_that_is_bent_changes_nothing(two: Two, lists: Lists, tmp_path, bend, code):
    lists.add(made_up(1))
    follow(two, tmp_path / "library")
    lists.add(made_up(2), made_up(3), made_up(4))
    assert refused(lambda: follow(two, tmp_path / "library", bend)) == code
    assert matches(tmp_path / "library", 1, 2, 3, 4) == [True, False, False, False]
    follow(two, tmp_path / "library")
    assert matches(tmp_path / "library", 1, 2, 3, 4) == [True] * 4


def test_a_list_of_that_name_that_comes_from_elsewhere_is_not_overwritten(
    two: Two, lists: Lists, tmp_path
):
    lists.add(made_up(1))
    growing = LiveList.create(tmp_path / "library", "bb-known", role=Role.ALERT)
    growing.apply([], b'{"publication":"x","role":"","generation":1,"state":""}')
    assert refused(lambda: follow(two, tmp_path / "library")) == "list_exists"
    one, other = two
    strange = ListOffer(name="known", title="x", role="bait", radius_bits=31)
    assert (
        refused(
            lambda: sharing.follow(one.node(other), strange, tmp_path / "library", Line(other, one))
        )
        == "role"
    )
