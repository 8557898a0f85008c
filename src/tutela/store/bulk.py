"""Moves many rows at once, by the fastest way that each database has.

SQLite runs one prepared statement for each row; PostgreSQL gets one array a column and runs one
statement for thousands of rows. Both skip what SQLAlchemy does for each row and keep what its
types do to each value. All rows of a call have the same keys. Rows that share a key are changed
in the order of that key, so that two writers wait for each other and do not deadlock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect
from sqlalchemy import Table as CoreTable

from tutela.store import numbers, values
from tutela.store.columns import Table

# Large enough that a round trip does not count, small enough that the arrays stay a few megabytes.
ROWS_AT_ONCE = 5_000

Row = dict[str, Any]
Names = tuple[str, ...]


def insert_rows(
    tx: Connection, table: type[Table], rows: Sequence[Row], *, ignore_existing: bool = False
) -> None:
    """Insert rows; with `ignore_existing` those that meet a row already there are left out.

    Raises:
        sqlalchemy.exc.IntegrityError: a row is already there or points at nothing.
    """
    if rows:
        ending = "ON CONFLICT DO NOTHING" if ignore_existing else ""
        _run(tx, _insert(tx.dialect, _core(table), tuple(rows[0]), ending), rows)


def insert_tuples(
    tx: Connection, table: CoreTable, names: Names, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows of which each is a tuple of the values of the columns `names`."""
    statement = _insert(tx.dialect, table, names, "")
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        _send(tx, statement, list(zip(*part, strict=True)))


def insert_returning(tx: Connection, table: type[Table], rows: Sequence[Row]) -> list[int]:
    """Insert rows without an id, and return the ids that they got, in the order of the rows."""
    if not rows:
        return []
    core = _core(table)
    name, ids = numbers.reserved(tx, core, len(rows))
    statement = _insert(tx.dialect, core, (name, *rows[0]), "")
    _run(tx, statement, [{name: id_, **row} for id_, row in zip(ids, rows, strict=True)])
    return ids


def upsert_rows(
    tx: Connection, table: type[Table], rows: Sequence[Row], key: Names | None = None
) -> None:
    """Insert rows; where one with this key is already there, set its other columns.

    Of several rows with one key the last counts. `key` has a unique index; it is the primary key
    where it is left out.
    """
    if not rows:
        return
    core = _core(table)
    chosen = key or tuple(core.primary_key.columns.keys())
    quote = tx.dialect.identifier_preparer.quote
    others = [quote(name) for name in rows[0] if name not in chosen]
    setting = ", ".join(f"{name} = excluded.{name}" for name in others)
    ending = (
        f"ON CONFLICT ({', '.join(map(quote, chosen))}) "
        f"DO {f'UPDATE SET {setting}' if setting else 'NOTHING'}"
    )
    _run(tx, _insert(tx.dialect, core, tuple(rows[0]), ending), _by_key(rows, chosen))


def add_rows(
    tx: Connection, table: type[Table], rows: Sequence[Row], counters: Sequence[str]
) -> None:
    """Insert rows; where one with this primary key is there, add to its counters instead.

    No two rows may have the same key.
    """
    if not rows:
        return
    core = _core(table)
    key = tuple(core.primary_key.columns.keys())
    quote = tx.dialect.identifier_preparer.quote
    mine = quote(core.name)
    names = map(quote, counters)
    setting = ", ".join(f"{name} = {mine}.{name} + excluded.{name}" for name in names)
    ending = f"ON CONFLICT ({', '.join(map(quote, key))}) DO UPDATE SET {setting}"
    _run(tx, _insert(tx.dialect, core, tuple(rows[0]), ending), _by_key(rows, key))


def update_rows(
    tx: Connection, table: type[Table], rows: Sequence[Row], key: Names | None = None
) -> int:
    """Set the columns of the rows that have these keys; return how many there were.

    Of several rows with one key the last counts. `key` is the primary key where it is left out.
    """
    if not rows:
        return 0
    core = _core(table)
    chosen = key or tuple(core.primary_key.columns.keys())
    return _run(tx, _update(tx.dialect, core, tuple(rows[0]), chosen), _by_key(rows, chosen))


class _Statement(NamedTuple):
    """Text of a statement, the row's columns in its order, and what makes their values fit."""

    text: str
    names: Names
    fitting: tuple[Callable[[Sequence[Any]], Any] | None, ...]


@lru_cache(maxsize=512)
def _insert(dialect: Dialect, table: CoreTable, names: Names, ending: str) -> _Statement:
    quote = dialect.identifier_preparer.quote
    target = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, names))})"
    if dialect.name == "sqlite":
        text = f"{target} VALUES ({', '.join('?' * len(names))}) {ending}"
    else:
        text = f"{target} SELECT * FROM unnest({_arrays(dialect, table, names)}) {ending}"  # noqa: S608 names of our tables
    return _Statement(text, names, _fitting(dialect, table, names))


@lru_cache(maxsize=512)
def _update(dialect: Dialect, table: CoreTable, names: Names, key: Names) -> _Statement:
    quote = dialect.identifier_preparer.quote
    target = quote(table.name)
    changed = tuple(name for name in names if name not in key)
    ordered = (*changed, *key)
    if dialect.name == "sqlite":
        setting = ", ".join(f"{quote(name)} = ?" for name in changed)
        where = " AND ".join(f"{quote(name)} = ?" for name in key)
        text = f"UPDATE {target} SET {setting} WHERE {where}"  # noqa: S608 names of our tables
    else:
        setting = ", ".join(f"{quote(name)} = given.{quote(name)}" for name in changed)
        where = " AND ".join(f"{target}.{quote(name)} = given.{quote(name)}" for name in key)
        columns = ", ".join(map(quote, ordered))
        given = f"unnest({_arrays(dialect, table, ordered)}) AS given ({columns})"
        text = f"UPDATE {target} SET {setting} FROM {given} WHERE {where}"  # noqa: S608 likewise
    return _Statement(text, ordered, _fitting(dialect, table, ordered))


def _arrays(dialect: Dialect, table: CoreTable, names: Names) -> str:
    return ", ".join(f"%s::{table.c[name].type.compile(dialect)}[]" for name in names)


def _fitting(
    dialect: Dialect, table: CoreTable, names: Names
) -> tuple[Callable[[Sequence[Any]], Any] | None, ...]:
    make = values.for_sqlite if dialect.name == "sqlite" else values.for_postgresql
    return tuple(make(table.c[name], dialect) for name in names)


def _run(tx: Connection, statement: _Statement, rows: Sequence[Row]) -> int:
    """Run a statement over all rows and return how many it changed."""
    changed = 0
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = rows[start : start + ROWS_AT_ONCE]
        changed += _send(tx, statement, [[row[name] for row in part] for name in statement.names])
    return changed


def _send(tx: Connection, statement: _Statement, columns: Sequence[Sequence[Any]]) -> int:
    fitted = [
        fit(column) if fit else column
        for fit, column in zip(statement.fitting, columns, strict=True)
    ]
    given = list(zip(*fitted, strict=True)) if tx.dialect.name == "sqlite" else tuple(fitted)
    return tx.exec_driver_sql(statement.text, given).rowcount


def _by_key(rows: Sequence[Row], key: Names) -> list[Row]:
    """Return the last row of each key, in the order of the keys."""
    of = itemgetter(*key)
    last = {of(row): row for row in rows}
    return [last[one] for one in sorted(last)]


def _core(table: type[Table]) -> CoreTable:
    core = table.__table__
    if not isinstance(core, CoreTable):
        raise TypeError(f"{table.__name__} is no table")
    return core
