"""A worker in a process of its own, which tests kill; importable by that process."""

from __future__ import annotations

import time

from tutela.core.errors import TutelaError
from tutela.crawl import frontier, leases
from tutela.crawl.model import Finished, Outcome, Pace, State
from tutela.store import Database

DONE = Outcome(state=State.DONE, reason="ok", status=200, size_bytes=1000)


def worker(url: str, name: str, said, pace: Pace) -> None:
    """Lease and finish for ever; killed from outside at any moment."""
    with Database(url) as database:
        while True:
            with database.write() as tx:
                found = leases.lease(tx, name, 7, pace)
            said.send([(one.url_id, one.turn) for one in found])
            time.sleep(0.002)
            if not found:
                time.sleep(0.02)
                continue
            try:
                with database.write() as tx:
                    frontier.finish_many(tx, [Finished(one, DONE) for one in found])
            except TutelaError:
                continue  # its leases ran out: nothing of it is kept
