"""The fork server: one small process that forks workers and says how they ended.

It is forked once, from a process that holds no secrets yet, and never sees hostile bytes. Only it
knows the process numbers of workers, and it has not reaped a worker that it is asked to end: a
number can never mean another process.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import resource
import selectors
import signal
import socket
import struct
import time
from collections import deque
from typing import Never

from tutela.sandbox import worker
from tutela.sandbox.confine import Confinement
from tutela.sandbox.wire import Handler

# Worker number and what is wanted; a socket travels with FORK.
ORDER = struct.Struct("<QB")
FORK = 1
KILL = 2
# Worker number, status as waitpid gives it (or a negative errno: it was not forked), and by how
# many KiB its resident memory had grown at most.
NOTICE = struct.Struct("<QiQ")

_CLOSING_S = 5.0
# Sent to a whole process group or service; what they mean is the trusted process's decision.
_GROUP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def run(control: socket.socket, parent: int, handler: Handler, confinement: Confinement) -> Never:
    """Serve orders from `control` until it closes or `parent` (a pidfd) ends; never returns."""
    try:
        _settle_in(keep=(control.fileno(), parent))
        _Server(control, parent, handler, confinement).serve()
    finally:
        os._exit(0)


def _settle_in(keep: tuple[int, ...]) -> None:
    """Cut the ties that a fork inherits: descriptors, signal handlers, garbage with finalizers."""
    # Objects of the parent must not be collected here: closing their descriptors by number would
    # close ours. It also keeps memory shared.
    gc.freeze()
    faulthandler.disable()
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):  # the C library keeps a few for itself
            signal.signal(number, signal.SIG_DFL)
    for number in (*_GROUP_SIGNALS, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    close_others((0, 1, 2, *keep))


def close_others(keep: tuple[int, ...]) -> None:
    """Close every descriptor of this process but those in `keep`."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - only names are wanted
        if int(name) not in keep:
            with contextlib.suppress(OSError):
                os.close(int(name))


class _Server:
    def __init__(
        self, control: socket.socket, parent: int, handler: Handler, confinement: Confinement
    ) -> None:
        self._control = control
        self._handler = handler
        self._confinement = confinement
        self._workers: dict[int, int] = {}
        self._notices: deque[bytes] = deque()
        self._selector = selectors.DefaultSelector()
        control.settimeout(0)
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(parent, selectors.EVENT_READ)
        self._parent = parent
        self._process = os.getpid()
        self._resident_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def serve(self) -> None:
        """Obey orders and reap workers, until the trusted process is gone."""
        try:
            while self._turn():
                pass
        except ConnectionError:
            pass  # the trusted process is gone
        finally:
            self._end_all()

    def _turn(self) -> bool:
        """Wait, and do what there is to do; tell whether to go on."""
        for key, mask in self._selector.select():
            if key.fd == self._parent:
                return False
            if key.data is not None:
                self._reap(key.data, key.fd)
            elif mask & selectors.EVENT_READ and not self._obey():
                return False
        # Sent without waiting: the trusted process may be waiting to give an order.
        wanted = selectors.EVENT_READ
        try:
            while self._notices:
                self._control.send(self._notices[0])
                self._notices.popleft()
        except BlockingIOError:
            wanted |= selectors.EVENT_WRITE
        self._selector.modify(self._control, wanted)
        return True

    def _obey(self) -> bool:
        order, sockets, _, _ = socket.recv_fds(self._control, ORDER.size, 1)
        if not order:
            return False
        number, wanted = ORDER.unpack(order)
        if wanted == FORK:
            with socket.socket(fileno=sockets[0]) as connection:
                self._fork(number, connection)
        elif number in self._workers:
            os.kill(self._workers[number], signal.SIGKILL)
        return True

    def _fork(self, number: int, connection: socket.socket) -> None:
        try:
            process = os.fork()
        except OSError as error:
            self._notices.append(NOTICE.pack(number, -(error.errno or 1), 0))
            return
        if process == 0:
            try:
                close_others((0, 1, 2, connection.fileno()))
                worker.run(connection, self._handler, self._confinement, self._process)
            finally:
                os._exit(1)
        self._workers[number] = process
        self._selector.register(os.pidfd_open(process), selectors.EVENT_READ, number)

    def _reap(self, number: int, handle: int) -> None:
        process = self._workers.pop(number)
        self._selector.unregister(handle)
        os.close(handle)
        _, status, usage = os.wait4(process, 0)
        grown = max(usage.ru_maxrss - self._resident_kib, 0)
        self._notices.append(NOTICE.pack(number, status, grown))

    def _end_all(self) -> None:
        for process in self._workers.values():
            os.kill(process, signal.SIGKILL)
        # A worker stuck in a failing disk cannot be ended by anyone; it is not waited for.
        deadline = time.monotonic() + _CLOSING_S
        for process in self._workers.values():
            while time.monotonic() < deadline and os.waitpid(process, os.WNOHANG) == (0, 0):
                time.sleep(0.0005)
