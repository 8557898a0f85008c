"""What it means that a worker's process ended."""

from __future__ import annotations

import os
import signal

from tutela.sandbox.limits import Limits
from tutela.sandbox.worker import EXIT_MEMORY


def cause(status: int, grown_bytes: int, limits: Limits) -> tuple[str, str]:
    """Return code and detail for `Broken`.

    Args:
        status: How the process ended, as waitpid gives it.
        grown_bytes: By how much its resident memory had grown at most.
        limits: What it was allowed.
    """
    too_much = f"more than {limits.memory_bytes >> 20} MiB"
    if not os.WIFSIGNALED(status):
        exit_status = os.waitstatus_to_exitcode(status)
        if exit_status == EXIT_MEMORY:
            return "memory", too_much
        return "crashed", f"exit status {exit_status}"
    number = os.WTERMSIG(status)
    if number == signal.SIGKILL:
        return "memory", "killed from outside, as a system short of memory does"
    # A library that cannot go on without memory aborts, and so does one that found a fault.
    if number == signal.SIGABRT and grown_bytes >= limits.memory_bytes // 2:
        return "memory", too_much
    names = {known.value: known.name for known in signal.Signals}
    return "crashed", f"signal {names.get(number, number)}"
