"""Grades a second in bulk, on each kind of database, beside the same rows written by the driver.

The peer's database is a twin: it gets what ours wrote, row for row into the same tables with the
same indexes and triggers, in transactions of the same size, by the fastest way its driver has.
"""

from __future__ import annotations

import gc
import time
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

import casework_fill as filling
import casework_stage as stage
from casework_fill import Filled
from measure import Figure
from tutela.access import accounts
from tutela.casework import grade
from tutela.casework.grade import Decision
from tutela.core.ids import MediaId
from tutela.core.principal import Principal, Via
from tutela.store import Database
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.grading import GradingAct

GOAL = 20_000
TOGETHER = 10_000
CODES = ("A", "B", "C", "none")
# What one call writes; `case_media` is changed, the others get new rows.
WRITTEN = {
    "grades": "media_id BETWEEN {first} AND {last}",
    "votes": "media_id BETWEEN {first} AND {last}",
    "agreements": "media_id BETWEEN {first} AND {last}",
    "audit_events": "seq >= {seq} AND seq < {seq_end}",
    "grading_acts": "id = {act}",
}
CHANGED = (
    "SELECT state, code, case_id, media_id FROM case_media "
    "WHERE media_id BETWEEN {first} AND {last}"
)


class _Call(NamedTuple):
    """One call of ours: its media, its leaves of the log, its act."""

    first: int
    last: int
    seq: int
    seq_end: int
    act: int


def figures(kind: str, media: int, rounds: int) -> list[Figure]:
    """Measure grading of `media` pictures, the best of some rounds."""
    ours = theirs = cpu = float("inf")
    with stage.opened(kind) as database, stage.opened(kind) as twin:
        cases, who = _filled(database, rounds, media)
        _filled(twin, rounds, media)
        for case in cases:
            gc.collect()
            begin, worked = time.perf_counter(), time.process_time()
            calls = _grade(database, who, case)
            ours = min(ours, time.perf_counter() - begin)
            cpu = min(cpu, time.process_time() - worked)
            rows = [_rows(database, call) for call in calls]
            gc.collect()
            begin = time.perf_counter()
            _replay(twin, rows)
            theirs = min(theirs, time.perf_counter() - begin)
    name = f"{kind}: grades in bulk, {TOGETHER:,} a call"
    return [
        Figure(
            name,
            media / ours,
            "1/s",
            "the same rows by the driver alone",
            media / theirs,
            theirs / ours,
            f">= {GOAL:,}/s",
            media / ours >= GOAL,
        ),
        Figure(f"{kind}: CPU of our process for a grade", cpu / media * 1e6, "µs"),
    ]


def _filled(database: Database, cases: int, media: int) -> tuple[list[Filled], Principal]:
    people = filling.staff(database, 1)
    made = filling.fill(database, people, cases, media)
    with database.read() as tx:
        return made, accounts.principal(tx, people[0].account_id, Via.WEB)


def _grade(database: Database, who: Principal, case: Filled) -> list[_Call]:
    """Grade all of a case, each picture by itself."""
    calls = []
    for start in range(case.first, case.first + case.media, TOGETHER):
        end = min(start + TOGETHER, case.first + case.media)
        decisions = [Decision(MediaId(one), CODES[one % len(CODES)]) for one in range(start, end)]
        with database.write() as tx:
            seq = _leaves(tx)
            given = grade.give(tx, who, case.id, decisions)
            assert len(given) == len(decisions)
            act = tx.execute(select(func.max(GradingAct.id))).scalar_one()
            calls.append(_Call(start, end - 1, seq, _leaves(tx), act))
    return calls


def _leaves(tx: Connection) -> int:
    return tx.execute(select(func.coalesce(func.max(AuditEvent.seq), -1))).scalar_one() + 1


def _rows(database: Database, call: _Call) -> dict[str, Any]:
    """Return what a call wrote by table, as the driver takes it: tuples, or blocks of COPY."""
    wanted = {
        table: f"SELECT * FROM {table} WHERE {where}".format(**call._asdict())
        for table, where in WRITTEN.items()
    } | {"case_media": CHANGED.format(**call._asdict())}
    with database.read() as tx:
        cursor = tx.connection.cursor()
        if database.dialect == "sqlite":
            return {name: cursor.execute(asked).fetchall() for name, asked in wanted.items()}
        found = {}
        for name, asked in wanted.items():
            with cursor.copy(f"COPY ({asked}) TO STDOUT (FORMAT binary)") as copy:
                found[name] = b"".join(map(bytes, copy))
        return found


def _replay(twin: Database, calls: list[dict[str, Any]]) -> None:
    write = _replay_sqlite if twin.dialect == "sqlite" else _replay_postgresql
    for rows in calls:
        with twin.write() as tx:
            write(tx.connection.cursor(), rows)


def _replay_sqlite(cursor: Any, rows: dict[str, Any]) -> None:
    for table in WRITTEN:
        places = ", ".join("?" * len(rows[table][0]))
        cursor.executemany(f"INSERT INTO {table} VALUES ({places})", rows[table])
    cursor.executemany(
        "UPDATE case_media SET state = ?, code = ? WHERE case_id = ? AND media_id = ?",
        rows["case_media"],
    )


def _replay_postgresql(cursor: Any, rows: dict[str, Any]) -> None:
    for table in WRITTEN:
        with cursor.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy:
            copy.write(rows[table])
    cursor.execute(
        "CREATE TEMPORARY TABLE given ON COMMIT DROP AS "
        "SELECT state, code, case_id, media_id FROM case_media LIMIT 0"
    )
    with cursor.copy("COPY given FROM STDIN (FORMAT binary)") as copy:
        copy.write(rows["case_media"])
    cursor.execute(
        "UPDATE case_media SET state = given.state, code = given.code FROM given "
        "WHERE case_media.case_id = given.case_id AND case_media.media_id = given.media_id"
    )
