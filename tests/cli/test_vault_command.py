"""`tutela vault`, as a person runs it."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import insert, select, update

from tutela.cli import main
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.evidence.vault import Vault
from tutela.evidence.vault.master import create_file, named
from tutela.store import Database
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import Media
from tutela.store.tables.vault import VaultObject


@dataclass
class Place:
    """A vault with two originals, and who runs commands on it."""

    database: Database
    folder: Path
    ids: list[str]
    who: Principal

    def path(self, number: int) -> Path:
        name = self.ids[number]
        return self.folder / "vault" / "objects" / name[:2] / name

    def logged(self) -> list[tuple[str, dict[str, object]]]:
        with self.database.read() as tx:
            rows = tx.execute(select(AuditEvent.action, AuditEvent.body).order_by(AuditEvent.seq))
            return [(row.action, json.loads(row.body)["data"]) for row in rows]


@pytest.fixture
def place(embedded, tmp_path, monkeypatch) -> Place:
    create_file(tmp_path / "master.key")
    monkeypatch.setenv("TUTELA_VAULT_PATH", str(tmp_path / "vault"))
    monkeypatch.setenv("TUTELA_VAULT_MASTER_KEY", f"file:{tmp_path / 'master.key'}")
    contents = [b"invented one", b"invented two"]
    with Vault(tmp_path / "vault", named(f"file:{tmp_path / 'master.key'}")) as vault:
        ids = [vault.put("original", content) for content in contents]
    with embedded.write() as tx:
        for number, content in enumerate(contents, 1):
            media = {"size_bytes": len(content), "kind": "jpeg", "is_picture": True}
            digest = hashlib.sha256(content).digest()
            tx.execute(insert(Media).values(id=number, sha256=digest, first_seen_at=now(), **media))
            kept = {"id": ids[number - 1], "media_id": number, "kind": "original"}
            tx.execute(
                insert(VaultObject).values(
                    **kept, size_bytes=len(content), created_at=now(), shredded_at=None
                )
            )
    roles = frozenset({Role.ADMINISTRATOR, Role.EXAMINER})
    made = Place(embedded, tmp_path, ids, Principal(None, None, "operator", roles, Via.CLI))

    @contextlib.contextmanager
    def opened(_config=None, *, break_glass=""):
        way = Via.BREAK_GLASS if break_glass else Via.CLI
        who = Principal(None, None, "operator", made.who.roles, way)
        yield SimpleNamespace(settings=None, database=embedded, who=who)

    # Roles are given here; `test_without_an_account...` comes in by the real door.
    monkeypatch.setitem(sys.modules, "tutela.cli.open", SimpleNamespace(opened=opened))
    if "vault" not in main.app:
        main.app.command("tutela.cli.vault:app", name="vault")
    return made


def _findings(text: str) -> list[tuple[str, str]]:
    return [(row["what"], row["object"]) for row in map(json.loads, text.splitlines())]


def test_a_sound_vault_gives_0(place, capfd):
    assert main.run(["vault", "check"]) == 0
    said = capfd.readouterr()
    assert said.out == "2 objects of 0.0 MB are whole or named above\n"
    assert said.err == ""
    ((action, data),) = place.logged()
    assert (action, data["objects"], data["damaged"]) == ("vault.checked", 2, 0)


def test_damage_gives_4_in_every_format(place, capfd):
    place.path(0).write_bytes(place.path(0).read_bytes()[:-1])
    place.path(1).unlink()
    expected = [("damaged", place.ids[0]), ("missing", place.ids[1])]
    assert main.run(["vault", "check"]) == 4
    out = capfd.readouterr().out
    assert f"damaged: {place.ids[0]} does not decrypt" in out
    assert main.run(["vault", "check", "--format", "jsonl"]) == 4
    assert _findings(capfd.readouterr().out) == expected
    assert main.run(["vault", "check", "--format", "csv"]) == 4
    rows = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert [(row["what"], row["object"]) for row in rows] == expected
    assert main.run(["vault", "check", "--repair"]) == 4


def test_what_should_be_gone_gives_4_until_it_is(place, capfd):
    with place.database.write() as tx:
        one = update(VaultObject).where(VaultObject.id == place.ids[0])
        tx.execute(one.values(shredded_at=now()))
    assert main.run(["vault", "check", "--format", "jsonl"]) == 4
    said = capfd.readouterr()
    assert _findings(said.out) == [("undestroyed", place.ids[0])]
    assert "hint: tutela vault check --repair" in said.err
    assert place.path(0).exists()
    assert main.run(["vault", "check", "--repair"]) == 0
    assert "1 objects shredded" in capfd.readouterr().err
    assert not place.path(0).exists()
    assert place.logged()[-1][1]["repaired"] == 1
    assert main.run(["vault", "check"]) == 0


def test_an_orphan_is_no_failure(place, capfd):
    stray = place.path(1).with_name(place.ids[1][:2] + "0" * 30)
    stray.write_bytes(b"")
    assert main.run(["vault", "check"]) == 0
    assert "1 are not recorded yet" in capfd.readouterr().out
    os.utime(stray, (0, 0))
    assert main.run(["vault", "check"]) == 0
    assert f"orphaned: {stray.name}" in capfd.readouterr().out
    assert main.run(["vault", "check", "--repair"]) == 0
    assert not stray.exists()


@pytest.mark.parametrize(
    ("roles", "checks", "repairs"),
    [
        ({Role.AUDITOR}, 0, 2),
        ({Role.EXAMINER}, 0, 2),
        ({Role.ADMINISTRATOR}, 0, 0),
        ({Role.LIST_MEMBER}, 2, 2),
        (set(), 2, 2),
    ],
)
def test_who_may(place, capfd, roles, checks, repairs):
    place.who = Principal(None, None, "operator", frozenset(roles), Via.CLI)
    assert main.run(["vault", "check"]) == checks
    assert main.run(["vault", "check", "--repair"]) == repairs
    assert main.run(["vault", "rotate", "env:NONE"]) == 2
    assert main.run(["vault", "check", "--repair", "--break-glass", "restored"]) == 0
    assert ("--break-glass REASON" in capfd.readouterr().err) is bool(repairs)


def test_the_master_key_is_changed(place, capfd, monkeypatch):
    fresh = f"file:{place.folder / 'next.key'}"
    assert main.run(["vault", "key", fresh]) == 0
    made = capfd.readouterr().out
    assert main.run(["vault", "key", fresh]) == 3
    assert "never overwritten" in capfd.readouterr().err
    assert main.run(["vault", "key", "env:NAME"]) == 2
    assert main.run(["vault", "rotate", fresh]) == 0
    said = capfd.readouterr()
    assert said.out == "2 keys wrapped anew, 0 could not be read\n"
    assert f'master_key = "{fresh}"' in said.err
    action, data = place.logged()[-1]
    assert (action, data["keys"]) == ("vault.rotated", 2)
    assert data["new"] in made
    assert main.run(["vault", "check"]) == 3  # the settings still name the old one
    assert "not the master key of this vault" in capfd.readouterr().err
    monkeypatch.setenv("TUTELA_VAULT_MASTER_KEY", fresh)
    assert main.run(["vault", "check"]) == 0


def test_where_there_is_no_vault_none_is_made(place, capfd, monkeypatch):
    monkeypatch.setenv("TUTELA_VAULT_PATH", str(place.folder / "absent"))
    assert main.run(["vault", "check"]) == 2
    assert "there is no vault" in capfd.readouterr().err
    assert not (place.folder / "absent").exists()


def test_without_an_account_it_takes_a_reason_which_is_in_the_log(place, capfd, monkeypatch):
    monkeypatch.delitem(sys.modules, "tutela.cli.open")
    url = place.database.url.render_as_string(hide_password=False)
    monkeypatch.setenv("TUTELA_DATABASE_URL", url)
    assert main.run(["vault", "check"]) == 2
    assert "there is no credential file" in capfd.readouterr().err
    assert main.run(["vault", "check", "--break-glass", "after a restore"]) == 0
    assert "after a restore" in capfd.readouterr().err
    assert [action for action, _data in place.logged()] == ["glass.broken", "vault.checked"]
