"""Publishing and following from the command line, in processes and homes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from tutela.access import accounts
from tutela.cli import account
from tutela.cli.init import init
from tutela.cli.main import run
from tutela.cli.open import opened
from tutela.core import settings
from tutela.core.entry import Role as ListRole
from tutela.core.ids import OrganisationId
from tutela.core.principal import Role, Via
from tutela.core.time import now
from tutela.exchange import entries, lists, members
from tutela.exchange.model import MemberPermission
from tutela.hashlist.library import Library
from tutela.store.tables.access import Organisation
from tutela.store.tables.audit import AuditEvent

sys.path[:0] = [str(Path(__file__).parents[1] / "exchange")]

from exchange_lists import made_up  # noqa: E402 found by the path above

ROOT = Path(__file__).parents[2]
CONTENTS = [made_up(number) for number in range(4)]
WHY = "a test"


class Installation:
    """The publisher: this process, with the home that every test has."""

    def __init__(self, capsys):
        init(organisation="North Force", country="DE", admin="ann.lee")
        capsys.readouterr()
        account.invite("publisher", program=True, role=[Role.SUPERVISOR], break_glass=WHY)
        credential = settings.load().cli.credential
        credential.write_text(capsys.readouterr().out.strip() + "\n")
        with opened() as office, office.database.write() as tx:
            self.list_id = lists.create(
                tx, office.who, "known", title="Known", purpose="Uploads", role=ListRole.ALERT
            )
        self.folder = settings.load().exchange.publication

    def member(self, name, recipient):
        with opened() as office, office.database.write() as tx:
            made = tx.execute(
                insert(Organisation)
                .values(name=name, country="FR", created_at=now())
                .returning(Organisation.id)
            ).scalar_one()
            members.add(
                tx,
                office.who,
                self.list_id,
                OrganisationId(made),
                MemberPermission.READ,
                (),
                recipient,
            )

    def add(self, *candidates):
        with opened() as office, office.database.write() as tx:
            return entries.add(tx, office.who, self.list_id, candidates).ids

    def withdraw(self, *ids):
        with opened() as office, office.database.write() as tx:
            entries.withdraw(tx, office.who, self.list_id, ids, "a mistake")


@pytest.fixture
def publisher(capsys):
    return Installation(capsys)


@contextlib.contextmanager
def web_server(folder):
    """Python's own static server, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with subprocess.Popen(
        words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        for _ in range(600):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


class Platform:
    """A subscriber: processes with a home of their own, and no database."""

    def __init__(self, home):
        home.mkdir()
        self.home = home
        self.env = {"HOME": str(home), "PATH": os.environ["PATH"]}

    def run(self, *words, check=True):
        return subprocess.run(
            self.words(*words),
            cwd=self.home,
            env=self.env,
            capture_output=True,
            text=True,
            check=check,
        )

    @staticmethod
    def words(*words):
        main = "from tutela.cli.main import main; main()"
        return [sys.executable, "-c", main, *words]

    def library(self):
        return Library.open(self.home / ".local" / "share" / "tutela" / "library")


def matched(library):
    found = library.find_many([(one.digests, one.fingerprints) for one in CONTENTS])
    return {place for place, hits in enumerate(found) if hits}


def test_the_guide_for_who_follows_runs_as_written(publisher, tmp_path, capsys):
    text = (ROOT / "docs" / "how-to" / "subscribe-to-a-list.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    commands = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert len(commands) == 7
    platform = Platform(tmp_path / "platform")
    assert run(["list", "keys", "init"]) == 0
    publisher.add(*CONTENTS[:3])
    said = ""
    with web_server(publisher.folder) as url:
        for words in commands:
            if words[0] == "sha256sum":
                capsys.readouterr()
                first = publisher.folder / "metadata" / "1.root.json"
                (platform.home / "root.json").write_bytes(first.read_bytes())
                publisher.member("South Force", said)
                assert run(["list", "publish"]) == 0
                assert "known: published, generation 1, 3 entries" in capsys.readouterr().out
                continue
            done = platform.run(*(word.replace("https://lists.example", url) for word in words[1:]))
            said = done.stdout.strip()
            if words[2:] == ["sync", "--once"]:
                assert matched(platform.library()) == {0, 1, 2}
    assert matched(platform.library()) == set()
    with opened() as office, office.database.read() as tx:
        log = str(tx.execute(select(AuditEvent.__table__)).all())
    assert "publication.begun" in log
    assert "list.published" in log
    # The publisher's own library has its lists, for its own matching.
    assert matched(Library.open(settings.load().library.path)) == {0, 1, 2}


def test_a_withdrawal_reaches_a_matcher_that_runs(publisher, tmp_path, capsys):
    platform = Platform(tmp_path / "platform")
    recipient = platform.run("list", "keys", "identity", "key.age").stdout.strip()
    run(["list", "keys", "init"])
    publisher.member("South Force", recipient)
    ids = publisher.add(*CONTENTS[:2])
    run(["list", "publish"])
    capsys.readouterr()
    run(["list", "keys", "root"])
    root = tmp_path / "root.json"
    root.write_bytes((publisher.folder / "metadata" / "1.root.json").read_bytes())
    with web_server(publisher.folder) as url:
        platform.run(*("list", "subscribe", url, "--root", str(root), "--identity", "key.age"))
        platform.run("list", "sync", "--once")
        library = platform.library()
        assert matched(library) == {0, 1}
        words = platform.words("list", "sync", "--interval", "1")
        with subprocess.Popen(
            words, cwd=platform.home, env=platform.env, stdout=subprocess.PIPE, text=True
        ) as syncing:
            try:
                publisher.withdraw(ids[0])
                run(["list", "publish"])
                published = time.monotonic()
                while matched(library) != {1}:
                    assert time.monotonic() - published < 60, "the default interval"
                    time.sleep(0.05)
                line = syncing.stdout.readline()
            finally:
                syncing.kill()
    assert line == "known: generation 2, 1 entries: 0 added, 0 changed, 1 removed\n"


def test_refusals_are_said_and_logged_once(publisher, tmp_path, capsys):
    """The publisher follows somebody else, whose mirror goes wrong."""
    other = Platform(tmp_path / "other")
    recipient = other.run("list", "keys", "identity", "key.age").stdout.strip()
    run(["list", "keys", "init"])
    publisher.member("South Force", recipient)
    publisher.add(*CONTENTS[:2])
    run(["list", "publish"])
    stamp = publisher.folder / "metadata" / "timestamp.json"
    root = str(publisher.folder / "metadata" / "1.root.json")
    key = str(other.home / "key.age")
    with web_server(publisher.folder) as url:
        words = ["list", "subscribe", url, "--root", root, "--identity", key]
        assert run([*words, "--as", "far", "--prefix", "far/"]) == 0
        assert run(["list", "sync", "--once"]) == 0
        good = stamp.read_bytes()
        forged = json.loads(good)
        forged["signed"]["version"] += 1
        stamp.write_text(json.dumps(forged))
        capsys.readouterr()
        for _ in range(3):
            assert run(["list", "sync", "--once", "--format", "jsonl"]) == 1
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [(row["type"], row["by"], row["code"]) for row in rows] == [
            ("synced", "refused", "signature")
        ] * 3
        stamp.write_bytes(good)
        assert run(["list", "sync", "--once"]) == 0
        assert run(["list", "publish", "--refresh"]) == 0
        assert run(["list", "sync", "--once"]) == 0
    with opened() as office, office.database.read() as tx:
        acts = [json.loads(row.body)["act"] for row in tx.execute(select(AuditEvent.body))]
    assert [act for act in acts if act.startswith("subscription.")] == [
        "subscription.begun",
        "subscription.applied",
        "subscription.refused",
    ]
    assert run(["list", "subscribe", url, "--root", root, "--identity", key, "--as", "far"]) == 2
    assert run(["list", "unsubscribe", "far"]) == 0


@pytest.mark.usefixtures("publisher")
def test_keys_are_shown_and_kept_elsewhere(tmp_path, capsys):
    for name in ("root", "targets"):
        assert run(["list", "keys", "make", str(tmp_path / name)]) == 0
    words = ["--root", str(tmp_path / "root.pub"), "--targets", str(tmp_path / "targets.pub")]
    assert run(["list", "keys", "init", *words]) == 1
    proposed = settings.load().exchange.keys / "proposed"
    for name in ("root", "targets"):
        draft = str(proposed / f"{name}.json")
        assert run(["list", "keys", "sign", draft, "--key", str(tmp_path / name)]) == 0
    assert run(["list", "keys", "accept"]) == 0
    capsys.readouterr()
    assert run(["list", "publish"]) == 1
    assert "waits for a signature" in capsys.readouterr().out
    assert run(["list", "keys", "show"]) == 1
    shown = capsys.readouterr().out
    assert "targets version 2 lacks 1 signatures" in shown
    assert "root       1 of 1 keys sign, 0 are here" in shown
    draft = str(proposed / "targets.json")
    assert run(["list", "keys", "sign", draft, "--key", str(tmp_path / "targets")]) == 0
    assert run(["list", "keys", "accept"]) == 0
    assert run(["list", "publish"]) == 0
    assert run(["list", "keys", "rotate", "timestamp"]) == 1
    assert run(["list", "keys", "rotate", "nothing"]) == 2


def test_who_may_not_publish_changes_no_keys(publisher, capsys):
    account.invite("reader", program=True, role=[Role.GRADER], break_glass=WHY)
    settings.load().cli.credential.write_text(capsys.readouterr().out.strip() + "\n")
    with opened() as office, office.database.read() as tx:
        assert accounts.by_token(tx, settings.load().cli.credential.read_text().strip(), Via.CLI)
    for words in (["keys", "init"], ["publish"]):
        assert run(["list", *words]) == 2
    assert not publisher.folder.exists()
