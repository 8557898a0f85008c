"""Power cuts: every grade that somebody was told of is there afterwards, on a machine that died.

SQLite alone: a grader works under strace, which writes down what went to the files of the database
and when the kernel was asked to make it durable. From that a disk is put together as a dead machine
could leave it: all that was made durable, and of the rest any part, down to single sectors. That a
disk keeps what it says it has kept, and a name that it was asked to keep, is taken for granted.

Of PostgreSQL only the settings are tried: what it does with them is its own tests' affair.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from casework_office import MadeCase, Office
from sqlalchemy import select

from tutela.audit.verify import verify
from tutela.store import Database
from tutela.store.tables.grading import Grade

CLIENT = Path(__file__).with_name("grading_client.py")
# As a careless installation would have it: what is acknowledged is in the page cache, and no more.
CARELESS = """
import runpy, sys
from sqlalchemy import event
from sqlalchemy.pool import Pool
event.listen(Pool, "checkout", lambda c, *_: c.execute("PRAGMA synchronous=NORMAL"))
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""
# Enough for the write-ahead log to be copied into the database on the way, and begun anew.
GRADES = 140
CUTS = 50
SECTOR = 512
CALL = re.compile(r"(\w+)\((?:\d+<([^>]*)>|\"([^\"]*)\")(.*)\) += (-?\d+)")
TOLD = re.compile(rb"(\d+)\n")


class Step(NamedTuple):
    """What a process asked of the kernel: `write`, `cut` (its length), `sync` or `remove`."""

    kind: str
    file: str
    at: int = 0
    data: bytes = b""


def recorded(trace: Path) -> Iterator[Step]:
    """Yield what a trace of strace says."""
    for line in trace.read_text(encoding="ascii").splitlines():
        found = CALL.match(line)
        if found is None or int(found[5]) < 0:
            continue
        call, rest = found[1], found[4]
        file = Path(unescaped(found[2] or found[3]).decode()).name
        if call in ("pwrite64", "write"):
            text, _, numbers = rest.removeprefix(', "').rpartition('", ')
            at = int(numbers.split(", ")[1]) if call == "pwrite64" else 0
            yield Step("write", file, at, unescaped(text)[: int(found[5])])
        elif call == "ftruncate":
            yield Step("cut", file, int(rest.removeprefix(", ")))
        elif call in ("fsync", "fdatasync"):
            yield Step("sync", file)
        elif call in ("unlink", "unlinkat"):
            yield Step("remove", file)


def unescaped(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


class Disk:
    """What of the files of a database is durable, and what is on its way there."""

    def __init__(self, name: str, content: bytes) -> None:
        self.durable: dict[str, bytearray | None] = {name: bytearray(content)}
        self.waiting: list[Step] = []
        self.told: list[int] = []
        self._said = b""

    def take(self, step: Step) -> None:
        if step.file == "told":
            self._said += step.data
            self.told = [int(number) for number in TOLD.findall(self._said)]
        elif step.kind == "sync":
            for one in self.waiting:
                if one.file == step.file:
                    apply(self.durable, one)
            self.waiting = [one for one in self.waiting if one.file != step.file]
        else:
            self.waiting.append(step)

    def left(self, folder: Path, chance: random.Random) -> None:
        """Write the files as a machine that dies now may leave them."""
        files = {name: None if held is None else held[:] for name, held in self.durable.items()}
        share = chance.choice((0, 0.5, 1))
        for step in self.waiting:
            for part in sectors(step):
                if chance.random() < share:
                    apply(files, part)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, held in files.items():
            if held is not None:
                (folder / name).write_bytes(held)


def sectors(step: Step) -> Iterator[Step]:
    """Yield a write as what a disk may do of it or not."""
    if step.kind != "write":
        yield step
        return
    at = 0
    while at < len(step.data):
        size = SECTOR - (step.at + at) % SECTOR
        yield step._replace(at=step.at + at, data=step.data[at : at + size])
        at += size


def apply(files: dict[str, bytearray | None], step: Step) -> None:
    if step.kind == "remove":
        files[step.file] = None
        return
    held = files.get(step.file)
    if held is None:
        held = files[step.file] = bytearray()
    end = step.at + len(step.data)
    if step.kind == "cut":
        del held[step.at :]
    held.extend(bytes(max(end - len(held), 0)))
    if step.kind == "write":
        held[step.at : end] = step.data


class Worked(NamedTuple):
    """A grader's work: the database before it, and what was asked of the kernel."""

    database: Path
    content: bytes
    steps: list[Step]

    def disk(self) -> Disk:
        return Disk(self.database.name, self.content)


def worked(office: Office, made: MadeCase, folder: Path, *, careless: bool = False) -> Worked:
    """Let a grader work under strace."""
    strace = shutil.which("strace")
    assert strace, "strace is not installed: apt-get install strace"
    database = Path(str(office.database.url.database))
    office.database.close()  # everything is in the one file now
    assert not database.with_name(f"{database.name}-wal").exists()
    content = database.read_bytes()
    told, trace = folder / "told", folder / "trace"
    files = [
        database,
        *(database.with_name(f"{database.name}-{end}") for end in ("wal", "journal")),
    ]
    calls = "pwrite64,write,ftruncate,fsync,fdatasync,unlink,unlinkat"
    command = [strace, "-o", str(trace), "-y", "-xx", "-s", "200000", "-e", f"trace={calls}"]
    for file in (*files, told):
        command += ["-P", str(file)]
    client = [sys.executable, *(["-c", CARELESS] if careless else []), str(CLIENT)]
    with told.open("wb") as stream:
        subprocess.run(
            [
                *command,
                *client,
                f"sqlite:///{database}",
                msgspec.json.encode(office.person("grader")).decode(),
                str(made.id),
                msgspec.json.encode(made.media_ids).decode(),
            ],
            stdout=stream,
            check=True,
        )
    return Worked(database, content, list(recorded(trace)))


def found_after(folder: Path, name: str) -> set[int]:
    """Open what is left of a database; return the media that are graded in it."""
    with Database(f"sqlite:///{folder / name}") as left, left.read() as tx:
        assert tx.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert verify(tx).findings == ()
        return set(tx.execute(select(Grade.media_id)).scalars())


def test_no_grade_that_was_told_is_lost_by_a_power_cut(small_office: Office, tmp_path: Path):
    made = small_office.make_case(GRADES)
    work = worked(small_office, made, tmp_path)
    names = {step.file for step in work.steps}
    assert names == {work.database.name, f"{work.database.name}-wal", "told"}
    written = [n for n, step in enumerate(work.steps) if step.file == work.database.name]
    assert written, "the log was never copied into the database: more grades are needed"
    chance = random.Random(3)
    cuts = {*chance.sample(range(len(work.steps)), CUTS), *written[:6], len(work.steps) - 1}
    disk, lost = work.disk(), tmp_path / "lost"
    for number, step in enumerate(work.steps):
        disk.take(step)
        if number not in cuts:
            continue
        disk.left(lost, chance)
        graded = found_after(lost, work.database.name)
        assert set(disk.told) <= graded, number
        assert len(graded - set(disk.told)) <= 1, "the one that was under way"
    assert disk.told == made.media_ids


def test_a_careless_setting_would_lose_some(small_office: Office, tmp_path: Path):
    """So the test above would see it, if grades were told before they are durable."""
    made = small_office.make_case(20)
    work = worked(small_office, made, tmp_path, careless=True)
    disk, lost, chance = work.disk(), tmp_path / "lost", random.Random(4)
    missing = 0
    for step in work.steps:
        disk.take(step)
        if step.file == "told" and len(disk.told) % 5 == 0:
            disk.left(lost, chance)
            missing += len(set(disk.told) - found_after(lost, work.database.name))
    assert missing


def test_the_settings_that_it_rests_on(database: Database):
    """Both wait for the disk at each commit, whatever the default of the server is."""
    if database.dialect == "sqlite":
        with database.write() as tx:
            assert tx.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
            assert tx.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2, "FULL"
        return
    url = database.url.render_as_string(hide_password=False)
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        name = database.url.database
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    with Database(url) as careful, careful.write() as tx:
        assert tx.exec_driver_sql("SHOW synchronous_commit").scalar_one() == "on"
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(f'ALTER DATABASE "{name}" SET synchronous_commit = remote_apply')
    with Database(url) as careful, careful.write() as tx:
        said = tx.exec_driver_sql("SHOW synchronous_commit").scalar_one()
    assert said == "remote_apply", "what asks for more than we do stays"
