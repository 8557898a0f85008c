"""Publishing and following: who gets what, and what nobody else learns."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import msgspec
import pytest
from exchange_lists import Lists, made_up
from publication_support import Follower, Publication, serving, url_of

from tutela.core.entry import Role
from tutela.core.errors import FetchError, IntegrityError, UsageError
from tutela.exchange import generation
from tutela.exchange.crypt import Identity
from tutela.exchange.model import Coded
from tutela.exchange.own import keep
from tutela.exchange.publication import decoded, encoded
from tutela.exchange.publish import group
from tutela.exchange.subscribe import sync
from tutela.hashlist.library import Library
from tutela.hashlist.live import Change, LiveList

CONTENTS = [made_up(number) for number in range(40)]


@pytest.fixture
def publication(lists, tmp_path):
    made = Publication(lists, tmp_path / "public", tmp_path / "keys")
    assert made.begin() == []
    return made


@pytest.fixture
def server(publication):
    with serving(publication.folder) as running:
        yield running


@pytest.fixture
def two(publication, server, tmp_path):
    """Two followers: South Force, and Coast Hotline, which gets what is so by the law of FR."""
    south, coast = Follower(tmp_path / "south"), Follower(tmp_path / "coast")
    publication.member(1, south.identity)
    publication.member(2, coast.identity, ["FR"])
    for one in (south, coast):
        one.follow(url_of(server), publication.root())
    return south, coast


def added(lists, *numbers):
    return lists.add(*(CONTENTS[number] for number in numbers)).ids


def test_members_get_what_is_theirs_until_it_is_withdrawn(publication, lists, two):
    south, coast = two
    french = made_up(100, Coded("FR", "uk-abc", "C"), Coded("GB", "uk-abc", "B"))
    numbers = added(lists, 0, 1, 2)
    (both,) = lists.add(french).ids
    (told,) = publication.publish()
    assert (told.outcome, told.active, told.members) == ("published", 4, 2)
    (done,) = south.sync()
    assert (done.by, done.entries) == ("copy", 4)
    assert south.matched(CONTENTS) == {0, 1, 2} == south.matched(CONTENTS, "pdq")
    coast.sync()
    assert coast.matched([french, *CONTENTS]) == {0}
    (hit,) = coast.library().find(french.digests)
    assert [(c.scheme, c.code) for c in hit.entry.classifications] == [("uk-abc", "C")]
    assert hit.entry.provenance.received_from == "North Force"

    lists.withdraw(numbers[1], both)
    publication.publish()
    assert [one.by for one in south.sync()] == ["steps"]
    assert south.matched([french, *CONTENTS]) == {1, 3} == south.matched([french, *CONTENTS], "pdq")
    coast.sync()
    assert coast.matched([french, *CONTENTS]) == set()
    assert [one.by for one in south.sync()] == ["nothing"]
    assert [one.outcome for one in publication.publish()] == ["unchanged"]


def test_who_is_no_member_any_more_gets_no_further_generation(publication, lists, two):
    south, coast = two
    added(lists, 0)
    publication.publish()
    south.sync()
    publication.leave(1)
    added(lists, 1)
    publication.publish()
    (done,) = south.sync()
    assert (done.by, done.error.code) == ("refused", "no_member")
    assert south.matched(CONTENTS) == {0}
    fresh = south.copy(south.home.with_name("again"))
    (fresh.home / "library").rename(fresh.home / "old")
    assert fresh.sync()[0].error.code == "no_member"
    assert coast.sync()[0].by == "copy"
    publication.member(1, south.identity)
    publication.publish()
    assert south.sync()[0].by in {"steps", "copy"}
    assert south.matched(CONTENTS) == {0, 1}


def test_who_serves_it_learns_sizes_and_numbers_only(publication, lists, two):
    added(lists, *range(10))
    publication.publish()
    files = [path for path in publication.folder.rglob("*") if path.is_file()]
    everything = b"\n".join(str(path).encode() + path.read_bytes() for path in files)
    secrets = [b"known", b"Force", b"Hotline", b"uk-abc", two[0].identity.recipient.encode()]
    for content in CONTENTS[:10]:
        secrets += [content.digests.sha256, content.digests.sha256.hex().encode()]
        secrets += [content.fingerprints[0].bits, content.digests.md5]
    assert [secret for secret in secrets if secret in everything] == []
    # Both sets of members have as many recipients as eight would have.
    heads = [path.read_bytes() for path in files if path.name.endswith(".head")]
    assert [head.split(b"\n---")[0].count(b"-> X25519 ") for head in heads] == [8, 8]
    assert len({len(head) // 4096 for head in heads}) == 1
    private = [path for path in files if b"PRIVATE" in path.read_bytes()]
    assert private == []


def test_a_large_list_goes_on_by_steps(publication, lists, two, monkeypatch):
    south, _ = two
    monkeypatch.setattr(group, "SMALL", 0)
    monkeypatch.setattr(group, "SHARE", 1)
    added(lists, *range(20))
    publication.publish()
    south.sync()
    late = south.copy(south.home.with_name("late"))
    published = set()
    for number in range(20, 26):
        added(lists, number)
        publication.publish()
        published |= {path.name for path in publication.folder.rglob("targets/*/*")}
    assert [one.by for one in late.sync()] == ["steps"]
    assert late.matched(CONTENTS) == set(range(26))
    # One who begins takes the full copy and the steps after it in one commit.
    new = south.copy(south.home.with_name("new"))
    (new.home / "library").rename(new.home / "old")
    (done,) = new.sync()
    assert (done.by, done.entries) == ("copy", 26)
    assert new.matched(CONTENTS, "pdq") == set(range(26))
    # Once the steps are as long as the list, there is another full copy.
    lists.withdraw(*added(lists, *range(20)))
    added(lists, *range(26, 40))
    publication.publish()
    assert late.sync()[0].entries == len(late.matched(CONTENTS))
    assert late.matched(CONTENTS) == late.matched(CONTENTS, "pdq")


def test_who_was_away_too_long_begins_anew(publication, lists, two, monkeypatch):
    south, _ = two
    added(lists, 0)
    publication.publish()
    south.sync()
    monkeypatch.setattr(group, "_worth", lambda _head: ())
    added(lists, 1)
    publication.publish()
    assert south.sync()[0].by == "copy"
    assert south.matched(CONTENTS) == {0, 1}


def test_other_jurisdictions_are_another_list(publication, lists, two):
    _, coast = two
    added(lists, 0)
    lists.add(made_up(101, Coded("FR", "uk-abc", "C")))
    publication.publish()
    assert coast.sync()[0].entries == 1
    publication.member(2, coast.identity, ["GB"])
    publication.publish()
    assert (coast.sync()[0].by, coast.matched(CONTENTS)) == ("copy", {0})


def test_a_copy_of_everything_may_be_lost_but_the_identity(publication, lists, two):
    """A publisher that lost its own age key begins its lists anew; followers take them."""
    south, _ = two
    added(lists, 0)
    publication.publish()
    south.sync()
    (publication.keys / "publisher.age").unlink()
    added(lists, 1)
    publication.publish()
    south.sync()
    assert south.matched(CONTENTS) == {0, 1}


def test_the_library_of_the_publisher_has_its_own_lists(lists, tmp_path):
    added(lists, 0, 1)
    path = tmp_path / "own"
    database = lists.office.database

    def kept():
        view = lists.view(lists.owner)
        with database.write() as tx:
            sealed = generation.seal(tx, lists.owner, lists.id)
        return keep(database, lists.owner, path, view, sealed)

    assert kept().added == 2
    lists.withdraw(*lists.add(CONTENTS[0]).ids)
    added(lists, 2)
    assert kept()[:3] == (1, 0, 1)
    library = Library.open(path)
    found = [bool(library.find(content.digests)) for content in CONTENTS[:3]]
    assert found == [False, True, True]


def test_two_lists_and_one_that_is_wanted(publication, lists, two, tmp_path, server):
    other = Lists.made(lists.office, "other", Role.ALLOW)
    for one in (lists, other):
        publication.lists = one
        publication.member(1, two[0].identity)
    added(lists, 0)
    publication.publish()
    south = two[0]
    assert {one.list for one in south.sync()} == {"known", "other"}
    assert {info.name for info in south.library().lists} == {"known", "other"}
    picky = Follower.__new__(Follower)
    picky.home, picky.identity = south.home, south.identity
    picky.subscriptions = type(south.subscriptions)(tmp_path / "picky")
    picky.follow(url_of(server), publication.root(), wanted=("other",), prefix="north/")
    assert [one.local for one in picky.sync()] == ["north/other"]


def test_a_name_that_the_library_has_is_refused(publication, lists, two, tmp_path):
    south, _ = two
    file = tmp_path / "list.txt"
    file.write_text(hashlib.md5(b"x").hexdigest() + "\n")
    Library.create(south.home / "library").add(file, name="known", role=Role.ALERT)
    added(lists, 0)
    publication.publish()
    assert south.sync()[0].error.code == "list_imported"


def test_what_broke_off_goes_on(publication, lists, two, server, tmp_path):
    south, _ = two
    added(lists, *range(40))
    publication.publish()
    largest = max(publication.folder.glob("targets/*/*"), key=lambda path: path.stat().st_size)

    def break_off(handler):
        content = largest.read_bytes()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])
        handler.wfile.flush()
        handler.close_connection = True

    server.odd[largest.name] = break_off
    (done,) = south.sync()
    assert isinstance(done.error, FetchError)
    assert south.matched(CONTENTS) == set()
    server.odd.clear()
    server.asked.clear()
    assert south.sync()[0].by == "copy"
    asked = {path: part for path, part in server.asked if largest.name in path}
    assert list(asked.values()) == [f"bytes={largest.stat().st_size // 2}-"]
    fetched = [path for path, _ in server.asked if "targets" in path]
    assert len(fetched) == len(set(fetched))
    assert not (south.home / "subscriptions/pub/files" / publication.role()).exists()
    # A server that knows no ranges begins again.
    again = Follower(tmp_path / "again")
    publication.member(2, again.identity)
    publication.publish()
    server.ranges = False
    again.follow(url_of(server), publication.root())
    largest = max(publication.folder.glob("targets/*/*"), key=lambda path: path.stat().st_size)
    server.odd[largest.name] = break_off
    again.sync()
    server.odd.clear()
    again.sync()
    assert again.matched(CONTENTS) == set(range(40))


def test_a_publication_of_the_future_is_refused(publication, lists, two, monkeypatch):
    south, _ = two
    added(lists, 0)
    publication.publish()
    past = sync.now() - timedelta(hours=1)
    monkeypatch.setattr(sync, "now", lambda: past)
    assert south.sync()[0].error.code == "clock"
    assert south.matched(CONTENTS) == set()


def test_steps_that_are_cut_bent_or_reordered_are_refused(publication, lists, two, monkeypatch):
    south, _ = two
    heads = []
    monkeypatch.setattr(sync, "decoded", lambda body: heads.append(decoded(body)) or heads[-1])
    for number in range(4):
        added(lists, number)
        publication.publish()
        south.sync()
    head = heads[-1]
    assert len(head.steps) == 3
    first, second, third = head.steps
    replace = msgspec.structs.replace
    for wrong in (
        (second, first, third),
        (first, third),
        (first, second),
        (third, third),
        (first, replace(second, from_state=first.from_state), third),
        (first, replace(second, part=first.part), third),
        (replace(first, generation=9), second, third),
    ):
        with pytest.raises(IntegrityError):
            decoded(encoded(replace(head, steps=wrong)))
    with pytest.raises(IntegrityError):
        decoded(
            encoded(replace(head, full=replace(head.full, state=first.from_state, generation=9)))
        )
    assert decoded(encoded(head)) == head
    assert head.after(first.from_state) == head.steps
    assert head.after(third.state) == ()
    assert head.after("elsewhere") is None


def test_a_list_that_comes_to_another_count_is_taken_anew(publication, lists, two):
    south, _ = two
    added(lists, 0, 1)
    publication.publish()
    south.sync()
    # Somebody meddles with the library.
    meddled = LiveList.open(south.home / "library", "known")
    meddled.apply(
        [Change(b"x", next(meddled.library.entries(meddled.info.number)))], meddled.checkpoint()
    )
    added(lists, 2)
    publication.publish()
    assert (south.sync()[0].by, south.library().info("known").entries) == ("copy", 3)


def test_a_line_that_cannot_be_read_changes_nothing(publication, lists, two, monkeypatch):
    """A publisher that signs nonsense: nothing of it is applied."""
    south, _ = two
    added(lists, 0)
    publication.publish()
    south.sync()
    write = group.write_step

    def nonsense(path, listed, view):
        done = write(path, listed, view)
        path.write_bytes(path.read_bytes() + b'{"v":1,"type":"entry","md5":"zz"}\n')
        return done

    monkeypatch.setattr(group, "write_step", nonsense)
    added(lists, 1)
    publication.publish()
    assert south.sync()[0].error.code == "line"
    assert south.matched(CONTENTS) == {0}


def test_the_key_has_to_be_a_key(tmp_path):
    (tmp_path / "no").write_bytes(b"nothing")
    (tmp_path / "no").chmod(0o600)
    follower = Follower(tmp_path / "f")
    with pytest.raises(UsageError):
        Identity.read(tmp_path / "no")
    (follower.home / "key.age").chmod(0o644)
    with pytest.raises(UsageError, match="read by others"):
        Identity.read(follower.home / "key.age")
