"""Confined processes for hostile bytes.

`pool` is what callers use: it hands requests to worker processes and never waits for or believes
one. Behind it, `server` forks workers on demand and reports how they ended (`ending` says what
that means), `worker` serves requests inside, `confine` takes every privilege away first (`landlock`
and `seccomp` are two independent layers of it), `wire` is what both sides say to each other,
`connection` the trusted end of it. `shared` lets threads ask one pool, `once` runs one request in
one process; `doctor` tries out what really is refused on this machine.
"""

from tutela.sandbox.confine import Layers
from tutela.sandbox.doctor import Protection, status
from tutela.sandbox.limits import Limits
from tutela.sandbox.once import confined
from tutela.sandbox.pool import Broken, Done, Event, Pool, Reply
from tutela.sandbox.shared import Shared
from tutela.sandbox.wire import UNREADABLE, Handler

__all__ = [
    "UNREADABLE",
    "Broken",
    "Done",
    "Event",
    "Handler",
    "Layers",
    "Limits",
    "Pool",
    "Protection",
    "Reply",
    "Shared",
    "confined",
    "status",
]
