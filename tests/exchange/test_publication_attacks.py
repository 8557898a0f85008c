"""A mirror that lies in every way it can, and a publisher that is killed at every step."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from datetime import timedelta
from itertools import cycle, pairwise
from pathlib import Path

import pytest
from casework_office import Office
from exchange_lists import Lists, made_up
from publication_support import Follower, Publication, serving, url_of

from tutela.core.errors import TutelaError

CONTENTS = [made_up(number) for number in range(16)]
FIRST, SECOND = set(range(6)), {0, 2, 3, 4, 5, 6, 7}


@pytest.fixture
def lists(embedded):
    return Lists.made(Office(embedded))


@pytest.fixture
def publication(lists, tmp_path):
    made = Publication(lists, tmp_path / "public", tmp_path / "keys")
    made.begin()
    return made


@pytest.fixture
def follower(publication, tmp_path):
    made = Follower(tmp_path / "south")
    publication.member(1, made.identity)
    return made


def change(lists):
    """Bring the list from its first to its second state: one leaves, two come."""
    (gone,) = lists.add(CONTENTS[1]).ids
    lists.withdraw(gone)
    lists.add(CONTENTS[6], CONTENTS[7])


def content(follower):
    """What the follower matches, by digest and by fingerprint alike."""
    found = follower.matched(CONTENTS)
    assert follower.matched(CONTENTS, "pdq") == found
    return found


@pytest.fixture
def states(publication, lists, follower, tmp_path):
    """Copies of the publication at two states, the follower being at the first."""
    lists.add(*CONTENTS[:6])
    publication.publish()
    old = tmp_path / "old"
    shutil.copytree(publication.folder, old)
    with serving(old) as server:
        follower.follow(url_of(server), publication.root())
        follower.sync()
    change(lists)
    publication.publish()
    assert content(follower) == FIRST
    return old, publication.folder


def flipped(path):
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 0x41
    path.write_bytes(body)


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def endless(path):
    with path.open("ab") as stream:
        stream.truncate(path.stat().st_size + (64 << 20))


def empty(path):
    path.write_bytes(b"")


def gone(path):
    path.unlink()


def attacks(old, new):
    """Yield (name, function on a copy of the new state) for every file that has a part in it."""
    harms = cycle((truncated, endless, empty, gone))
    for path in sorted(path.relative_to(new) for path in new.rglob("*") if path.is_file()):
        for harm in (flipped, next(harms)):
            yield f"{harm.__name__} {path}", lambda copy, path=path, harm=harm: harm(copy / path)
    # Mix and match: one file of the older state in the place of its successor.
    for path in sorted((new / "metadata").iterdir()):
        version, _, name = path.name.partition(".")
        before = (
            old / "metadata" / (f"{int(version) - 1}.{name}" if version.isdigit() else path.name)
        )
        if before.exists():
            yield (
                f"replayed {path.name}",
                lambda copy, path=path, before=before: shutil.copy(
                    before, copy / "metadata" / path.name
                ),
            )
    files = sorted((new / "targets").glob("*/*"), key=lambda path: path.stat().st_size)
    for one, other in pairwise(files):
        yield (
            f"swapped {one.name[:8]}",
            lambda copy, one=one, other=other: shutil.copy(
                other, copy / "targets" / one.parent.name / one.name
            ),
        )


def test_whatever_a_mirror_does_nothing_wrong_ever_matches(states, follower, tmp_path):
    old, new = states
    outcomes = {"refused": 0, "went on": 0}
    with serving(tmp_path) as server:
        for number, (name, attack) in enumerate(attacks(old, new)):
            mirror = tmp_path / f"mirror-{number}"
            shutil.copytree(new, mirror)
            attack(mirror)
            twin = follower.copy(tmp_path / f"twin-{number}")
            twin.moved(f"{url_of(server)}/mirror-{number}")
            waits = name == "replayed timestamp.json"  # the new state is not there yet
            try:
                (done,) = twin.sync()
                refused = done.error
                assert (done.by == "nothing") is waits, name
            except TutelaError as error:
                refused = error
            found = content(twin)
            assert found == (FIRST if refused or waits else SECOND), name
            outcomes["refused" if refused else "went on"] += 1
            if refused:
                assert refused.code, name
                # The mirror behaves again: nothing of what it did stays.
                twin.moved(f"{url_of(server)}/{new.name}")
                assert [one.error for one in twin.sync()] == [None], name
                assert content(twin) == SECOND, name
            shutil.rmtree(mirror)
            shutil.rmtree(twin.home)
    # What goes on met damage in a file that it had no need of.
    assert outcomes["refused"] >= 10
    assert outcomes["went on"] >= 10


def test_a_mirror_that_goes_back_is_refused(states, follower):
    old, new = states
    with serving(new) as server:
        follower.moved(url_of(server))
        follower.sync()
    with serving(old) as server:
        follower.moved(url_of(server))
        with pytest.raises(TutelaError) as caught:
            follower.sync()
    assert caught.value.code == "roll_back"
    assert content(follower) == SECOND


def test_a_mirror_that_stands_still_is_refused(publication, follower, lists):
    lists.add(*CONTENTS[:6])
    publication.expires = timedelta(seconds=2)
    publication.publish()
    with serving(publication.folder) as server:
        follower.follow(url_of(server), publication.root())
        time.sleep(2.1)
        with pytest.raises(TutelaError) as caught:
            follower.sync()
        assert caught.value.code == "expired"
        assert "clock" in caught.value.hint
        assert content(follower) == set()
        publication.expires = timedelta(days=1)
        publication.ceremony.repository().publish()  # tutela list publish --refresh
        follower.sync()
        assert content(follower) == FIRST


@pytest.mark.usefixtures("states")
def test_another_publication_in_its_place_is_refused(follower, lists, tmp_path):
    other = Publication(lists, tmp_path / "other", tmp_path / "other-keys")
    other.begin()
    other.publish()
    with serving(other.folder) as server:
        follower.moved(url_of(server))
        with pytest.raises(TutelaError) as caught:
            follower.sync()
    assert caught.value.code in {"signature", "roll_back"}
    assert content(follower) == FIRST


def test_a_server_elsewhere_is_not_followed(states, follower):
    _, new = states
    with serving(new) as server, serving(new) as elsewhere:

        def redirect(handler):
            handler.send_response(302)
            handler.send_header("Location", url_of(elsewhere) + handler.path)
            handler.end_headers()

        server.odd["timestamp.json"] = redirect
        follower.moved(url_of(server))
        with pytest.raises(TutelaError) as caught:
            follower.sync()
        assert caught.value.code == "redirected"
        assert elsewhere.asked == []


def test_an_endless_answer_ends(states, follower):
    _, new = states
    with serving(new) as server:

        def endless_answer(handler):
            handler.send_response(200)
            handler.end_headers()
            with_patience = 4096
            for _ in range(with_patience):
                handler.wfile.write(b"x" * 65536)

        server.odd["timestamp.json"] = endless_answer
        follower.moved(url_of(server))
        with pytest.raises(TutelaError) as caught:
            follower.sync()
    assert caught.value.code == "too_long"


PROGRAM = """
import os, signal, sys
sys.path[:0] = {paths!r}
from datetime import timedelta
from itertools import cycle, pairwise
from pathlib import Path
import tutela.exchange.publish.release as release
from tutela.exchange.publish.ceremony import Ceremony
from tutela.exchange.publish.keys import Keyring
from tutela.core.principal import Principal, Role, Via
from tutela.store import Database

def run(last):
    # Every call by which something on the disk changes its name or becomes durable may be the last.
    left = [last]
    def counted(real):
        def call(*words, **options):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*words, **options)
        return call
    os.fsync = counted(os.fsync)
    for name in ("replace", "unlink", "mkdir"):
        setattr(Path, name, counted(getattr(Path, name)))
    who = Principal({account}, {organisation}, "s", frozenset({{Role.SUPERVISOR}}), Via.CLI)
    ceremony = Ceremony(Path({folder!r}), Keyring(Path({keys!r})), timedelta(days=1))
    with Database({url!r}) as database:
        if {rotate!r}:
            ceremony.rotate({rotate!r})
        else:
            release.Publisher(database, who, ceremony).publish()
    os._exit(7)

for line in sys.stdin:
    child = os.fork()
    if not child:
        run(int(line))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def killed_at(publication, rotate=""):
    """Yield the number of calls after which a publisher was killed, until it came to its end."""
    office = publication.lists.office
    owner = publication.lists.owner
    here = Path(__file__).parent
    program = PROGRAM.format(
        paths=[str(here), str(here.parents[0] / "casework")],
        account=owner.account_id,
        organisation=owner.organisation_id,
        folder=str(publication.folder),
        keys=str(publication.keys),
        url=office.database.url.render_as_string(hide_password=False),
        rotate=rotate,
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with worker:
        calls = 0
        while True:
            calls += 1 + calls // 3
            worker.stdin.write(f"{calls}\n")
            worker.stdin.flush()
            ended = worker.stdout.readline().strip()
            if ended == "7":
                return
            assert ended == str(-signal.SIGKILL), ended
            yield calls


def test_a_publisher_killed_anywhere_leaves_the_old_or_the_new(
    publication, lists, follower, tmp_path
):
    lists.add(*CONTENTS[:6])
    publication.publish()
    fresh = Follower(tmp_path / "fresh")
    fresh.identity = follower.identity
    shutil.copy(follower.home / "key.age", fresh.home / "key.age")
    with serving(publication.folder) as server:
        follower.follow(url_of(server), publication.root())
        follower.sync()
        change(lists)
        seen = []
        for calls in killed_at(publication):
            twin = follower.copy(tmp_path / f"twin-{calls}")
            assert [one.error for one in twin.sync()] == [None], calls
            found = content(twin)
            assert found in (FIRST, SECOND), calls
            seen.append(found)
            shutil.rmtree(twin.home)
        assert len(seen) > 8
        assert follower.sync()[0].error is None
        assert content(follower) == SECOND
        fresh.follow(url_of(server), publication.root())
        fresh.sync()
        assert content(fresh) == SECOND
    # Nothing that was not encrypted yet stays behind.
    publication.publish()
    assert not (publication.keys / "scratch").exists()
    assert list(publication.folder.rglob("*.new")) == []


@pytest.mark.parametrize("role", ["timestamp", "targets"])
def test_a_rotation_killed_anywhere_goes_on(publication, lists, follower, tmp_path, role):
    lists.add(*CONTENTS[:6])
    publication.publish()
    with serving(publication.folder) as server:
        follower.follow(url_of(server), publication.root())
        follower.sync()
        kills = 0
        for calls in killed_at(publication, rotate=role):
            kills += 1
            twin = follower.copy(tmp_path / f"twin-{calls}")
            assert [one.error for one in twin.sync()] == [None], calls
            assert content(twin) == FIRST
            shutil.rmtree(twin.home)
        assert kills > 4
        change(lists)
        publication.publish()
        follower.sync()
        assert content(follower) == SECOND
