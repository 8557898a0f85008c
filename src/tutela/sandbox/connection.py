"""The trusted end of the connection to one worker: never waits, never believes."""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from tutela.sandbox.wire import BATCH_FILES, REQUEST, FrameReader, Kind

# Errors that only mean "not now"; the second: too many descriptors are on their way (unix(7)).
_LATER = (errno.EAGAIN, errno.ETOOMANYREFS)


class Connection:
    """One worker as the pool sees it.

    Attributes:
        number: The worker's number at the fork server.
        task: The task it works on, or None.
        confined: It has said that its confinement is in place.
        heard_s: When bytes last moved in either direction, on the clock of the pool.
        hung_up: Its end is closed.
    """

    def __init__(self, number: int, own_end: socket.socket) -> None:
        own_end.settimeout(0)
        self.number = number
        self.socket = own_end
        self.task: int | None = None
        self.confined = False
        self.heard_s = 0.0
        self.hung_up = False
        self._reader = FrameReader()
        # Bytes, and the descriptors that go with their first byte.
        self._outbox: deque[tuple[memoryview, list[int]]] = deque()

    def request(self, request: bytes, files: Sequence[int]) -> bool:
        """Send one request, as far as the socket takes it; tell whether nothing is left.

        The caller may close `files` when this returns.

        Raises:
            OSError: descriptors that must wait cannot be duplicated; the connection is useless.
        """
        batches = [list(files[at : at + BATCH_FILES]) for at in range(0, len(files), BATCH_FILES)]
        header = REQUEST.pack(len(request), len(files))
        if len(batches) <= 1:
            self._outbox.append((memoryview(header + request), list(files)))
        else:
            self._outbox.append((memoryview(header), batches[0]))
            self._outbox.extend((memoryview(b"\0"), batch) for batch in batches[1:])
            if request:
                self._outbox.append((memoryview(request), []))
        sent_all = self._send(close=False)
        waiting, self._outbox = self._outbox, deque()
        for data, borrowed in waiting:
            self._outbox.append((data, []))
            for file in borrowed:
                self._outbox[-1][1].append(os.dup(file))
        return sent_all

    def send_on(self) -> bool:
        """Send what waits, as far as the socket takes it; tell whether nothing is left."""
        return self._send(close=True)

    def _send(self, *, close: bool) -> bool:
        while self._outbox:
            data, files = self._outbox[0]
            try:
                sent = socket.send_fds(self.socket, [data], files)
            except OSError as error:
                if error.errno in _LATER:
                    return False
                # The worker is gone; reading will tell how.
                self._forget(close=close)
                return True
            if close:
                _close(files)
            self._outbox[0] = (data[sent:], [])
            if sent == len(data):
                self._outbox.popleft()
        return True

    def receive(self, room: memoryview) -> Iterator[tuple[Kind, bytes]]:
        """Read once, using `room`, and yield the frames that are complete.

        Raises:
            ProtocolError: the worker said what no honest worker says.
        """
        try:
            received = self.socket.recv_into(room)
        except BlockingIOError:
            return
        except ConnectionError:
            received = 0
        self.hung_up = not received
        yield from self._reader.feed(room[:received])

    def close(self) -> None:
        """Close the connection and forget what was not sent."""
        self._forget(close=True)
        self.socket.close()

    def _forget(self, *, close: bool) -> None:
        for _, files in self._outbox:
            if close:
                _close(files)
        self._outbox.clear()


def _close(files: Iterable[int]) -> None:
    for file in files:
        os.close(file)
