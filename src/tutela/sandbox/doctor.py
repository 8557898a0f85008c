"""What confinement really refuses on this machine: tried out, not claimed."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import socket
import sys
from collections.abc import Callable

import msgspec

from tutela.core.errors import SandboxError
from tutela.sandbox import confine, landlock, seccomp
from tutela.sandbox.confine import Layers
from tutela.sandbox.limits import Limits
from tutela.sandbox.pool import Broken, Pool, Reply

_LIMITS = Limits(memory_bytes=64 << 20, silence_s=10.0)


class Protection(msgspec.Struct, frozen=True):
    """One protection of confined processes, and whether it holds on this machine."""

    name: str
    active: bool
    detail: str


Attempts = dict[str, Callable[[], None]]


def status() -> list[Protection]:
    """Try each protection in a confined process of its own and say whether it holds."""
    return [_seccomp(), _landlock(), _memory(), _privileges()]


def _seccomp() -> Protection:
    try:
        seccomp.library()
    except ImportError as error:
        return Protection("seccomp", active=False, detail=str(error))
    return _tried("seccomp", Layers.SECCOMP, _everything(os.getpid()), "allow-list of system calls")


def _landlock() -> Protection:
    version = landlock.abi()
    if not version:
        return Protection("landlock", active=False, detail="the kernel has none, or it is off")
    everything = _everything(os.getpid())
    # What version 1 refuses; later ones add TCP and signals.
    attempts = {name: everything[name] for name in ("reading files", "writing files", "programs")}
    return _tried("landlock", Layers.LANDLOCK, attempts, f"version {version}")


def _memory() -> Protection:
    attempts = {"more than is allowed": _map_too_much}
    return _tried("memory limit", Layers.NONE, attempts, "address space")


def _privileges() -> Protection:
    return _tried(
        "no new privileges",
        Layers.NONE,
        {"new privileges by running a program": _gain_privileges},
        "of the whole process",
    )


def _tried(name: str, layers: Layers, attempts: Attempts, how: str) -> Protection:
    """Try `attempts` in a process confined by `layers` only."""
    try:
        refused = _refused(attempts, layers)
    except SandboxError as error:
        return Protection(name, active=False, detail=error.message)
    allowed = [attempt for attempt in attempts if attempt not in refused]
    if allowed:
        return Protection(name, active=False, detail=f"not refused: {', '.join(allowed)}")
    return Protection(name, active=True, detail=f"{how}; refuses {', '.join(refused)}")


def _refused(attempts: Attempts, layers: Layers) -> list[str]:
    """Return the names of those attempts that a process confined by `layers` is refused."""

    def handle(_request: bytes, _files: list[int], reply: Callable[[bytes], None]) -> None:
        for name, attempt in attempts.items():
            try:
                attempt()
            except OSError:
                reply(name.encode())

    refused = []
    with Pool(handle, jobs=1, limits=_LIMITS, layers=layers) as pool:
        pool.submit(b"")
        while events := pool.events(None):
            refused += [event.payload.decode() for event in events if isinstance(event, Reply)]
            if any(isinstance(event, Broken) for event in events):
                break  # a program ran in its place
    return refused


def _everything(stranger: int) -> Attempts:
    """Return all attempts by name, the last of which ends the process where it succeeds."""
    return {
        "reading files": _open_for_reading,
        "writing files": _open_for_writing,
        "network": _connect,
        "new processes": _fork,
        "signals to others": lambda: os.kill(stranger, 0),
        "programs": _execute,
    }


def _execute() -> None:
    os.execv(sys.executable, [sys.executable, "-c", ""])  # noqa: S606 - no shell is the point


def _open_for_reading() -> None:
    os.close(os.open(sys.executable, os.O_RDONLY))


def _open_for_writing() -> None:
    os.close(os.open(os.devnull, os.O_WRONLY))


def _connect() -> None:
    # Nobody listens on the discard port: a refusal by the peer means that the attempt was allowed.
    with socket.socket() as probe, contextlib.suppress(ConnectionRefusedError):
        probe.connect(("127.0.0.1", 9))


def _fork() -> None:
    process = os.fork()
    if process == 0:
        os._exit(0)
    os.waitpid(process, 0)


def _map_too_much() -> None:
    mmap.mmap(-1, 2 * _LIMITS.memory_bytes).close()


def _gain_privileges() -> None:
    if confine.prctl(confine.PR_GET_NO_NEW_PRIVS, 0):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
