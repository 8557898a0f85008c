"""Landlock: refuse the file system, TCP and signals to this process, for good.

No other layer is needed for it to hold, and it needs no library: three system calls, whose numbers
are the same on every architecture (Linux, Documentation/userspace-api/landlock.rst; include/uapi/
linux/landlock.h). A rule set that handles every access and holds no rule allows none. Descriptors
that are open already, and the metadata of files (stat), are not covered.
"""

from __future__ import annotations

import ctypes
import os

_CREATE_RULESET = 444
_RESTRICT_SELF = 446
_GET_VERSION = 1

# How many access rights to files each ABI version knows, from the lowest bit (ABI 2 adds REFER,
# 3 TRUNCATE, 5 IOCTL_DEV); naming one that the kernel does not know is an error.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NET_ABI = 4
_BIND_AND_CONNECT_TCP = 0b11
_SCOPE_ABI = 6
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _Ruleset(ctypes.Structure):
    # Kernels with a shorter structure accept this one as long as what they do not know is zero.
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def abi() -> int:
    """Return the Landlock version of the running kernel, 0 where it has none or it is off."""
    version: int = _libc.syscall(
        ctypes.c_long(_CREATE_RULESET),
        None,
        ctypes.c_size_t(0),
        ctypes.c_uint32(_GET_VERSION),
    )
    return max(version, 0)


def restrict() -> None:
    """Refuse everything Landlock can refuse to this process; needs no-new-privileges.

    Raises:
        OSError: the kernel has Landlock and will not apply it.
    """
    version = abi()
    if not version:
        return
    rights = _FILE_RIGHTS.get(version, max(_FILE_RIGHTS.values()))
    ruleset = _Ruleset(
        handled_access_fs=(1 << rights) - 1,
        handled_access_net=_BIND_AND_CONNECT_TCP if version >= _NET_ABI else 0,
        scoped=_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if version >= _SCOPE_ABI else 0,
    )
    descriptor = _checked(
        _libc.syscall(
            ctypes.c_long(_CREATE_RULESET),
            ctypes.byref(ruleset),
            ctypes.c_size_t(ctypes.sizeof(ruleset)),
            ctypes.c_uint32(0),
        )
    )
    try:
        _checked(
            _libc.syscall(
                ctypes.c_long(_RESTRICT_SELF), ctypes.c_int(descriptor), ctypes.c_uint32(0)
            )
        )
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result
