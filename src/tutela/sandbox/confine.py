"""Take every privilege from the present process, for good."""

from __future__ import annotations

import contextlib
import ctypes
import enum
import os
import resource
import signal
from pathlib import Path
from typing import Any

from tutela.sandbox import landlock, seccomp
from tutela.sandbox.limits import Limits

# Numbers of prctl(2) and capset(2), from the kernel's include/uapi/linux/{prctl,capability}.h.
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
PR_GET_NO_NEW_PRIVS = 39
_CAPABILITY_VERSION_3 = 0x20080522
# The standard streams, the pool's socket, and a few of the library's own.
_OWN_FILES = 16
# Killed by the kernel before the trusted process when the machine runs out of memory.
_OOM_SCORE = 500

_libc = ctypes.CDLL(None, use_errno=True)


class Layers(enum.Flag):
    """The two layers that a kernel may lack; limits and dropped privileges always apply."""

    NONE = 0
    SECCOMP = enum.auto()
    LANDLOCK = enum.auto()
    ALL = SECCOMP | LANDLOCK


class Confinement:
    """How workers will be confined; what can be prepared once is prepared here."""

    def __init__(self, limits: Limits, layers: Layers) -> None:
        self._limits = limits
        self._layers = layers
        self._filter: Any = seccomp.build() if Layers.SECCOMP in layers else None

    def apply(self, parent: int) -> None:
        """Confine this process, the child of `parent`; what it does from here on is distrusted.

        Raises:
            OSError: the kernel refuses a step.
        """
        with contextlib.suppress(OSError):  # /proc may be read-only in a container
            Path("/proc/self/oom_score_adj").write_text(str(_OOM_SCORE), encoding="ascii")
        self._set_limits()
        _drop_capabilities()
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        prctl(_PR_SET_DUMPABLE, 0)
        # After the change of privileges, which would cancel it.
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)
        if Layers.LANDLOCK in self._layers:
            landlock.restrict()
        if self._filter is not None:
            seccomp.load(self._filter)

    def _set_limits(self) -> None:
        _limit(resource.RLIMIT_AS, _mapped_bytes() + self._limits.memory_bytes)
        _limit(resource.RLIMIT_NOFILE, self._limits.open_files + _OWN_FILES)
        _limit(resource.RLIMIT_CORE, 0)
        _limit(resource.RLIMIT_FSIZE, 0)
        if self._filter is None:
            # It counts threads too, so decoders that need one fail; better than processes that
            # outlive their worker. Root is exempt (setrlimit(2)).
            _limit(resource.RLIMIT_NPROC, 0)


def prctl(option: int, value: int) -> int:
    """Set or read a property of this process (man 2 prctl).

    Raises:
        OSError: the kernel refuses.
    """
    none = ctypes.c_ulong(0)
    result: int = _libc.prctl(option, ctypes.c_ulong(value), none, none, none)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _mapped_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * resource.getpagesize()


def _drop_capabilities() -> None:
    """Give up every capability: examiners often run as root to read a device."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    if _libc.capset(header, none) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")
