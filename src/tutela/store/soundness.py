"""Looks for what is not as it should be in a database; each finding is one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, func, select
from sqlalchemy import Table as CoreTable
from sqlalchemy.exc import DBAPIError

from tutela.store.columns import Table
from tutela.store.migrations import dialect

SHOWN = 20
_DIFFERENCES = {
    "add_table": "table {0} is missing",
    "remove_table": "table {0} is not ours",
    "add_column": "column {2}.{3} is missing",
    "remove_column": "column {2}.{3} is not ours",
    "add_index": "index {0} is missing",
    "remove_index": "index {0} is not ours",
    "add_constraint": "constraint {0} is missing",
    "remove_constraint": "constraint {0} is not ours",
    "add_fk": "foreign key {0} is missing",
    "remove_fk": "foreign key {0} is not ours",
}


def differences(tx: Connection) -> list[str]:
    """Return in what the tables, indexes and guards differ from what the code knows."""
    context = MigrationContext.configure(tx)
    found = [
        one
        for some in compare_metadata(context, Table.metadata)
        for one in (some if isinstance(some, list) else [some])
    ]
    said = sorted(map(_difference, found))
    said += [f"trigger {name} is missing or off" for name in dialect.missing(tx)]
    if tx.dialect.name == "sqlite":
        asked = "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
        made = {str(name): str(sql) for name, sql in tx.exec_driver_sql(asked)}
        said += [
            f"table {table.name} could give a number twice"
            for table in Table.metadata.sorted_tables
            if table.autoincrement_column is not None
            and "AUTOINCREMENT" not in made.get(table.name, "AUTOINCREMENT")
        ]
    return said


def damages(tx: Connection) -> list[str]:
    """Return what the database itself finds broken in its file, or takes without having checked."""
    if tx.dialect.name == "sqlite":
        try:
            found = tx.exec_driver_sql(f"PRAGMA integrity_check({SHOWN})").scalars().all()
        except DBAPIError as error:
            return [f"SQLite cannot read its file: {error.orig}"]
        return [f"SQLite finds: {one}" for one in found if one != "ok"]
    asked = (
        "SELECT conname FROM pg_constraint WHERE NOT convalidated "
        "AND connamespace = current_schema()::regnamespace"
    )
    unchecked = tx.exec_driver_sql(asked).scalars().all()
    return [f"constraint {name} was never checked" for name in unchecked]


def dangling(tx: Connection) -> list[str]:
    """Return how many rows point at nothing, by foreign key or by `columns.refers`."""
    said = []
    for column, target in _references():
        table = column.table
        there = target.table.alias("there")
        lost = tx.execute(
            select(func.count())
            .select_from(table.outerjoin(there, column == there.c[target.name]))
            .where(column.is_not(None), there.c[target.name].is_(None))
        ).scalar_one()
        if lost:
            rows = "row" if lost == 1 else "rows"
            said.append(
                f"{lost} {rows} of {table.name}: {column.name} points at no {target.table.name}"
            )
    return said


def _references() -> Iterator[tuple[Column[Any], Column[Any]]]:
    for table in Table.metadata.sorted_tables:
        for column in table.columns:
            for key in column.foreign_keys:
                yield column, key.column
            if named := column.info.get("refers"):
                other, _, name = named.partition(".")
                yield column, Table.metadata.tables[other].c[name]


def _difference(found: tuple[Any, ...]) -> str:
    """Say what Alembic would change as what is wrong."""
    kind, *about = found
    if sentence := _DIFFERENCES.get(kind):
        return sentence.format(*(getattr(one, "name", one) for one in about))
    if kind.startswith("modify_"):
        return f"column {about[1]}.{about[2]} differs ({kind.removeprefix('modify_')})"
    return f"{kind} {' '.join(str(one) for one in about if not isinstance(one, CoreTable))}"
