"""Grades a second, in bulk, on each kind of database: the core of `tutela bench casework`."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "casework")]

from casework_office import MadeCase, Office  # noqa: E402 likewise

import databases  # noqa: E402 found by the path above
from tutela.casework import grade  # noqa: E402 likewise
from tutela.casework.grade import Decision  # noqa: E402 likewise
from tutela.store import Database  # noqa: E402 likewise
from tutela.store.schema import upgrade  # noqa: E402 likewise

MEDIA = 20_000
TOGETHER = 5_000
CODES = ("A", "B", "C", "none")
ROUNDS = 3


def measure(media: int = MEDIA, rounds: int = ROUNDS) -> dict[str, float]:
    """Return grades a second on each database: the best of some rounds.

    Each grade is a history row, a vote, an agreement, a state in the case and a leaf of the log.
    """
    rates: dict[str, float] = {}
    for kind in ("sqlite", "postgresql"):
        with _database(kind) as database:
            office = Office(database)
            best = max(_rate(office, media) for _ in range(rounds))
        rates[kind] = round(best)
    return rates


def _rate(office: Office, media: int) -> float:
    case = office.make_case(media)
    begun = time.perf_counter()
    _grade_all(office, case)
    return media / (time.perf_counter() - begun)


def _grade_all(office: Office, case: MadeCase) -> None:
    who = office.person("grader")
    for start in range(0, len(case.media_ids), TOGETHER):
        part = case.media_ids[start : start + TOGETHER]
        decisions = [Decision(one, CODES[one % len(CODES)]) for one in part]
        with office.database.write() as tx:
            given = grade.give(tx, who, case.id, decisions)
        assert len(given) == len(part)


@contextmanager
def _database(kind: str) -> Iterator[Database]:
    """Open a new database on disk; the tests' PostgreSQL does not wait for the disk (fsync off)."""
    with tempfile.TemporaryDirectory() as folder:
        if kind == "sqlite":
            with Database(f"sqlite:///{folder}/bench.db") as database:
                upgrade(database)
                yield database
            return
        with databases.server() as running:
            url = databases.postgresql_factory(running).url()
            with Database(url) as database:
                yield database


if __name__ == "__main__":
    for name, rate in measure().items():
        print(f"{name}: {rate:,.0f} grades/s")
