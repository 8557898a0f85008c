"""What a killed process was told is written is there afterwards, on both databases."""

from __future__ import annotations

import random
import signal
import subprocess
import sys

import pytest
from sqlalchemy import select

from tutela.store import Database, schema
from tutela.store.tables.access import Attempt, Policy

# Two rows a transaction, of two tables: half of one must never be seen.
WRITER = """
import sys
from tutela.core.time import now
from tutela.store import Database, bulk
from tutela.store.tables.access import Attempt, Policy

with Database(sys.argv[1]) as database:
    for number in range(int(sys.argv[2]), 10**9):
        with database.write() as tx:
            bulk.insert_rows(tx, Policy, [{"name": str(number), "value": {}}])
            bulk.insert_rows(tx, Attempt, [{"subject": str(number).encode(), "at": now()}])
        print(number, flush=True)
"""


def killed(url: str, first: int, acknowledged: int) -> int:
    """Let a process write until it has acknowledged so many, kill it, return the last it said."""
    command = [sys.executable, "-c", WRITER, url, str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        said = [int(child.stdout.readline()) for _ in range(acknowledged)]
        child.send_signal(signal.SIGKILL)
        said += [int(line) for line in child.stdout.read().splitlines() if line]
    assert child.returncode == -signal.SIGKILL
    return said[-1]


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(database: Database, seed: int):
    url = database.url.render_as_string(hide_password=False)
    choose = random.Random(seed)
    next_ = 0
    for _ in range(3):
        last = killed(url, next_, choose.randint(1, 60))
        with database.read() as tx:
            names = {int(name) for name in tx.execute(select(Policy.name)).scalars()}
            subjects = [int(one) for one in tx.execute(select(Attempt.subject)).scalars()]
        assert names == set(range(len(names)))
        assert sorted(subjects) == sorted(names)
        assert len(names) > last
        next_ = len(names)
    assert schema.check(database) == []
