"""Moves many rows at once, by the fastest way that each database has.

SQLite runs one prepared statement for each row; PostgreSQL gets one array a column and runs one
statement for thousands of rows. Both skip what SQLAlchemy does for each row and keep what its
types do to each value. Rows that share a key are changed in the order of that key, so that two
writers wait for each other and do not deadlock.

Rows are given as dictionaries, all with the same keys, or as `Columns`, which spares making them
and sends what is the same in all rows once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise, repeat
from operator import itemgetter, lt
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect
from sqlalchemy import Table as CoreTable

from tutela.store import numbers, values
from tutela.store.columns import Table

# Large enough that a round trip does not count, small enough that the arrays stay a few megabytes.
ROWS_AT_ONCE = 5_000

Row = dict[str, Any]
Names = tuple[str, ...]


@dataclass(frozen=True)
class Columns:
    """Many rows by column: `each` has one value a row, `same` one value for all of them."""

    each: Mapping[str, Sequence[Any]]
    same: Mapping[str, Any] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(next(iter(self.each.values())))

    @property
    def names(self) -> tuple[Names, Names]:
        """The names of both kinds of columns."""
        return tuple(self.each), tuple(self.same)

    def part(self, start: int, end: int) -> Columns:
        """Return some of the rows."""
        return Columns({name: each[start:end] for name, each in self.each.items()}, self.same)

    def chosen(self, places: Sequence[int]) -> Columns:
        """Return the rows at some places, in that order."""
        return Columns(
            {name: [each[place] for place in places] for name, each in self.each.items()}, self.same
        )


Rows = Sequence[Row] | Columns


def insert_rows(
    tx: Connection, table: type[Table], rows: Rows, *, ignore_existing: bool = False
) -> None:
    """Insert rows; with `ignore_existing` those that meet a row already there are left out.

    Raises:
        sqlalchemy.exc.IntegrityError: a row is already there or points at nothing.
    """
    given = _columns(rows)
    if given.count:
        ending = "ON CONFLICT DO NOTHING" if ignore_existing else ""
        _run(tx, _insert(tx.dialect, _core(table), given.names, ending), given)


def insert_tuples(
    tx: Connection, table: CoreTable, names: Names, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows of which each is a tuple of the values of the columns `names`."""
    statement = _insert(tx.dialect, table, (names, ()), "")
    for start in range(0, len(rows), ROWS_AT_ONCE):
        part = zip(*rows[start : start + ROWS_AT_ONCE], strict=True)
        _send(tx, statement, Columns(dict(zip(names, part, strict=True))))


def insert_returning(tx: Connection, table: type[Table], rows: Rows) -> list[int]:
    """Insert rows without an id, and return the ids that they got, in the order of the rows."""
    given = _columns(rows)
    if not given.count:
        return []
    core = _core(table)
    name, ids = numbers.reserved(tx, core, given.count)
    numbered = Columns({name: ids, **given.each}, given.same)
    _run(tx, _insert(tx.dialect, core, numbered.names, ""), numbered)
    return ids


def upsert_rows(tx: Connection, table: type[Table], rows: Rows, key: Names | None = None) -> None:
    """Insert rows; where one with this key is already there, set its other columns.

    Of several rows with one key the last counts. `key` has a unique index; it is the primary key
    where it is left out.
    """
    given = _columns(rows)
    if not given.count:
        return
    core = _core(table)
    chosen = key or tuple(core.primary_key.columns.keys())
    quote = tx.dialect.identifier_preparer.quote
    others = [quote(name) for name in (*given.each, *given.same) if name not in chosen]
    setting = ", ".join(f"{name} = excluded.{name}" for name in others)
    ending = (
        f"ON CONFLICT ({', '.join(map(quote, chosen))}) "
        f"DO {f'UPDATE SET {setting}' if setting else 'NOTHING'}"
    )
    _run(tx, _insert(tx.dialect, core, given.names, ending), _by_key(given, chosen))


def add_rows(tx: Connection, table: type[Table], rows: Rows, counters: Sequence[str]) -> None:
    """Insert rows; where one with this primary key is there, add to its counters instead.

    No two rows may have the same key.
    """
    given = _columns(rows)
    if not given.count:
        return
    core = _core(table)
    key = tuple(core.primary_key.columns.keys())
    quote = tx.dialect.identifier_preparer.quote
    mine = quote(core.name)
    names = map(quote, counters)
    setting = ", ".join(f"{name} = {mine}.{name} + excluded.{name}" for name in names)
    ending = f"ON CONFLICT ({', '.join(map(quote, key))}) DO UPDATE SET {setting}"
    _run(tx, _insert(tx.dialect, core, given.names, ending), _by_key(given, key))


def update_rows(tx: Connection, table: type[Table], rows: Rows, key: Names | None = None) -> int:
    """Set the columns of the rows that have these keys; return how many there were.

    Of several rows with one key the last counts. `key` is the primary key where it is left out.
    """
    given = _columns(rows)
    if not given.count:
        return 0
    core = _core(table)
    chosen = key or tuple(core.primary_key.columns.keys())
    return _run(tx, _update(tx.dialect, core, given.names, chosen), _by_key(given, chosen))


class _Statement(NamedTuple):
    """Text of a statement, the columns in its order, and what makes their values fit."""

    text: str
    names: Names
    fitting: tuple[Callable[[Sequence[Any]], Any] | None, ...]


@lru_cache(maxsize=512)
def _insert(
    dialect: Dialect, table: CoreTable, names: tuple[Names, Names], ending: str
) -> _Statement:
    each, same = names
    quote = dialect.identifier_preparer.quote
    # What is the same comes first: so do its values in a SELECT.
    ordered = (*same, *each)
    target = f"INSERT INTO {quote(table.name)} ({', '.join(map(quote, ordered))})"
    if dialect.name == "sqlite":
        text = f"{target} VALUES ({', '.join('?' * len(ordered))}) {ending}"
    else:
        once = [_once(dialect, table, name) for name in same]
        found = ", ".join([*once, "given.*"])
        text = f"{target} SELECT {found} FROM {_given(dialect, table, each)} {ending}"  # noqa: S608 names of our tables
    return _Statement(text, ordered, _fitting(dialect, table, ordered))


@lru_cache(maxsize=512)
def _update(
    dialect: Dialect, table: CoreTable, names: tuple[Names, Names], key: Names
) -> _Statement:
    each, same = names
    quote = dialect.identifier_preparer.quote
    target = quote(table.name)
    if dialect.name == "sqlite":
        changed = tuple(name for name in (*same, *each) if name not in key)
        ordered = (*changed, *key)
        setting = ", ".join(f"{quote(name)} = ?" for name in changed)
        where = " AND ".join(f"{quote(name)} = ?" for name in key)
        text = f"UPDATE {target} SET {setting} WHERE {where}"  # noqa: S608 names of our tables
        return _Statement(text, ordered, _fitting(dialect, table, ordered))
    once = [name for name in same if name not in key]
    found = [name for name in same if name in key]
    sets = [f"{quote(name)} = {_once(dialect, table, name)}" for name in once]
    sets += [f"{quote(name)} = given.{quote(name)}" for name in each if name not in key]
    wanted = [f"{target}.{quote(name)} = given.{quote(name)}" for name in key if name in each]
    wanted += [f"{target}.{quote(name)} = {_once(dialect, table, name)}" for name in found]
    given = _given(dialect, table, each)
    text = f"UPDATE {target} SET {', '.join(sets)} FROM {given} WHERE {' AND '.join(wanted)}"  # noqa: S608 likewise
    ordered = (*once, *each, *found)
    return _Statement(text, ordered, _fitting(dialect, table, ordered))


def _given(dialect: Dialect, table: CoreTable, each: Names) -> str:
    """Return what PostgreSQL reads rows from: one array a column."""
    columns = ", ".join(map(dialect.identifier_preparer.quote, each))
    return f"unnest({_arrays(dialect, table, each)}) AS given ({columns})"


def _once(dialect: Dialect, table: CoreTable, name: str) -> str:
    """Return one value, which is sent as an array of one: in binary, like all others."""
    return f"(%s::{table.c[name].type.compile(dialect)}[])[1]"


def _arrays(dialect: Dialect, table: CoreTable, names: Names) -> str:
    return ", ".join(f"%s::{table.c[name].type.compile(dialect)}[]" for name in names)


def _fitting(
    dialect: Dialect, table: CoreTable, names: Names
) -> tuple[Callable[[Sequence[Any]], Any] | None, ...]:
    make = values.for_sqlite if dialect.name == "sqlite" else values.for_postgresql
    return tuple(make(table.c[name], dialect) for name in names)


def _run(tx: Connection, statement: _Statement, given: Columns) -> int:
    """Run a statement over all rows and return how many it changed."""
    return sum(
        _send(tx, statement, given.part(start, start + ROWS_AT_ONCE))
        for start in range(0, given.count, ROWS_AT_ONCE)
    )


def _send(tx: Connection, statement: _Statement, given: Columns) -> int:
    sqlite = tx.dialect.name == "sqlite"
    fitted: list[Any] = []
    for name, fit in zip(statement.names, statement.fitting, strict=True):
        alone = name in given.same
        column = [given.same[name]] if alone else given.each[name]
        ready = fit(column) if fit else column
        fitted.append(repeat(ready[0], given.count) if alone and sqlite else ready)
    parameters = list(zip(*fitted, strict=True)) if sqlite else tuple(fitted)
    return tx.exec_driver_sql(statement.text, parameters).rowcount


def _columns(rows: Rows) -> Columns:
    if isinstance(rows, Columns):
        return rows
    names = rows[0] if rows else {"": None}
    return Columns({name: [row[name] for row in rows] for name in names})


def _by_key(given: Columns, key: Names) -> Columns:
    """Return the last row of each key, in the order of the keys."""
    told_apart = [given.each[name] for name in key if name in given.each]
    keys = told_apart[0] if len(told_apart) == 1 else list(zip(*told_apart, strict=True))
    if all(lt(*two) for two in pairwise(keys)):
        return given
    last = {one: place for place, one in enumerate(keys)}
    return given.chosen([place for _, place in sorted(last.items(), key=itemgetter(0))])


def _core(table: type[Table]) -> CoreTable:
    core = table.__table__
    if not isinstance(core, CoreTable):
        raise TypeError(f"{table.__name__} is no table")
    return core
