"""What benchmarks of casework stand on: databases that keep their word, people, a server's process.

PostgreSQL runs as the tests start it, but with fsync, and with the memory that a server of an
agency would give it; SQLite as Tutela opens it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "casework"), str(ROOT / "tests" / "web")]

from web_support import session  # noqa: E402 likewise

import databases  # noqa: E402 found by the path above
from tutela.store import Database  # noqa: E402 likewise
from tutela.store.schema import upgrade  # noqa: E402 likewise

__all__ = ["KINDS", "Browser", "Serving", "opened", "session"]

KINDS = ("sqlite", "postgresql")
POSTGRESQL = (
    "-c listen_addresses='' -c max_connections=150 -c shared_buffers=1GB -c max_wal_size=8GB"
)


@contextlib.contextmanager
def opened(kind: str) -> Iterator[Database]:
    """Open a new database on disk at the present revision, and remove it at the end."""
    with contextlib.ExitStack() as ending:
        if kind == "sqlite":
            folder = ending.enter_context(tempfile.TemporaryDirectory(prefix="tutela-bench-"))
            url = f"sqlite:///{folder}/bench.db"
        else:
            running = ending.enter_context(databases.server())
            _keeps_its_word(running)
            url = running.url(running.create())
        database = ending.enter_context(Database(url))
        upgrade(database)
        yield database


def _keeps_its_word(running: databases.Server) -> None:
    """Start the server of the tests again, as one that writes what it says it wrote."""
    program = [databases.PROGRAMS[-1] / "pg_ctl", "-D", running.folder / "data", "-w", "-m", "fast"]
    options = ["-o", f"-k {running.folder} {POSTGRESQL}", "-l", running.folder / "log", "restart"]
    words = databases._as_postgres(*program, *options)  # noqa: SLF001 how the tests start it
    subprocess.run(words, check=True, capture_output=True, cwd="/")


class Serving:
    """A process that serves a database's pages, or one static page, on a loopback port."""

    def __init__(self, url: str = "") -> None:
        server = Path(__file__).with_name("casework_server.py")
        self._process = subprocess.Popen(
            [sys.executable, str(server), url], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the server did not start"
        self.port = int(line)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.terminate()
        self._process.wait()


class Browser:
    """One connection to a server, kept open, with the cookie of one session."""

    def __init__(self, port: int, token: str = "") -> None:
        self._port = port
        self._connection = http.client.HTTPConnection("localhost", port, timeout=120)
        self._headers = {"Host": "localhost"} | ({"Cookie": f"tutela={token}"} if token else {})

    def get(self, path: str) -> bytes:
        """Ask for a page."""
        return self._ask("GET", path, None, {})

    def post(self, path: str, body: Any) -> Any:
        """Send JSON as the grid does, and return the JSON of the answer."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Sec-Fetch-Site": "same-origin",
        }
        return json.loads(self._ask("POST", path, json.dumps(body).encode(), headers))

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        self._connection.request(method, path, body, {**self._headers, **headers})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != http.client.OK:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content
