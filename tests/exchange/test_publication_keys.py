"""Keys of a publication: made, kept apart, rotated; followers go on through all of it."""

from __future__ import annotations

import shutil

import pytest
from casework_office import Office
from exchange_lists import Lists, made_up
from publication_support import Follower, Publication, serving, url_of
from tuf.api.metadata import Metadata

from tutela.core.errors import IntegrityError, UsageError
from tutela.exchange.publish import keys
from tutela.exchange.publish.ceremony import Ceremony, read, sign
from tutela.exchange.publish.keys import Keyring
from tutela.exchange.publish.repository import Repository

CONTENTS = [made_up(number) for number in range(20)]


@pytest.fixture
def lists(embedded):
    return Lists.made(Office(embedded))


@pytest.fixture
def publication(lists, tmp_path):
    return Publication(lists, tmp_path / "public", tmp_path / "keys")


@pytest.fixture
def follower(tmp_path):
    return Follower(tmp_path / "south")


@pytest.fixture
def followed(publication, follower):
    """A publication on one machine, and who follows it."""
    assert publication.begin() == []
    publication.member(1, follower.identity)
    publication.lists.add(CONTENTS[0])
    publication.publish()
    with serving(publication.folder) as server:
        follower.follow(url_of(server), publication.root())
        follower.sync()
        yield server


def goes_on(publication, follower, number):
    publication.lists.add(CONTENTS[number])
    publication.publish()
    (done,) = follower.sync()
    assert done.error is None
    assert follower.matched(CONTENTS) >= {0, number}


@pytest.mark.usefixtures("followed")
@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp", "list"])
def test_every_key_can_be_rotated(publication, follower, role, tmp_path):
    late = follower.copy(tmp_path / "late")
    before = {path.name for path in publication.keys.rglob("*.pem")}
    used = publication.role() if role == "list" else role
    assert publication.ceremony.rotate(used) == []
    assert follower.sync()[0].by == "nothing"
    goes_on(publication, follower, 1)
    assert publication.ceremony.rotate(used) == []
    goes_on(publication, follower, 2)
    # Who was away meanwhile follows; keys that sign no more are gone, but those kept apart.
    assert late.sync()[0].error is None
    assert late.matched(CONTENTS) == {0, 1, 2}
    present = {path.name for path in publication.keys.glob("*.pem")}
    assert len(present) == 3
    assert (present < before) is (role in {"root", "targets"})


def test_all_keys_at_once_and_the_first_root_still_leads_there(publication, follower, followed):
    for role in ("timestamp", "root", "snapshot", "targets", publication.role(), "root"):
        assert publication.ceremony.rotate(role) == []
    goes_on(publication, follower, 1)
    fresh = Follower(follower.home / "fresh")
    publication.member(2, fresh.identity)
    publication.publish()
    fresh.follow(url_of(followed), publication.root(1))
    fresh.sync()
    assert fresh.matched(CONTENTS) == {0, 1}


@pytest.mark.usefixtures("followed")
def test_a_key_that_was_replaced_signs_nothing_any_more(publication, follower, tmp_path):
    stolen = tmp_path / "stolen"
    shutil.copytree(publication.keys, stolen)
    for role in ("timestamp", "snapshot", publication.role()):
        publication.ceremony.rotate(role)
    follower.sync()
    # The thief publishes with the keys from before, over what the publisher has.
    thief = Publication(publication.lists, tmp_path / "forged", stolen)
    shutil.copytree(publication.folder, thief.folder)
    with pytest.raises(UsageError) as caught:
        thief.publish()
    assert caught.value.code == "no_key"
    forged = Metadata.from_file(str(thief.folder / "metadata" / "timestamp.json"))
    forged.signed.version += 1
    forged.signatures.clear()
    for path in stolen.glob("timestamp-*.pem"):
        forged.sign(keys.signer(path), append=True)
    forged.to_file(str(thief.folder / "metadata" / "timestamp.json"))
    with serving(thief.folder) as mirror:
        follower.moved(url_of(mirror))
        with pytest.raises(IntegrityError) as caught:
            follower.sync()
    assert caught.value.code == "signature"


def test_root_and_targets_keys_live_elsewhere(publication, follower, tmp_path):
    vault = tmp_path / "vault"
    roots = [keys.make(vault / f"root-{n}") for n in range(3)]
    targets = keys.make(vault / "targets")
    lacking = publication.begin(roots, [targets] * 1, 1)
    assert [(one.name, one.lacks[0][1]) for one in lacking] == [("root", 1), ("targets", 1)]
    with pytest.raises(UsageError, match="no publication"):
        publication.publish()
    proposed = publication.keys / "proposed"
    with pytest.raises(UsageError, match="lacks 1"):
        publication.ceremony.accept()
    assert sign(proposed / "root.json", vault / "root-1") == "root version 1"
    sign(proposed / "targets.json", vault / "targets")
    publication.ceremony.accept()
    # A new list waits for the targets key; nothing else does.
    publication.lists.add(CONTENTS[0])
    publication.member(1, follower.identity)
    assert publication.publish()[0].outcome == "unsigned"
    sign(proposed / "targets.json", vault / "targets")
    publication.ceremony.accept()
    assert publication.publish()[0].outcome == "published"
    with serving(publication.folder) as server:
        follower.follow(url_of(server), publication.root())
        follower.sync()
        assert follower.matched(CONTENTS) == {0}
        # Rotation of the root needs the root before, and the new one.
        taking = keys.make(vault / "root-next")
        assert publication.ceremony.rotate("root", [taking])
        sign(proposed / "root.json", vault / "root-next")
        with pytest.raises(UsageError, match="lacks"):
            publication.ceremony.accept()
        sign(proposed / "root.json", vault / "root-2")
        publication.ceremony.accept()
        goes_on(publication, follower, 1)
    assert [path.name for path in publication.keys.rglob("root-*")] == []


def test_two_of_three_have_to_sign(publication, tmp_path):
    roots = [keys.make(tmp_path / f"root-{n}") for n in range(3)]
    targets = [keys.make(tmp_path / f"targets-{n}") for n in range(2)]
    publication.begin(roots, targets, 2)
    proposed = publication.keys / "proposed"
    for name in ("root-0", "root-0", "targets-0", "targets-1"):
        sign(proposed / f"{name.split('-')[0]}.json", tmp_path / name)
    with pytest.raises(UsageError) as caught:
        publication.ceremony.accept()
    assert caught.value.code == "unsigned"
    sign(proposed / "root.json", tmp_path / "root-2")
    publication.ceremony.accept()
    assert publication.ceremony.repository().root.signed.roles["root"].threshold == 2


@pytest.mark.usefixtures("followed")
def test_a_lost_targets_key_is_replaced_by_the_root(publication, follower):
    for path in publication.keys.glob("offline/targets-*"):
        path.unlink()
    assert publication.ceremony.rotate("targets") == []
    goes_on(publication, follower, 1)


def test_nobody_else_reads_keys_and_nothing_else_is_taken_for_one(tmp_path, publication):
    keys.make(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "key").chmod(0o640)
    with pytest.raises(UsageError, match="read by others"):
        keys.signer(tmp_path / "key")
    (tmp_path / "junk").write_text("-----BEGIN PRIVATE KEY-----\n")
    (tmp_path / "junk").chmod(0o600)
    with pytest.raises(UsageError):
        keys.signer(tmp_path / "junk")
    with pytest.raises(UsageError):
        keys.public(tmp_path / "junk")
    with pytest.raises(IntegrityError):
        read(tmp_path / "junk")
    with pytest.raises(UsageError):
        publication.begin([keys.public(tmp_path / "key.pub")], (), 2)


@pytest.mark.usefixtures("followed")
def test_what_stands_is_renewed_before_it_expires(publication, follower):
    repository: Repository = publication.ceremony.repository()
    before = repository.timestamp.signed.version, repository.snapshot.signed.version
    repository.publish()
    after = Ceremony(publication.folder, Keyring(publication.keys), publication.expires)
    stamp = after.repository().timestamp.signed
    assert (stamp.version, after.repository().snapshot.signed.version) == tuple(
        version + 1 for version in before
    )
    assert publication.ceremony.renew() == []
    assert publication.ceremony.repository().root.signed.version == 2
    goes_on(publication, follower, 1)
