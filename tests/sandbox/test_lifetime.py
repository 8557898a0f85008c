"""No process, descriptor or signal outlives or crosses what it belongs to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tutela.sandbox import Limits, Pool

PROGRAM = """
import os, signal, sys, time
from tutela.sandbox import Done, Limits, Pool, Reply

def handler(request, files, reply):
    reply(b"%d" % os.getpid())
    time.sleep(float(request))

{before}
pool = Pool(handler, jobs=3, limits=Limits())
for _ in range(3):
    pool.submit(b"{seconds}")
pids = [pool._server]
done = 0
while len(pids) < 4:
    pids += [int(event.payload) for event in pool.events(30) if isinstance(event, Reply)]
print(*pids, flush=True)
{after}
while done < 3:
    done += sum(isinstance(event, Done) for event in pool.events(30))
pool.close()
print("all done", flush=True)
"""


def start_program(*, seconds="60", before="", after=""):
    """Start a process with a pool whose three workers are busy; return it and their numbers."""
    program = PROGRAM.format(seconds=seconds, before=before, after=after)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True, text=True
    )
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 4
    return process, pids


def alive(pid):
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def wait_until_gone(pids, seconds=3.0):
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(alive, pids))


def test_nothing_outlives_a_caller_that_was_killed():
    process, pids = start_program()
    assert all(map(alive, pids))
    process.kill()
    with process:
        process.wait()
    assert wait_until_gone(pids)


def test_nothing_outlives_a_caller_that_just_leaves():
    process, pids = start_program(after="os._exit(0)")
    with process:
        process.wait()
    assert wait_until_gone(pids)


def test_workers_go_with_a_fork_server_that_was_killed():
    process, pids = start_program()
    with process:
        os.kill(pids[0], signal.SIGKILL)
        assert wait_until_gone(pids[1:])
        process.kill()


def test_a_second_pool_does_not_keep_the_first_alive():
    """Its fork server inherits the first one's connections, and must let go of them."""
    process, pids = start_program(
        after="other = Pool(handler, jobs=1, limits=Limits()); pool.close(); other.close(); exit()"
    )
    with process:
        process.wait(10)
    assert wait_until_gone(pids)


def test_ctrl_c_reaches_the_caller_alone():
    process, _ = start_program(seconds="0.5", before="signal.signal(signal.SIGINT, lambda *_: 0)")
    for number in (signal.SIGINT, signal.SIGINT):
        os.killpg(process.pid, number)
    with process:
        assert process.stdout.read() == "all done\n"
        assert process.wait() == 0


def test_closing_leaves_no_process_and_no_descriptor(tmp_path):
    def busy(_request, _files, reply):
        reply(b"%d" % os.getpid())
        time.sleep(60)

    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only names are wanted
    with Pool(busy, jobs=2, limits=Limits(open_files=600)) as pool:
        (tmp_path / "file").touch()
        with (tmp_path / "file").open("rb") as stream:
            pool.submit(b"", [stream.fileno()])
            # More than the socket takes while the worker is busy elsewhere: some copies wait.
            pool.submit(bytes(8 << 20), [stream.fileno()] * 600)
        pids = [pool._server, *(int(event.payload) for event in pool.events(30))]
    assert wait_until_gone(pids, 0)
    pool.close()
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - only names are wanted
