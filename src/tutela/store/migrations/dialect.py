"""Triggers that keep what must not change, said in the way of each database.

They stop a mistake and a careless hand, not somebody who owns the database: whoever can drop them
is found out by the audit log's tree. `guard` runs after every upgrade, because a step that copies a
table (Alembic's batch mode, on SQLite) loses its triggers.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection

APPEND_ONLY = ("audit_events", "audit_checkpoints", "grades")
NEVER_CHANGED = ("chat_feedback",)  # but it goes with its case
# Rows that tables name without a foreign key (`columns.refers`), and what must not name them still.
NEVER_DELETED = ("organisations", "accounts", "cases")
DELETED_UNLESS_NAMED = {"media": (("grades", "media_id"), ("agreements", "media_id"))}


class _Trigger(NamedTuple):
    name: str
    table: str
    event: str
    said: str
    when: str = ""


def guard(tx: Connection) -> None:
    """Put every trigger in place, whether or not it is there."""
    unguard(tx)
    for trigger in _triggers(tx.dialect.name):
        _create(tx, trigger)


def unguard(tx: Connection) -> None:
    """Take every trigger away: only for steps that go back, and to play an intruder in tests."""
    for trigger in _triggers(tx.dialect.name):
        if tx.dialect.name == "sqlite":
            tx.exec_driver_sql(f"DROP TRIGGER IF EXISTS {trigger.name}")
        else:
            tx.exec_driver_sql(f"DROP FUNCTION IF EXISTS {trigger.name} CASCADE")


def missing(tx: Connection) -> list[str]:
    """Return the names of triggers that should be there and are not, or are switched off."""
    present = _present(tx)
    return [one.name for one in _triggers(tx.dialect.name) if one.name not in present]


def _triggers(dialect: str) -> list[_Trigger]:
    made = [
        _Trigger(f"{table}_no_{event.lower()}", table, event, f"{table} is only ever added to")
        for table in APPEND_ONLY
        for event in ("UPDATE", "DELETE", "TRUNCATE")
    ]
    made += [
        _Trigger(f"{table}_no_update", table, "UPDATE", f"rows of {table} are never changed")
        for table in NEVER_CHANGED
    ]
    made += [
        _Trigger(f"{table}_no_delete", table, "DELETE", f"rows of {table} are never deleted")
        for table in NEVER_DELETED
    ]
    made += [
        _Trigger(
            f"{table}_no_delete_while_in_{other}",
            table,
            "DELETE",
            f"a row of {table} that {other} name is not deleted",
            f"EXISTS (SELECT 1 FROM {other} WHERE {column} = OLD.id)",  # noqa: S608 names of our tables
        )
        for table, others in DELETED_UNLESS_NAMED.items()
        for other, column in others
    ]
    return [one for one in made if dialect == "postgresql" or one.event != "TRUNCATE"]


def _create(tx: Connection, one: _Trigger) -> None:
    head = f"CREATE TRIGGER {one.name} BEFORE {one.event} ON {one.table}"
    if tx.dialect.name == "sqlite":
        when = f"WHEN {one.when}" if one.when else ""
        tx.exec_driver_sql(f"{head} {when} BEGIN SELECT RAISE(ABORT, '{one.said}'); END")
        return
    each = "STATEMENT" if one.event == "TRUNCATE" else "ROW"
    # A trigger's WHEN of PostgreSQL may hold no subquery: each has a function of its own.
    condition = f"IF NOT {one.when} THEN RETURN OLD; END IF;" if one.when else ""
    tx.exec_driver_sql(
        f"CREATE OR REPLACE FUNCTION {one.name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"{condition} RAISE EXCEPTION '{one.said}' USING ERRCODE = 'restrict_violation'; END $$"
    )
    tx.exec_driver_sql(f"{head} FOR EACH {each} EXECUTE FUNCTION {one.name}()")


def _present(tx: Connection) -> set[str]:
    if tx.dialect.name == "sqlite":
        asked = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        # tgenabled: O (fires as usual) or A (always); D and R do not fire for us.
        asked = (
            "SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "WHERE c.relnamespace = current_schema()::regnamespace "
            "AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')"
        )
    return {str(name) for (name,) in tx.exec_driver_sql(asked)}
