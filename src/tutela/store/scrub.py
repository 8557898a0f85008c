"""Rewrites what a database keeps of deleted rows, so that their words are in its files no more.

A deleted row is gone for every query. Its bytes may lie on: in free room of a page, in the
write-ahead log, in statistics. What no database can reach are backups, copies of its log, and the
blocks of a disk that its files have given back.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import OperationalError

from tutela.core.errors import ServiceError
from tutela.store.columns import Table
from tutela.store.database import Database


def scrub(database: Database, table: type[Table]) -> None:
    """Write a table anew without what was deleted of it; SQLite writes its whole file anew.

    Nobody else works meanwhile: seconds for each gigabyte. SQLite needs twice the room.

    Raises:
        ServiceError: somebody works with the database and does not stop; the rows are gone all the
            same, and this can be done again.
    """
    try:
        if database.dialect == "sqlite":
            _sqlite(database)
        else:
            _postgresql(database, table)
    except OperationalError as error:
        raise _busy() from error


def _sqlite(database: Database) -> None:
    with database.engine.connect() as connection:
        raw = connection.connection
        try:
            raw.execute("VACUUM")
            (waits, _, _) = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            raise _busy() from error
    if waits:
        raise _busy()


def _postgresql(database: Database, table: type[Table]) -> None:
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # Statistics hold values of the rows as they were.
        connection.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {table.__tablename__}")


def _busy() -> ServiceError:
    return ServiceError(
        "the words are erased, but pieces may be left in the files: somebody works with them",
        code="busy",
        hint="stop tutela serve, and run tutela audit erase --rewrite",
    )
