from __future__ import annotations

import ctypes
import hashlib
import os
import random
import socket
import sys
import threading
import time
from collections import Counter

import pytest

from tutela.core.errors import ListFormatError, MediaError, SandboxError
from tutela.sandbox import Broken, Done, Limits, Reply, server
from tutela.sandbox.confine import Confinement

MIB = 1 << 20


def echo(request, _files, reply):
    reply(request)


def hoard():
    held = []
    while True:
        held.append(b"\1" * MIB)


def hoard_and_abort():
    try:
        hoard()
    except MemoryError:
        os.abort()


def loop():
    while True:
        pass


MISDEEDS = {
    b"segfault": lambda: ctypes.string_at(0),
    b"exit": lambda: os._exit(3),
    b"abort": os.abort,
    b"bomb": hoard,
    b"bomb-abort": hoard_and_abort,
    b"loop": loop,
    b"raise": lambda: {}["no such thing"],
    b"leave": lambda: sys.exit(5),
}


def misbehave(request, _files, reply):
    """Do what the request says, after a first reply."""
    reply(b"begun")
    if request == b"drip":
        for _ in range(8):
            time.sleep(0.3)
            reply(b".")
    elif request:
        MISDEEDS[request]()
    reply(b"well")


def test_replies_come_in_order_and_the_worker_serves_on(start, ask):
    def count(request, _files, reply):
        for number in range(int(request)):
            reply(b"%d" % number)

    pool = start(count)
    for wanted in (0, 1, 1000):
        ended = ask(pool, b"%d" % wanted)
        assert ended.replies == [b"%d" % number for number in range(wanted)]
        assert isinstance(ended.end, Done)
    assert pool.free == 1


@pytest.mark.parametrize(
    ("request_", "code", "detail"),
    [
        (b"segfault", "crashed", "signal SIGSEGV"),
        (b"exit", "crashed", "exit status 3"),
        (b"abort", "crashed", "signal SIGABRT"),
        (b"bomb", "memory", "more than 256 MiB"),
        (b"bomb-abort", "memory", "more than 256 MiB"),
        (b"loop", "silent", "nothing heard for 0.5 s"),
        (b"raise", "error", "KeyError: 'no such thing'"),
        (b"leave", "error", "SystemExit: 5"),
    ],
)
def test_a_broken_task_says_why_keeps_its_replies_and_leaves_a_free_worker(
    start, ask, request_, code, detail
):
    silence_s = 0.5 if request_ == b"loop" else 60
    pool = start(misbehave, limits=Limits(memory_bytes=256 * MIB, silence_s=silence_s))
    replies, end = ask(pool, request_)
    assert replies == [b"begun"]
    assert isinstance(end, Broken)
    assert (end.code, end.detail, end.error) == (code, detail, None)
    assert ask(pool, b"").replies == [b"begun", b"well"]


def test_a_worker_that_is_heard_from_is_not_silent(start, ask):
    pool = start(misbehave, limits=Limits(silence_s=1.8))
    assert len(ask(pool, b"drip").replies) == 10


def test_time_in_which_nobody_looked_is_not_silence(start, monkeypatch):
    """As after Ctrl-Z, which stops the workers too."""

    def slow(_request, _files, reply):
        time.sleep(0.5)
        reply(b"there")

    pool = start(slow, limits=Limits(silence_s=30.0))
    pool.submit(b"")
    real = time.monotonic
    monkeypatch.setattr("tutela.sandbox.pool.time.monotonic", lambda: real() + 10_000)
    events = pool.events(None)
    assert [event.payload for event in events if isinstance(event, Reply)] == [b"there"]


def test_an_error_of_tutela_keeps_class_code_message_and_hint(start, ask):
    class NoSuchColumnError(ListFormatError):
        """A class that the trusted side cannot know."""

    def fail(request, _files, _reply):
        if request:
            raise NoSuchColumnError("no column \x1b[31m'hash'", code="column", hint="look at it")
        raise MediaError("broken off")

    pool = start(fail)
    error = ask(pool, b"x").end.error
    assert type(error) is ListFormatError
    assert (error.code, error.message) == (
        "column",
        "no column \N{REPLACEMENT CHARACTER}[31m'hash'",
    )
    assert error.hint == "look at it"
    end = ask(pool).end
    assert type(end.error) is MediaError
    assert end.error.code == "undecodable"
    assert end.where.startswith("test_pool.py:")


def test_a_broken_task_leaves_the_others_alone(start):
    pool = start(misbehave, jobs=3)
    tasks = {pool.submit(request): request for request in (b"segfault", b"", b"exit")}
    ends = {}
    while events := pool.events(30):
        ends |= {tasks[event.task]: event for event in events if not isinstance(event, Reply)}
    assert {request: type(end) for request, end in ends.items()} == {
        b"segfault": Broken,
        b"": Done,
        b"exit": Broken,
    }


def test_no_task_is_lost_or_ends_twice_while_workers_crash(start):
    chance = random.Random(20)
    pool = start(misbehave, jobs=3, limits=Limits(memory_bytes=256 * MIB))
    requests = chance.choices((b"", b"raise", b"segfault", b"exit"), (80, 10, 5, 5), k=1000)
    asked, ended, replies = {}, {}, Counter()
    waiting = list(requests)
    while waiting or len(ended) < len(requests):
        while waiting and pool.free:
            request = waiting.pop()
            asked[pool.submit(request)] = request
        for event in pool.events(30):
            if isinstance(event, Reply):
                replies[event.task] += 1
            else:
                assert event.task not in ended
                ended[event.task] = getattr(event, "code", "")
    codes = {b"": "", b"raise": "error", b"segfault": "crashed", b"exit": "crashed"}
    assert ended == {task: codes[request] for task, request in asked.items()}
    assert replies == {task: 2 if request == b"" else 1 for task, request in asked.items()}


def test_hundreds_of_files_travel_in_order_and_the_caller_may_close_its_own(start, tmp_path):
    def read_all(_request, files, reply):
        reply(b"".join(os.pread(file, 1, 0) for file in files))

    pool = start(read_all, limits=Limits(open_files=600))
    for count in (1, 253, 254, 600):
        files = []
        for number in range(count):
            (tmp_path / str(number)).write_bytes(bytes([number % 251]))
            files.append(os.open(tmp_path / str(number), os.O_RDONLY))
        task = pool.submit(b"", files)
        for file in files:
            os.close(file)
        events = []
        while not events or not isinstance(events[-1], Done):
            events += pool.events(30)
        assert events[0] == Reply(task, bytes(number % 251 for number in range(count)))


def test_a_caller_without_descriptors_to_spare_is_told_and_can_go_on(start, ask, monkeypatch):
    real = socket.send_fds

    def full(connection, data, files):
        if files == [0]:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return real(connection, data, files)

    def fail(_file):
        raise OSError(24, "Too many open files")

    pool = start(echo)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="Too many open files"):
        patch.setattr("tutela.sandbox.connection.socket.send_fds", full)
        patch.setattr("tutela.sandbox.connection.os.dup", fail)
        pool.submit(b"", [0])
    assert pool.free == 1
    assert ask(pool, b"on").replies == [b"on"]


def test_a_worker_killed_from_outside_counts_as_out_of_memory(start):
    def wait(_request, _files, reply):
        reply(b"%d" % os.getpid())
        time.sleep(60)

    pool = start(wait)
    pool.submit(b"")
    os.kill(int(pool.events(30)[0].payload), 9)
    (end,) = pool.events(30)
    assert (end.code, end.detail) == (
        "memory",
        "killed from outside, as a system short of memory does",
    )


def test_too_many_files_are_refused_before_they_are_sent(start, ask):
    pool = start(echo, limits=Limits(open_files=3))
    with pytest.raises(SandboxError) as caught:
        pool.submit(b"", [0] * 4)
    assert caught.value.code == "files"
    assert ask(pool, b"on").replies == [b"on"]


def test_files_of_a_request_are_closed_when_it_ends(start, ask, tmp_path):
    def lowest(_request, files, reply):
        reply(b"%d" % files[0])

    (tmp_path / "file").touch()
    pool = start(lowest, limits=Limits(open_files=4))
    with (tmp_path / "file").open("rb") as stream:
        seen = {ask(pool, b"", [stream.fileno()] * 4).replies[0] for _ in range(20)}
    assert len(seen) == 1


def test_a_request_larger_than_any_buffer_arrives_with_its_files(start, ask, tmp_path):
    def digest(request, files, reply):
        time.sleep(0.1)
        reply(hashlib.sha256(request).digest() + os.pread(files[-1], 4, 0))

    (tmp_path / "file").write_bytes(b"last")
    request = random.Random(1).randbytes(40 * MIB)
    pool = start(digest, limits=Limits(open_files=300))
    with (tmp_path / "file").open("rb") as stream:
        replies = ask(pool, request, [stream.fileno()] * 300).replies
    assert replies == [hashlib.sha256(request).digest() + b"last"]


def test_replies_larger_than_any_buffer_arrive(start, ask):
    def swell(_request, _files, reply):
        for number in range(4):
            reply(bytes([number]) * (25 * MIB))

    replies = ask(start(swell)).replies
    assert [(reply[0], len(reply)) for reply in replies] == [(n, 25 * MIB) for n in range(4)]


def test_a_reply_beyond_the_largest_frame_is_an_error_of_the_task(start, ask):
    pool = start(lambda _request, _files, reply: reply(bytes(65 * MIB)))
    end = ask(pool).end
    assert end.code == "error"
    assert "67108864 is the most" in end.detail


def test_a_worker_may_start_threads(start, ask):
    """HEIC decoders do, and abort where they cannot."""

    def threaded(_request, _files, reply):
        thread = threading.Thread(target=lambda: reply(b"from a thread"))
        thread.start()
        thread.join()

    assert ask(start(threaded)).replies == [b"from a thread"]


def test_without_a_free_worker_nothing_can_be_submitted(start):
    pool = start(misbehave)
    pool.submit(b"drip")
    with pytest.raises(RuntimeError):
        pool.submit(b"")


def test_waiting_ends_in_time_and_at_once_when_there_is_nothing_to_wait_for(start):
    pool = start(misbehave)
    assert pool.events(None) == []
    pool.submit(b"drip")
    before = time.monotonic()
    while pool.events(0.05):
        pass
    assert time.monotonic() - before >= 0.05
    assert pool.free == 0


def test_a_lost_fork_server_is_said(start):
    pool = start(echo)
    pool.submit(b"")
    os.kill(pool._server, 9)
    with pytest.raises(SandboxError) as caught:
        while True:
            pool.events(5)
    assert caught.value.code == "server"


def test_a_process_that_cannot_be_confined_serves_nothing(start, monkeypatch):
    def refuse(_self, _parent):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(Confinement, "apply", refuse)
    pool = start(echo)
    pool.submit(b"")
    with pytest.raises(SandboxError, match="cannot be confined: OSError") as caught:
        pool.events(30)
    assert caught.value.code == "confine"


def test_a_worker_that_dies_before_it_is_confined_is_not_started_for_ever(start, monkeypatch):
    monkeypatch.setattr(Confinement, "apply", lambda _self, _parent: os._exit(9))
    pool = start(echo)
    pool.submit(b"")
    with pytest.raises(SandboxError, match=r"before it was confined \(exit status 9\)"):
        pool.events(30)


def test_a_fork_that_fails_is_said(start, monkeypatch):
    def fail(self, number, _connection):
        self._notices.append(server.NOTICE.pack(number, -11, 0))

    monkeypatch.setattr(server._Server, "_fork", fail)
    pool = start(echo)
    pool.submit(b"")
    with pytest.raises(SandboxError, match="cannot fork") as caught:
        pool.events(30)
    assert caught.value.code == "fork"
