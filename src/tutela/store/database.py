"""Opens a database and gives transactions.

SQLite runs in WAL mode with `synchronous=FULL`, PostgreSQL with `synchronous_commit`: what a caller
was told is written survives a power cut. A write takes the write lock of SQLite at once (BEGIN
IMMEDIATE), so that two writers wait for each other instead of failing in the middle.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from tutela.core.errors import ServiceError, SettingsError, UsageError
from tutela.store.columns import json_text

if TYPE_CHECKING:
    import psycopg

BUSY_MS = 30_000
# Twice this many connections at most: the server answers from forty threads.
POOL = 24

Dialect = Literal["sqlite", "postgresql"]


class Database:
    """One open database; threads may share it.

    `read` and `write` give a `Connection` inside a transaction that is committed at the end of the
    block and rolled back on an error.
    """

    def __init__(self, url: str) -> None:
        self.url = _checked(url)
        self.dialect: Dialect = (
            "sqlite" if self.url.get_backend_name() == "sqlite" else "postgresql"
        )
        self._engine = _sqlite(self.url) if self.dialect == "sqlite" else _postgresql(self.url)
        self._writer = self._engine.execution_options(tutela_write=True)
        self._turn = threading.Lock() if self.dialect == "sqlite" else contextlib.nullcontext()
        # Of several statements each sees the same; SQLite does so by itself.
        self._reader = (
            self._engine
            if self.dialect == "sqlite"
            else self._engine.execution_options(isolation_level="REPEATABLE READ")
        )

    @property
    def engine(self) -> Engine:
        """The engine, for migrations and bulk movement."""
        return self._engine

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Give one consistent view of the database.

        Raises:
            ServiceError: the database cannot be reached.
        """
        with _explained(self.url), self._reader.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a transaction that may change something.

        Raises:
            ServiceError: the database cannot be reached or written.
        """
        # SQLite lets whoever asks next have its lock, and somebody may ask in vain for long.
        with self._turn, _explained(self.url), self._writer.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def unchecked(self) -> Iterator[Connection]:
        """Give a transaction of SQLite in which rows may point at nothing for a while.

        A table that is copied and dropped would take the rows that point at it along. Whoever asks
        for this checks at the end. SQLite heeds the switch only between transactions.
        """
        with _explained(self.url), self._writer.connect() as connection:
            raw = connection.connection
            raw.execute("PRAGMA foreign_keys=OFF")
            try:
                with connection.begin():
                    yield connection
            finally:
                raw.execute("PRAGMA foreign_keys=ON")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError(
            "the database URL cannot be read", hint="sqlite:////path/tutela.db"
        ) from error
    if parsed.get_backend_name() == "sqlite":
        return parsed
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise SettingsError(
        f"{parsed.get_backend_name()} is not a database that Tutela runs on",
        hint="use sqlite:////path/tutela.db or postgresql://user@host/name",
    )


def _sqlite(url: URL) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=POOL,
        max_overflow=POOL,
        json_serializer=json_text,
        connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000},
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            f"busy_timeout={BUSY_MS}",
            # Without it INSERT OR REPLACE would slip past the triggers that guard the log.
            "recursive_triggers=ON",
            "temp_store=MEMORY",
            "cache_size=-65536",
            "mmap_size=1073741824",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("tutela_write")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL) -> Engine:
    # The driver of PostgreSQL is loaded where there is one only.
    from tutela.store import values  # noqa: PLC0415 - heavy

    engine = create_engine(
        url,
        pool_size=POOL,
        max_overflow=POOL,
        pool_pre_ping=True,
        json_serializer=json_text,
        connect_args={"options": "-c timezone=UTC -c lock_timeout=30s"},
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: psycopg.Connection[Any], _record: object) -> None:
        values.teach(connection)
        # Somebody may have made the whole server quick and forgetful; what asks for more stays.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) "
            "WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.commit()

    return engine


@contextlib.contextmanager
def _explained(url: URL) -> Iterator[None]:
    try:
        yield
    except (DataError, OverflowError) as error:
        # Such as a number beyond 64 bits, or text with a NUL, that somebody typed into an address.
        raise UsageError("a value is none that can be kept or looked for", code="value") from error
    except PoolTimeout as error:
        raise ServiceError(
            "the database has no connection to spare", code="busy", hint="try again in a moment"
        ) from error
    except OperationalError as error:
        raise ServiceError(
            f"the database {url.render_as_string(hide_password=True)} does not answer as it should",
            code="database",
            hint="tutela db check tells more",
        ) from error
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise ServiceError("the database went away", code="database") from error
