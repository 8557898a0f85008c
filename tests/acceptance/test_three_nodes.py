"""Three nations, each a real node in a network of its own; one is cut off and comes back."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from casework_office import MadeCase, Office
from installed import PATIENCE_S, Installed, kill
from networks import Network, network
from sqlalchemy import func, select

sys.path.insert(0, str(Path(__file__).parents[1] / "exchange"))

from exchange_lists import Lists, made_up

import databases
from tutela.casework import agreement, grade
from tutela.casework.agreement import Agreed, AgreementState
from tutela.casework.grade import Decision
from tutela.exchange import members
from tutela.exchange.federation import asking, nodes
from tutela.exchange.federation.identity import Identity
from tutela.exchange.model import MemberPermission
from tutela.hashlist.library import Library
from tutela.store import Database
from tutela.store.tables.federation import NodeSent, NodeTaken, NodeVote
from tutela.store.tables.grading import Grade

MEDIA = 60
PORT = 8472
GLASS = ("--break-glass", "a test of nodes")


@dataclass
class Nation:
    """An installation with its office, and the process that serves its partners."""

    name: str
    installed: Installed
    office: Office
    case: MadeCase
    process: subprocess.Popen[bytes] | None = None
    pin: str = ""

    @property
    def database(self) -> Database:
        return self.office.database

    def start(self) -> None:
        self.process = self.installed.begin("serve", "--federation")

    def vote(self, code: str, *media: int) -> None:
        decisions = [Decision(self.case.media_ids[place], code) for place in media]
        with self.database.write() as tx:
            grade.give(tx, self.office.person("grader"), self.case.id, decisions)

    def ask(self, other: str, *media: int) -> None:
        with self.database.write() as tx:
            who = self.office.person("examiner")
            pin = Identity.read(self.installed.settings.federation.key).pin
            wanted = [self.case.media_ids[place] for place in media]
            asking.ask(tx, who, other, pin, self.case.id, wanted)

    def answers(self) -> list[tuple[str, str]]:
        with self.database.read() as tx:
            found = asking.answers(tx, self.office.person("examiner"), self.case.id)
        return [(one.node, one.state) for one in found]

    def agreed(self) -> list[Agreed]:
        with self.database.read() as tx:
            found = agreement.of(tx, self.case.media_ids, "uk-abc")
        return [found.get(media_id, agreement.NOTHING) for media_id in self.case.media_ids]

    def waiting(self) -> int:
        """Return how many messages of it, and votes told to it, are not through."""
        with self.database.read() as tx:
            sent = select(func.count()).where(NodeSent.answered_at.is_(None))
            told = select(func.count()).where(NodeVote.counted.is_(False))
            return tx.execute(sent).scalar_one() + tx.execute(told).scalar_one()

    def count(self, table: Any, *conditions: Any) -> int:
        with self.database.read() as tx:
            asked = select(func.count()).select_from(table).where(*conditions)
            return tx.execute(asked).scalar_one()

    def trouble(self, other: str) -> str:
        with self.database.read() as tx:
            return nodes.by_name(tx, other).trouble


@pytest.fixture(scope="module")
def joined() -> Iterator[Network]:
    with network() as made:
        yield made


@pytest.fixture(scope="module")
def three(
    joined: Network,
    tmp_path_factory: pytest.TempPathFactory,
    postgresql_server: databases.Server,
) -> Iterator[list[Nation]]:
    """Nations `aa` and `bb` on SQLite and `cc` on PostgreSQL, which know one another by key."""
    tmp_path = tmp_path_factory.mktemp("nations")
    database = postgresql_server.create()
    urls = {"aa": f"sqlite:///{tmp_path}/aa.db", "bb": f"sqlite:///{tmp_path}/bb.db"}
    urls["cc"] = postgresql_server.url(database)
    addresses = {name: joined.add(name) for name in urls}

    def prepare(name: str) -> Nation:
        url, within = urls[name], joined.within(name)
        nation = prepared(name, url, addresses[name], tmp_path / name, within)
        card = tmp_path / f"{name}.json"
        nation.pin = nation.installed.run("node", "key").stdout.strip()
        card.write_text(nation.installed.run("node", "card").stdout, encoding="utf-8")
        return nation

    def befriend(nation: Nation) -> None:
        for other in made:
            if other is not nation:
                wants = ["--follow", "known"] if nation.name == "aa" and other.name == "bb" else []
                may = ("--pin", other.pin, "--may-ask", "--votes", "--tell-votes", *wants, *GLASS)
                nation.installed.run("node", "add", tmp_path / f"{other.name}.json", *may)
        nation.start()

    with ThreadPoolExecutor() as pool:
        made = list(pool.map(prepare, urls))
        list(pool.map(befriend, made))
    yield made
    for nation in made:
        if nation.process is not None and nation.process.poll() is None:
            nation.process.send_signal(signal.SIGINT)
            nation.process.wait(PATIENCE_S)
        nation.database.close()
    postgresql_server.drop(database)


def prepared(name: str, url: str, address: str, home: Path, within: tuple[str, ...]) -> Nation:
    installed = Installed.new(home, url)
    installed.within = within
    file = home / "config" / "tutela" / "tutela.toml"
    text = file.read_text(encoding="utf-8") + (
        f'\n[federation]\nhost = "{address}"\nport = {PORT}\nurl = "https://{address}:{PORT}"\n'
        f'name = "{name}"\ncountry = "{name.upper()}"\ncontact = "desk of {name}"\n'
        "seconds = 1\nsilence_seconds = 4\n"
    )
    file.write_text(text, encoding="utf-8")
    office = Office(Database(url))
    return Nation(name, installed, office, office.make_case(MEDIA))


def until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)


def published(nation: Nation, reader: Nation) -> Lists:
    """Let a nation make the list `known`, which another may read."""
    made = Lists.made(nation.office)
    with nation.database.write() as tx:
        organisation = nodes.by_name(tx, reader.name).organisation_id
        members.add(tx, made.owner, made.id, organisation, MemberPermission.READ)
    return made


def known(nation: Nation, *numbers: int) -> list[bool]:
    path = nation.installed.settings.library.path
    if not path.exists():
        return [False for _ in numbers]
    opened = Library.open(path)
    return [bool(opened.find(made_up(number).digests)) for number in numbers]


def test_three_nodes_lose_and_double_nothing_while_one_is_cut_off(
    three: list[Nation], joined: Network
):
    aa, bb, cc = three
    lists = published(bb, aa)
    lists.add(made_up(1), made_up(2))

    # Everybody is there: one vote of each nation makes trust everywhere.
    for nation in three:
        nation.vote("A", *range(10))
    trusted = Agreed(AgreementState.TRUSTED, "A", 3)
    until(lambda: all(nation.agreed()[:10] == [trusted] * 10 for nation in three), "trust")
    aa.ask("cc", 0, 1)
    until(lambda: aa.answers() == [("cc", "known")] * 2, "an answer")
    until(lambda: known(aa, 1, 2) == [True, True], "the list")

    # The line of one is cut in the middle of it all, and everybody goes on.
    for place in range(10, 40):
        aa.vote("A", place)
        bb.vote("A" if place % 3 else "B", place)
        cc.vote("A", place)
        if place == 20:
            joined.cut("cc")
        if place == 30:
            kill(aa.process)
            aa.start()
        time.sleep(0.05)
    aa.vote("B", 0)
    bb.ask("cc", *range(5))
    cc.ask("aa", *range(5, 8))
    lists.withdraw(lists.since(lists.owner)[0].id)
    until(lambda: known(aa, 1, 2) == [False, True], "a withdrawal, while another is cut off")
    until(lambda: bb.trouble("cc") and cc.trouble("aa"), "that the line is missed")
    until(lambda: bb.agreed()[0].state is AgreementState.DISPUTED, "what the others go on with")
    assert cc.agreed()[0] == trusted
    assert cc.waiting()

    # It comes back, and in the end all say the same.
    joined.mend("cc")
    cc.vote("A", *range(40, 45))
    until(lambda: not any(nation.waiting() for nation in three), "that nothing waits")
    until(lambda: aa.agreed() == bb.agreed() == cc.agreed(), "that all agree")
    assert aa.agreed()[0].state is AgreementState.DISPUTED
    for place in range(10, 40):
        assert aa.agreed()[place] == (
            trusted if place % 3 else Agreed(AgreementState.DISPUTED, None, 3)
        )
    assert [one.votes for one in aa.agreed()[40:46]] == [1, 1, 1, 1, 1, 0]
    assert ("cc", "known") in bb.answers()
    assert cc.answers() == [("aa", "known")] * 3

    # Nothing was lost or doubled: each vote is one grade, each message was taken once.
    for nation in three:
        partner = Grade.basis == "partner"
        theirs = {"aa": 40 + 45, "bb": 41 + 45, "cc": 41 + 40}
        assert nation.count(Grade, partner) == theirs[nation.name], nation.name
        assert not nation.trouble(next(one.name for one in three if one is not nation))
    sent = sum(nation.count(NodeSent) for nation in three)
    assert sent == sum(nation.count(NodeTaken) for nation in three)
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda pair: compared(*pair), itertools.permutations(three, 2)))
        list(pool.map(lambda nation: nation.installed.assert_sound(), three))


def compared(one: Nation, other: Nation) -> None:
    done = one.installed.run("node", "check", other.name, *GLASS)
    assert done.stdout == f"{other.name}: both logs say the same\n"


def test_who_is_not_trusted_does_not_come_in(three: list[Nation], joined: Network, tmp_path: Path):
    aa, bb, _ = three
    aa.vote("A", 50)
    until(lambda: bb.agreed()[50].votes == 1, "a vote")
    address = joined.addresses["bb"]
    stranger = Identity.make(tmp_path / "stranger.key").path
    ours = aa.installed.settings.federation.key

    def call(*words: str) -> str:
        """Ask as a stranger may who has openssl's idea of TLS; return what came of it."""
        script = tmp_path / "call.py"
        script.write_text(CALL, encoding="utf-8")
        done = subprocess.run(
            [*joined.within("cc"), sys.executable, str(script), f"{address}:{PORT}", *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=PATIENCE_S,
        )
        return done.stdout.strip()

    # A key that nobody knows, none at all, and an old protocol do not get past the handshake.
    assert call(str(stranger)) == "no connection"
    assert call("") == "no connection"
    assert call(str(ours), "TLSv1_2") == "no connection"
    # The key that is trusted gets in, but not to what is not there for it.
    assert call(str(ours)) == "200"
    # It gets an error where it sends too much, or asks too often, and is heard again later.
    assert call(str(ours), "", "large") == "413"
    assert call(str(ours), "", "flood").split() == ["200", "429"]
    # A node that was removed is refused at its next request, on a connection that is open as well.
    bb.installed.run("node", "remove", "aa", "--reason", "its key was lost", *GLASS)
    assert call(str(ours)) == "403"
    aa.vote("A", 51)
    until(lambda: aa.trouble("bb") == "unknown_node", "that it is refused")
    assert bb.agreed()[51].votes == 0
    rows = bb.installed.run("node", "list", "--format", "jsonl", *GLASS).stdout.splitlines()
    by_name = {row["node"]: row for row in map(json.loads, rows)}
    assert by_name["aa"]["removed_at"]
    assert not by_name["cc"]["removed_at"]


CALL = """
import http.client, ssl, sys
place, key, version, how = [*sys.argv[1:], "", ""][:4]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
if key:
    context.load_cert_chain(key)
if version:
    context.maximum_version = getattr(ssl.TLSVersion, version)
try:
    line = http.client.HTTPSConnection(place, context=context, timeout=20)
    found = {}
    for _ in range(700 if how == "flood" else 1):
        if how == "large":
            line.request("POST", "/node/v1/messages", b" " * (2 << 20))
        else:
            line.request("GET", "/node/v1/lists")
        answer = line.getresponse()
        answer.read()
        found[answer.status] = True
    print(*found)
except (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected):
    print("no connection")
"""
