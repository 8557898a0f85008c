"""`tutela db`, as a person runs it."""

from __future__ import annotations

import pytest
from sqlalchemy import select

import databases
from tutela.cli.db import app
from tutela.core.errors import IntegrityError, UsageError
from tutela.store import Database
from tutela.store.migrations import dialect
from tutela.store.tables.audit import AuditEvent


@pytest.fixture
def url(databases_of: databases.Factory, monkeypatch: pytest.MonkeyPatch) -> str:
    url = databases_of.url(upgraded=False)
    monkeypatch.setenv("TUTELA_DATABASE_URL", url)
    return url


def run(*words: str) -> int:
    return app(words, exit_on_error=False, result_action="return_value")


def events(url: str) -> list[tuple[str, bool]]:
    with Database(url) as database, database.read() as tx:
        asked = select(AuditEvent.action, AuditEvent.body).order_by(AuditEvent.seq)
        return [(action, b'"via":"break-glass"' in body) for action, body in tx.execute(asked)]


def test_upgrade_then_check_then_back_up_then_restore(
    url, databases_of, tmp_path, capfd, monkeypatch
):
    with pytest.raises(UsageError, match="no tables"):
        run("check")
    assert run("upgrade") == 0
    assert "before it no tables" in capfd.readouterr().out
    assert run("upgrade") == 0
    assert "nothing to change" in capfd.readouterr().out
    assert run("check") == 0
    assert capfd.readouterr().out.startswith("sound, revision ")
    file = tmp_path / "x.backup"
    assert run("backup", str(file)) == 0
    said = capfd.readouterr()
    assert said.out.endswith("log of 1 events\n")
    assert said.err == ""
    assert events(url) == [("db.upgraded", True), ("db.backed_up", True)]
    with pytest.raises(UsageError, match="not empty"):
        run("restore", str(file))
    fresh = databases_of.url(upgraded=False)
    monkeypatch.setenv("TUTELA_DATABASE_URL", fresh)
    assert run("restore", str(file)) == 0
    assert "tutela vault check --repair" in capfd.readouterr().err
    assert events(fresh) == [("db.upgraded", True), ("db.restored", True)]


def test_what_is_not_sound_is_said_with_exit_status_4(url, tmp_path, capfd):
    run("upgrade")
    with Database(url) as database, database.write() as tx:
        dialect.unguard(tx)
    capfd.readouterr()
    assert run("check") == 4
    assert "trigger grades_no_update is missing or off" in capfd.readouterr().out
    (tmp_path / "x.backup").write_text("hello")
    with pytest.raises(IntegrityError) as refused:
        run("restore", str(tmp_path / "x.backup"))
    assert refused.value.exit_status == 4
