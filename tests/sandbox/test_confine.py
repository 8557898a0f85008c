from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import platform
import resource
import signal
import socket
import sys
from pathlib import Path

import pytest

from tutela.sandbox import Layers, Limits, seccomp

STRANGER = os.getpid()
NEW = Path("/tmp/tutela-must-not-exist")


def attempt(start, ask, action, layers=Layers.ALL):
    """Return the errno with which `action` fails in a worker, or None if it succeeds."""

    def handler(_request, _files, reply):
        try:
            action()
        except OSError as error:
            reply(b"%d" % error.errno)

    ended = ask(start(handler, layers=layers))
    return int(ended.replies[0]) if ended.replies else None


# Actions that either layer refuses by itself.
FILES = {
    "read": lambda: os.open("/etc/hostname", os.O_RDONLY),
    "read-self": lambda: os.open("/proc/self/mem", os.O_RDONLY),
    "write": lambda: os.open(os.devnull, os.O_WRONLY),
    "create": lambda: os.open(NEW, os.O_CREAT | os.O_WRONLY),
    "list": lambda: list(Path("/").iterdir()),
    "unlink": lambda: Path(__file__).unlink(),
    "rename": lambda: Path(__file__).rename(__file__ + ".gone"),
    "mkdir": NEW.mkdir,
    "symlink": lambda: NEW.symlink_to("/"),
    "fifo": lambda: os.mkfifo(NEW),
    "truncate": lambda: os.truncate(__file__, 0),
    "execute": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),
    "connect": lambda: socket.socket().connect(("127.0.0.1", 9)),
    "bind": lambda: socket.socket().bind(("127.0.0.1", 0)),
    "signal": lambda: os.kill(STRANGER, 0),
}
OTHERS = {
    "chmod": lambda: Path(__file__).chmod(0o600),
    "chdir": lambda: os.chdir("/"),
    "stat": lambda: Path("/").stat(),
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "unix-socket": lambda: socket.socket(socket.AF_UNIX),
    "socketpair": socket.socketpair,
    "fork": os.fork,
    "signal-group": lambda: os.kill(0, signal.SIGTERM),
    "memfd": lambda: os.memfd_create("x"),
    "pipe": os.pipe,
    "limit": lambda: resource.prlimit(0, resource.RLIMIT_CORE, (0, 0)),
    "executable-memory": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
}


@pytest.mark.parametrize("name", [*FILES, *OTHERS])
def test_seccomp_and_landlock_together_refuse(start, ask, name):
    refused = attempt(start, ask, (FILES | OTHERS)[name])
    assert refused == 1


@pytest.mark.parametrize("name", FILES)
def test_landlock_alone_refuses(start, ask, name):
    assert attempt(start, ask, FILES[name], Layers.LANDLOCK) in (1, 13)


@pytest.mark.parametrize("name", [*FILES, *OTHERS])
def test_seccomp_alone_refuses(start, ask, name):
    assert attempt(start, ask, (FILES | OTHERS)[name], Layers.SECCOMP) == 1


def test_every_system_call_off_the_list_is_refused(start, ask):
    module = seccomp.library()
    special = ("mmap", "mprotect", "fcntl", "newfstatat", "prlimit64", "ioctl", "clone3", "clone")
    listed = {
        module.resolve_syscall(module.Arch.NATIVE, name)
        for name in (*seccomp._ALWAYS, *special, "tgkill")
    }
    # The kernel's own calls for probes (x86: uretprobe and uprobe) come before any filter.
    probes = (335, 336) if platform.machine() == "x86_64" else ()
    numbers = [number for number in range(470) if number not in listed and number not in probes]
    libc = ctypes.CDLL(None, use_errno=True)

    def handler(_request, _files, reply):
        for number in numbers:
            refused = libc.syscall(number, 0, 0, 0, 0, 0, 0) == -1 and ctypes.get_errno() == 1
            reply(b"" if refused else b"%d" % number)

    ended = ask(start(handler))
    assert len(ended.replies) == len(numbers) > 350
    assert set(ended.replies) == {b""}


def test_without_libseccomp_landlock_and_the_limits_still_hold(start, ask, monkeypatch):
    def missing():
        raise ImportError("the system's libseccomp2 is not installed")

    monkeypatch.setattr(seccomp, "library", missing)
    assert attempt(start, ask, FILES["read"]) == 13
    assert attempt(start, ask, FILES["execute"]) == 13
    assert attempt(start, ask, lambda: mmap.mmap(-1, 512 << 20)) == 12
    assert attempt(start, ask, lambda: [os.dup(0) for _ in range(600)]) == 24


def test_only_limits_apply_without_both_layers(start, ask):
    """The layers are what refuses above, not something else."""
    assert attempt(start, ask, FILES["read"], Layers.NONE) is None
    assert attempt(start, ask, OTHERS["udp"], Layers.NONE) is None
    assert attempt(start, ask, OTHERS["memfd"], Layers.NONE) is None


def test_nothing_of_the_caller_but_memory_is_inherited(start, ask, tmp_path):
    def look(_request, _files, reply):
        status = Path("/proc/self/status").read_text(encoding="ascii")
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        reply(fields["CapEff"].encode())
        reply(fields["CapPrm"].encode())
        reply(fields["NoNewPrivs"].encode())
        reply(fields["SigBlk"].encode())
        reply(Path("/proc/self/oom_score_adj").read_bytes().strip())
        for file in sorted(Path("/proc/self/fd").iterdir(), key=lambda path: int(path.name)):
            with contextlib.suppress(FileNotFoundError):  # the listing itself
                reply(str(file.readlink()).split(":")[0].encode())

    with (tmp_path / "open").open("wb"):
        replies = ask(start(look, layers=Layers.NONE)).replies
    assert replies[:5] == [b"0" * 16, b"0" * 16, b"1", b"0" * 16, b"500"]
    assert replies[5:] == [b"/dev/null"] * 3 + [b"socket"]


def test_what_decoders_need_is_allowed(start, ask, tmp_path):
    def work(_request, files, reply):
        with open(files[0], "rb", closefd=False) as stream:
            reply(stream.read(4))
            stream.seek(-4, os.SEEK_END)
            reply(stream.read())
        with mmap.mmap(files[0], 0, prot=mmap.PROT_READ) as view, mmap.mmap(-1, 8192) as scratch:
            scratch.write(view[:4])
            reply(scratch[:4])
        os.getrandom(8)
        sys.stderr.write("into the void")
        sys.stderr.flush()

    (tmp_path / "file").write_bytes(b"head" + bytes(9000) + b"tail")
    with (tmp_path / "file").open("rb") as stream:
        ended = ask(start(work), b"", [stream.fileno()])
    assert ended.replies == [b"head", b"tail", b"head"]


def test_the_memory_limit_counts_from_what_is_there_at_the_start(start, ask):
    ballast = mmap.mmap(-1, 512 << 20)
    limits = Limits(memory_bytes=128 << 20)

    def grow(request, _files, reply):
        reply(b"%d" % len(bytearray(int(request) << 20)))

    pool = start(grow, limits=limits)
    assert ask(pool, b"96").replies == [b"%d" % (96 << 20)]
    # Well over: what the parent has freed before the fork may be taken again.
    assert ask(pool, b"256").end.code == "memory"
    ballast.close()
