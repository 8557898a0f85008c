"""`tutela db`: bring the database to the present revision, check, back up and restore it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App, Parameter

from tutela.core import settings as core_settings

if TYPE_CHECKING:
    from tutela.store import Database

BROKEN = 4
REDRAW_SECONDS = 0.25
_SUBJECT = "installation"

app = App(
    name="db",
    help="Upgrade, check, back up and restore the database.",
    default_parameter=Parameter(negative=()),
)


@app.command
def upgrade(*, config: Path | None = None) -> int:
    """Create or change the tables until they fit this version of Tutela; all of it or nothing.

    Make a backup first. It is written to the log as direct use of the database.

    Args:
        config: Settings file.
    """
    from tutela.store import schema  # noqa: PLC0415 - heavy; only when a command runs

    with _database(config) as database:
        before = schema.revision(database)
        schema.upgrade(database)
        if before == schema.head():
            print(f"revision {before}: nothing to change")
            return 0
        _log(database, "db.upgraded", before=before, revision=schema.head())
        print(f"revision {schema.head()}, before it {before or 'no tables'}")
    return 0


@app.command
def check(*, config: Path | None = None) -> int:
    """Say whether the database is sound: its file, its tables, its guards, and that no row is lost.

    The exit status is 4 where it is not. Work may go on meanwhile.

    Args:
        config: Settings file.
    """
    from tutela.store import schema  # noqa: PLC0415 - heavy, as above

    with _database(config) as database:
        found = schema.check(database)
        for sentence in found:
            print(sentence)
        if found:
            return BROKEN
        print(f"sound, revision {schema.head()}")
    return 0


@app.command
def backup(file: Path, *, config: Path | None = None) -> int:
    """Write all of the database into one file, as it is at one moment; work may go on meanwhile.

    Guard the file like the database: it holds everything but pictures and the keys to them.

    Examples:
        tutela db backup tutela-2026-11-23.backup

    Args:
        file: A new file; only you will be able to read it.
        config: Settings file.
    """
    from tutela.store import backup as backups  # noqa: PLC0415 - heavy, as above

    with _database(config) as database, _drawn() as draw:
        made = backups.write(database, file, draw)
        _log(database, "db.backed_up", rows=made.rows, audit_size=made.audit_size)
    print(f"{made.rows:,} rows of {len(made.tables)} tables, log of {made.audit_size:,} events")
    return 0


@app.command
def restore(file: Path, *, config: Path | None = None) -> int:
    """Make an empty database of a backup, on SQLite or PostgreSQL; all of it or nothing.

    Every digest is checked before anything is written. Nobody is signed in afterwards. It is
    written to the log as direct use of the database.

    Args:
        file: What `tutela db backup` wrote.
        config: Settings file; its [database] url is where the backup goes.
    """
    from tutela.store.restore import restore as fill  # noqa: PLC0415 - heavy, as above

    with _database(config) as database, _drawn() as draw:
        made = fill(database, file, draw)
        _log(
            database,
            "db.restored",
            revision=made.revision,
            audit_size=made.audit_size,
            audit_root=made.audit_root,
        )
    print(f"{made.rows:,} rows of {len(made.tables)} tables, log of {made.audit_size:,} events")
    print(
        "hint: tutela vault check --repair destroys again what was shredded since the backup",
        file=sys.stderr,
    )
    return 0


@contextlib.contextmanager
def _database(config: Path | None) -> Iterator[Database]:
    from tutela.store import Database  # noqa: PLC0415 - heavy, as above

    with Database(core_settings.load(config).database.url) as database:
        yield database


def _log(database: Database, action: str, **data: str | int | None) -> None:
    """Tell the log of a direct use of the database: no account of ours was asked."""
    from tutela.audit import log  # noqa: PLC0415 - heavy, as above
    from tutela.cli.open import BREAK_GLASS  # noqa: PLC0415 - as above

    with database.write() as tx:
        log.record_many(tx, BREAK_GLASS, [log.Event(action, _SUBJECT, data)])


@contextlib.contextmanager
def _drawn() -> Iterator[Callable[[int, int], None] | None]:
    """Yield what draws rows done of rows in all, where a person watches."""
    if not sys.stderr.isatty():
        yield None
        return
    last = 0.0

    def draw(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= REDRAW_SECONDS:
            last = time.monotonic()
            sys.stderr.write(f"\r\x1b[2K{done:,} of {total:,} rows")
            sys.stderr.flush()

    try:
        yield draw
    finally:
        sys.stderr.write("\r\x1b[2K")
        sys.stderr.flush()
