"""The steps make the tables that the code knows, and the guards stand, on both databases."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError

import databases
from tutela.core.errors import UsageError
from tutela.core.time import now
from tutela.store import Database, schema
from tutela.store.bulk import insert_returning, insert_rows
from tutela.store.columns import Table
from tutela.store.migrations import dialect
from tutela.store.tables.access import Organisation
from tutela.store.tables.audit import AuditCheckpoint, AuditEvent
from tutela.store.tables.casework import Media
from tutela.store.tables.grading import Agreement, Grade

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def empty(databases_of: databases.Factory):
    with Database(databases_of.url(upgraded=False)) as opened:
        yield opened


def names(database: Database) -> set[str]:
    with database.read() as tx:
        return set(inspect(tx).get_table_names()) - {"alembic_version"}


def test_up_down_and_up_again_gives_the_tables_that_the_code_knows(empty: Database):
    assert schema.revision(empty) is None
    with pytest.raises(UsageError, match="no tables yet"):
        schema.require_current(empty)
    schema.upgrade(empty)
    assert schema.check(empty) == []
    schema.upgrade(empty)
    schema.downgrade(empty, "base")
    assert names(empty) == set()
    schema.upgrade(empty)
    assert schema.check(empty) == []
    assert names(empty) == set(Table.metadata.tables)
    schema.require_current(empty)


def test_another_revision_is_refused(database: Database):
    schema.downgrade(database, "-1")
    for refuses in (schema.require_current, schema.check):
        with pytest.raises(UsageError, match="is at revision") as refused:
            refuses(database)
        assert refused.value.hint == "tutela db upgrade"
    with database.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    for refuses in (schema.require_current, schema.upgrade):
        with pytest.raises(UsageError, match="does not know"):
            refuses(database)


def add_history(database: Database) -> None:
    with database.write() as tx:
        tx.execute(insert(Organisation).values(id=1, name="N", country="GB", created_at=now()))
        (media,) = insert_returning(
            tx,
            Media,
            [{"size_bytes": 1, "kind": "", "is_picture": False, "first_seen_at": now()}],
        )
        grade = {"scheme": "s", "code": "A", "facets": {}, "law": "", "basis": "viewed"}
        insert_rows(tx, Grade, [grade | {"media_id": media, "organisation_id": 1, "at": now()}])
        event = {
            "seq": 0,
            "at": now(),
            "action": "a",
            "subject": "b",
            "body": b"",
            "leaf_hash": b"",
        }
        insert_rows(tx, AuditEvent, [event])
        insert_rows(tx, AuditCheckpoint, [{"size": 1, "at": now(), "note": "n"}])


def refuse_all(database: Database) -> None:
    forbidden = [
        update(AuditEvent).values(action="c"),
        delete(AuditEvent),
        update(AuditCheckpoint).values(note="c"),
        delete(AuditCheckpoint),
        update(Grade).values(code="B"),
        delete(Grade),
        delete(Media),
        delete(Organisation),
    ]
    for statement in forbidden:
        with pytest.raises(DBAPIError, match=r"only ever added|deleted"), database.write() as tx:
            tx.execute(statement)
    if database.dialect == "postgresql":
        for table in dialect.APPEND_ONLY:
            with pytest.raises(DBAPIError, match="only ever added"), database.write() as tx:
                tx.exec_driver_sql(f"TRUNCATE {table} CASCADE")
    else:
        with pytest.raises(DBAPIError, match="only ever added"), database.write() as tx:
            tx.exec_driver_sql("REPLACE INTO audit_checkpoints VALUES (1, '2026-01-01', 'c')")


def test_history_is_only_added_to(database: Database):
    add_history(database)
    refuse_all(database)
    raw = database.engine.raw_connection()
    if database.dialect == "postgresql":
        raw.driver_connection.set_autocommit(True)
    raw.cursor().execute("VACUUM")
    raw.close()
    refuse_all(database)


def test_a_guard_that_was_taken_away_is_missed_and_put_back(database: Database):
    with database.write() as tx:
        dialect.unguard(tx)
    assert any("audit_events_no_update" in said for said in schema.check(database))
    schema.upgrade(database)
    assert schema.check(database) == []


def test_rows_that_point_at_nothing_are_found(database: Database):
    with database.write() as tx:
        row = {"scheme": "s", "state": "trusted", "votes": 3, "updated_at": now()}
        insert_rows(tx, Agreement, [row | {"media_id": number} for number in (7, 8)])
    assert schema.check(database) == ["2 rows of agreements: media_id points at no media"]


def test_a_table_that_differs_is_found(database: Database):
    with database.write() as tx:
        tx.exec_driver_sql("CREATE TABLE notes_of_mine (id INTEGER PRIMARY KEY)")
        tx.exec_driver_sql("DROP INDEX ix_media_camera")
    assert schema.check(database) == [
        "index ix_media_camera is missing",
        "table notes_of_mine is not ours",
    ]


def test_a_damaged_file_is_found(embedded: Database):
    with embedded.write() as tx:
        insert_rows(
            tx,
            Organisation,
            [{"name": f"{n:0>200}", "country": "GB", "created_at": now()} for n in range(2000)],
        )
    with embedded.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        root = connection.exec_driver_sql(
            "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_organisations_1'"
        ).scalar_one()
    embedded.close()
    with Path(embedded.url.database).open("r+b") as file:
        file.seek((root - 1) * 4096 + 8)
        file.write(b"\xff" * 400)
    with Database(embedded.url.render_as_string()) as damaged:
        assert any("SQLite" in said for said in schema.check(damaged))


def test_a_wheel_takes_the_steps_along():
    """Setuptools packs modules of packages, and other files by the patterns of pyproject.toml."""
    assert (schema.STEPS / "__init__.py").is_file()
    assert (schema.STEPS.parent / "__init__.py").is_file()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "*.mako" in project["tool"]["setuptools"]["package-data"]["*"]


def test_nothing_is_printed_and_no_log_is_set_up(embedded: Database, capfd):
    schema.downgrade(embedded, "base")
    schema.upgrade(embedded)
    assert capfd.readouterr() == ("", "")
    with embedded.read() as tx:
        assert tx.execute(select(Organisation.id)).all() == []
