"""Which numbers a table has given to its rows; none is ever given twice."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy import Table as CoreTable


def reserved(tx: Connection, table: CoreTable, count: int) -> tuple[str, list[int]]:
    """Take numbers that no row has or ever had; return their column and them.

    Raises:
        TypeError: the table numbers no rows by itself.
    """
    column = table.autoincrement_column
    if column is None:
        raise TypeError(f"{table.name} numbers no rows by itself")
    if not count:
        return column.name, []
    if tx.dialect.name == "postgresql":
        # As one value of text: a row for each number costs more than the numbers.
        asked = tx.exec_driver_sql(
            "SELECT string_agg(nextval(s.name::regclass)::text, ',') FROM "
            "(SELECT pg_get_serial_sequence(%s, %s) AS name) AS s, generate_series(1, %s)",
            (table.name, column.name, count),
        )
        return column.name, list(map(int, asked.scalar_one().split(",")))
    # SQLite: the write lock is ours since the transaction began, so nobody else takes them.
    first = (last_given(tx, table) or 0) + 1
    return column.name, list(range(first, first + count))


def last_given(tx: Connection, table: CoreTable) -> int | None:
    """Return the last number that a table gave to a row, 0 for none, None if it gives none."""
    column = table.autoincrement_column
    if column is None:
        return None
    if tx.dialect.name == "sqlite":
        asked = "SELECT seq FROM sqlite_sequence WHERE name = ?"
        return int(tx.exec_driver_sql(asked, (table.name,)).scalar() or 0)
    sequence = tx.exec_driver_sql(
        "SELECT pg_get_serial_sequence(%s, %s)", (table.name, column.name)
    ).scalar_one()
    asked = f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"  # noqa: S608 the server's name
    return int(tx.exec_driver_sql(asked).scalar_one())


def go_on_after(tx: Connection, table: CoreTable, last: int) -> None:
    """Let a table give its next row the number after `last`."""
    column = table.autoincrement_column
    if column is None or not last:
        return
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(
            "SELECT setval(pg_get_serial_sequence(%s, %s), %s)", (table.name, column.name, last)
        )
        return
    tx.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
    tx.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, last))
