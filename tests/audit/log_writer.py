"""A program that appends to a log, for tests that need another process.

`log_writer.py URL append WORKER TIMES` appends batches of one to three events; with `URL die` it
appends one event and is killed before it commits.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tutela.audit import log
from tutela.core.principal import Principal, Role, Via
from tutela.store import Database

WHO = Principal(7, 1, "an auditor", frozenset({Role.AUDITOR}), Via.CLI)


def batches(worker: int, times: int) -> list[list[str]]:
    """Subjects that a worker writes, one list a transaction."""
    return [
        [f"media:{worker * 1000 + number * 10 + part}" for part in range(1 + number % 3)]
        for number in range(times)
    ]


def append(database: Database, worker: int, times: int) -> None:
    for subjects in batches(worker, times):
        with database.write() as tx:
            log.record_many(tx, WHO, [log.Event("media.viewed", one) for one in subjects])


def start(database: Database, *words: object) -> subprocess.Popen[bytes]:
    """Start this program on the same database."""
    url = database.url.render_as_string(hide_password=False)
    return subprocess.Popen([sys.executable, Path(__file__), url, *map(str, words)])


def main() -> None:
    with Database(sys.argv[1]) as database:
        if sys.argv[2] == "append":
            append(database, int(sys.argv[3]), int(sys.argv[4]))
            return
        with database.write() as tx:
            log.record(tx, WHO, "case.created", "case:2")
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
