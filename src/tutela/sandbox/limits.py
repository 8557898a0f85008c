"""What one confined process may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one confined process may use.

    Attributes:
        memory_bytes: Address space it may add to what it has when it starts; code and libraries
            that `warm_up` loaded do not count, so the figure means the same on every machine.
        silence_s: A worker with a task that sends nothing for longer is ended, in seconds.
        open_files: Descriptors that one request may carry.
    """

    memory_bytes: int = 2 << 30
    silence_s: float = 60.0
    open_files: int = 512
