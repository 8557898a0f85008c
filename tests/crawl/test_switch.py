"""Everything stops within a second, whatever the database does; going on takes a reason."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from crawl_support import site

from tutela.core.errors import AccessError, ServiceError, UsageError
from tutela.crawl import signal_file as signal
from tutela.crawl import switch
from tutela.store import Database


def test_a_file_stops_a_machine(tmp_path):
    path = tmp_path / "state" / "stop"
    assert not signal.is_raised(path)
    signal.write(path)
    signal.write(path)
    assert signal.is_raised(path)
    signal.remove(path)
    signal.remove(path)
    assert not signal.is_raised(path)


def test_a_file_that_cannot_be_looked_for_counts_as_raised(tmp_path):
    assert signal.is_raised(tmp_path / ("x" * 300))
    with pytest.raises(ServiceError):
        signal.write(tmp_path / ("x" * 300))


def test_the_row_stops_all_machines_and_going_on_takes_a_reason(crawl):
    crawl.ordered(site("127.0.0.1"))
    with crawl.database.write() as tx:
        switch.stop(tx, crawl.asker)
        switch.stop(tx, crawl.second, "danger")
    assert crawl.lease() == []
    with pytest.raises(UsageError), crawl.database.write() as tx:
        switch.release(tx, crawl.asker, " ")
    with crawl.database.write() as tx:
        assert switch.is_stopped(tx)
        switch.release(tx, crawl.asker, "it is over")
        assert not switch.is_stopped(tx)
    assert len(crawl.lease()) == 1
    assert len(crawl.logged("crawl.stopped")) == 2
    assert "it is over" in crawl.words()


def test_who_crawls_for_any_case_may_stop_and_nobody_else(crawl):
    with crawl.database.write() as tx:
        switch.stop(tx, crawl.office.person("supervisor", 2), "danger")
    for name in ("examiner", "grader", "administrator", "auditor"):
        for act in (switch.stop, switch.release):
            with pytest.raises(AccessError), crawl.database.write() as tx:
                act(tx, crawl.office.person(name), "x")


def test_the_command_stops_within_a_second_while_a_writer_holds_the_database(
    own_home: Path, embedded: Database
):
    """A writer that never lets go: the file is there all the same, and the row comes after it."""
    path = own_home / "xdg_state_home" / "tutela" / "crawl" / "stop"
    environment = {**os.environ, "TUTELA_DATABASE_URL": str(embedded.url)}
    held, done = threading.Event(), threading.Event()

    def hammer() -> None:
        with embedded.write() as tx:
            held.set()
            while not done.wait(0.001):
                tx.exec_driver_sql("UPDATE crawl_switch SET raised_at = NULL")

    writer = threading.Thread(target=hammer)
    writer.start()
    held.wait()
    program = "from tutela.cli.main import main; main()"
    words = [sys.executable, "-c", program, "crawl", "stop", "--break-glass", "a test"]
    try:
        begun = time.perf_counter()
        with subprocess.Popen(
            words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as command:
            while not signal.is_raised(path) and time.perf_counter() - begun < 30:
                time.sleep(0.005)
            took_s = time.perf_counter() - begun
            time.sleep(1)
            assert command.poll() is None, "it waits for the database, the file is there"
            done.set()
            _, said = command.communicate(timeout=60)
        assert (command.returncode, b"error" in said) == (0, False), said
    finally:
        done.set()
        writer.join()
    assert took_s < 1
    with embedded.read() as tx:
        assert switch.is_stopped(tx)
