"""seccomp: an allow-list of system calls; every other one fails with EPERM.

What is left is what decoding needs: memory, the clock, randomness, and reading and writing what is
already open. There is no way to name a file, so nothing new can be opened; no socket, no process,
no program, no new executable memory, no signal to anyone else. Threads of its own it may start:
HEIC and AVIF decoders do, and end the process or wait for ever if they cannot. libseccomp builds
the filter, found through pyseccomp; where either is missing the other layers stand alone, and
`tutela doctor` says so.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import types
from typing import Any

_ALWAYS = (
    # What is open: the pool's socket, and the files of a request.
    *("read", "readv", "pread64", "preadv", "write", "writev", "lseek", "fadvise64"),
    *("recvfrom", "recvmsg", "sendto", "sendmsg"),
    *("close", "close_range", "dup", "fstat"),
    *("poll", "ppoll", "select", "pselect6"),
    # Memory. Writable or readable only: mmap and mprotect are below.
    *("munmap", "mremap", "madvise", "brk", "futex"),
    # Time, chance, identity.
    *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time"),
    *("getrandom", "getpid", "getppid", "gettid", "getuid", "geteuid", "getgid", "getegid"),
    *("getrusage", "sysinfo", "sched_yield", "sched_getaffinity"),
    # What glibc does at the start of a thread; clone itself is below.
    *("set_robust_list", "rseq"),
    # Its own signals and its end.
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall"),
    *("exit", "exit_group"),
)
# F_SETOWN and F_SETSIG would send signals to other processes.
_FCNTL = (fcntl.F_GETFD, fcntl.F_SETFD, fcntl.F_GETFL, fcntl.F_DUPFD, fcntl.F_DUPFD_CLOEXEC)
_AT_EMPTY_PATH = 0x1000
# The flags with which glibc starts a thread (nptl/pthread_create.c): CLONE_VM, _FS, _FILES,
# _SIGHAND, _THREAD, _SYSVSEM, _SETTLS, _PARENT_SETTID, _CHILD_CLEARTID. A fork has others.
_CLONE_THREAD = 0x3D0F00


def library() -> types.ModuleType:
    """Return pyseccomp.

    Raises:
        ImportError: pyseccomp or the system's libseccomp is not installed.
    """
    try:
        # Looks for the C library by running ldconfig, hence not before a sandbox is wanted.
        import pyseccomp  # noqa: PLC0415 - see above
    except RuntimeError as error:
        raise ImportError("the system's libseccomp2 is not installed") from error
    module: types.ModuleType = pyseccomp
    return module


def build() -> Any | None:
    """Build the filter, to be completed and loaded by `load`; None where libseccomp is missing."""
    try:
        seccomp = library()
    except ImportError:
        return None
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))

    def answer(name: str, *arguments: Any, action: int = seccomp.ALLOW) -> None:
        # Younger architectures lack calls that others replaced (`poll`, `select`, `time`).
        if seccomp.resolve_syscall(seccomp.Arch.NATIVE, name) >= 0:
            rules.add_rule(action, name, *arguments)

    for name in _ALWAYS:
        answer(name)
    for name in ("mmap", "mprotect"):
        answer(name, seccomp.Arg(2, seccomp.MASKED_EQ, mmap.PROT_EXEC, 0))
    for command in _FCNTL:
        answer("fcntl", seccomp.Arg(1, seccomp.EQ, command))
    # glibc writes fstat as fstatat of the empty path; the flag says so, the path cannot be seen.
    answer("newfstatat", seccomp.Arg(3, seccomp.MASKED_EQ, _AT_EMPTY_PATH, _AT_EMPTY_PATH))
    # Reading a limit, never setting one.
    answer("prlimit64", seccomp.Arg(0, seccomp.EQ, 0), seccomp.Arg(2, seccomp.EQ, 0))
    # Python asks every stream whether it is a terminal.
    answer("ioctl", action=seccomp.ERRNO(errno.ENOTTY))
    answer("clone", seccomp.Arg(0, seccomp.EQ, _CLONE_THREAD))
    # Its flags lie in memory, where no filter sees them; glibc then falls back on clone.
    answer("clone3", action=seccomp.ERRNO(errno.ENOSYS))
    return rules


def load(rules: Any) -> None:
    """Apply the filter to this process for good; only itself may it signal (abort does).

    Raises:
        OSError: the kernel refuses the filter.
    """
    seccomp = library()
    rules.add_rule(seccomp.ALLOW, "tgkill", seccomp.Arg(0, seccomp.EQ, os.getpid()))
    rules.load()
