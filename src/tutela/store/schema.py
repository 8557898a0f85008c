"""Brings a database to the present revision, and says whether it is sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from tutela.core.errors import IntegrityError, UsageError
from tutela.store import soundness
from tutela.store.database import Database
from tutela.store.migrations import dialect
from tutela.store.tables import (
    access,
    audit,
    casework,
    chat,
    crawl,
    exchange,
    federation,
    grading,
    leads,
    matching,
    observation,
    vault,
)

# Importing them is what makes their tables known.
DOMAINS = (
    *(access, casework, grading, vault, audit, exchange, matching, federation, observation),
    *(crawl, leads, chat),
)
STEPS = Path(dialect.__file__).parent / "versions"
UPGRADE_LOCK = 0x7475_7465_6C61  # any number, the same in every process


def upgrade(database: Database) -> None:
    """Create or change the tables until they are of the present revision; all of it or nothing.

    Raises:
        UsageError: the database was made by a newer Tutela.
        IntegrityError: rows would point at nothing afterwards.
    """
    _known(database)
    with _changing(database) as tx:
        move(tx, lambda config: command.upgrade(config, "head"))
        dialect.guard(tx)


def downgrade(database: Database, to: str) -> None:
    """Go back to a former revision, `base` for no table at all; what it cannot keep is lost."""
    with _changing(database) as tx:
        dialect.unguard(tx)
        move(tx, lambda config: command.downgrade(config, to))


def move(tx: Connection, step: Callable[[Config], object], steps: Path = STEPS) -> None:
    """Run an Alembic command on this connection, with the steps of a folder."""
    config = configuration(steps)
    config.attributes["connection"] = tx
    step(config)


def revision(database: Database) -> str | None:
    """Return the revision of a database, or None where it has none yet."""
    with database.read() as tx:
        return MigrationContext.configure(tx).get_current_revision()


@cache
def head() -> str:
    """Return the revision that this version of Tutela works with."""
    return ScriptDirectory.from_config(configuration()).get_current_head() or ""


def require_current(database: Database) -> None:
    """Let the work go on only on a database of the present revision.

    Raises:
        UsageError: it has no tables yet, is older, or was made by a newer Tutela.
    """
    found = _known(database)
    if found is None:
        raise UsageError(
            "the database has no tables yet",
            code="revision",
            hint="tutela init makes them; so does tutela db upgrade",
        )
    if found != head():
        raise UsageError(
            f"the database is at revision {found}, this version works with {head()}",
            code="revision",
            hint="tutela db upgrade",
        )


def check(database: Database) -> list[str]:
    """Return what is wrong with a database, a sentence each; nothing for a sound one.

    Looks at the file, at all tables, indexes and guards, and whether every row that another
    names is there: seconds for each million of rows.

    Raises:
        UsageError: it is of another revision, so that nothing can be said about its tables.
    """
    with database.read() as tx:
        if broken := soundness.damages(tx):
            return broken
    require_current(database)
    with database.read() as tx:
        return [*soundness.differences(tx), *soundness.dangling(tx)]


def configuration(steps: Path = STEPS) -> Config:
    """Return how Alembic finds our steps; it reads no file and sets up no log."""
    config = Config()
    config.set_main_option("script_location", str(STEPS.parent))
    config.set_main_option("version_locations", str(steps))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config


def _known(database: Database) -> str | None:
    found = revision(database)
    known = {one.revision for one in ScriptDirectory.from_config(configuration()).walk_revisions()}
    if found is not None and found not in known:
        raise UsageError(
            f"the database is at revision {found}, which this version does not know",
            code="revision",
            hint="a newer Tutela has upgraded it: use that one",
        )
    return found


@contextmanager
def _changing(database: Database) -> Iterator[Connection]:
    """Give a transaction in which tables may be copied and no other upgrade runs."""
    if database.dialect == "postgresql":
        with database.write() as tx:
            tx.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (UPGRADE_LOCK,))
            yield tx
        return
    with database.unchecked() as tx:
        yield tx
        if broken := tx.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(5):
            raise IntegrityError(
                f"rows of {', '.join(sorted({row[0] for row in broken}))} would point at nothing",
                hint="tutela db check tells more; nothing was changed",
            )
