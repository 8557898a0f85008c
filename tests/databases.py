"""Real databases for tests: SQLite files, and a PostgreSQL server that the tests start themselves.

Each test gets a database of its own, copied from one that was brought to the present revision once.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tutela.store import Database
from tutela.store.schema import upgrade

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@dataclass
class Server:
    """A PostgreSQL server on a socket of its own; nobody else can reach it."""

    folder: Path
    template: str = ""
    made: list[str] = field(default_factory=list)

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self.folder}"

    def create(self, template: str = "template0") -> str:
        name = f"t{uuid.uuid4().hex[:16]}"
        self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return name

    def drop(self, name: str) -> None:
        self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _administer(self, statement: str) -> None:
        with psycopg.connect(
            f"host={self.folder} user=postgres dbname=postgres", autocommit=True
        ) as connection:
            connection.execute(statement)


def _as_postgres(*words: str | Path) -> list[str]:
    """PostgreSQL refuses to run as root."""
    prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    return [*(prefix if os.geteuid() == 0 else []), *map(str, words)]


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Start a PostgreSQL server and stop it at the end."""
    assert PROGRAMS, "PostgreSQL is not installed: apt-get install postgresql"
    programs = PROGRAMS[-1]
    folder = Path(tempfile.mkdtemp(prefix="tutela-pg-"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data = folder / "data"
    subprocess.run(
        _as_postgres(
            programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"
        ),
        check=True,
        capture_output=True,
        cwd="/",
    )
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=150"
    subprocess.run(
        _as_postgres(
            *(programs / "pg_ctl", "-D", data, "-o", options, "-w", "-l", folder / "log", "start")
        ),
        check=True,
        capture_output=True,
        cwd="/",
    )
    try:
        yield Server(folder)
    finally:
        subprocess.run(
            _as_postgres(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"),
            check=False,
            capture_output=True,
            cwd="/",
        )
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Factory:
    """Makes databases of one kind, empty or at the present revision."""

    kind: str
    make: Callable[[], tuple[str, Callable[[], None]]]
    make_empty: Callable[[], tuple[str, Callable[[], None]]]
    endings: list[Callable[[], None]] = field(default_factory=list)

    def url(self, *, upgraded: bool = True) -> str:
        """Return the URL of a new database."""
        url, ending = self.make() if upgraded else self.make_empty()
        self.endings.append(ending)
        return url

    def close(self) -> None:
        for ending in reversed(self.endings):
            ending()


def sqlite_factory(template: Path, folder: Path) -> Factory:
    def empty() -> tuple[str, Callable[[], None]]:
        return f"sqlite:///{folder / uuid.uuid4().hex}.db", lambda: None

    def make() -> tuple[str, Callable[[], None]]:
        url, ending = empty()
        shutil.copyfile(template, url.removeprefix("sqlite:///"))
        return url, ending

    return Factory("sqlite", make, empty)


def postgresql_factory(running: Server) -> Factory:
    def copy(template: str) -> tuple[str, Callable[[], None]]:
        name = running.create(template)
        return running.url(name), lambda: running.drop(name)

    def make() -> tuple[str, Callable[[], None]]:
        if not running.template:
            running.template = running.create()
            with Database(running.url(running.template)) as fresh:
                upgrade(fresh)
        return copy(running.template)

    return Factory("postgresql", make, lambda: copy("template0"))
