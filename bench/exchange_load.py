"""Asks a matching server over kept connections, as fast as it answers or at a steady rate.

    python bench/exchange_load.py PLAN

PLAN is a msgpack file of `Plan`. What came of it goes to standard output as JSON of `Result`. A
process of its own: what asking costs is not mixed with what answering costs.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
from pathlib import Path

import msgspec

_HEAD_BYTES = 8192


class Plan(msgspec.Struct, frozen=True):
    """What to ask: `bodies` one after another, over `connections`, for `seconds`.

    `per_second` requests are sent at even distances in time, whether or not those before are
    answered; 0 sends as fast as answers come. A time counts from the moment a request was due.
    """

    port: int
    token: str
    media_type: str
    bodies: tuple[bytes, ...]
    connections: int
    seconds: float
    per_second: float = 0.0


class Result(msgspec.Struct, frozen=True):
    """What came of it: answers with their times, and what went wrong."""

    seconds: float
    times_ms: list[float]
    failures: list[str]
    answer_bytes: int


class _Asker(threading.Thread):
    """One connection and its share of the requests."""

    def __init__(self, plan: Plan, number: int, begins_s: float) -> None:
        super().__init__()
        self._plan, self._number, self._begins_s = plan, number, begins_s
        self.times_ms: list[float] = []
        self.failures: list[str] = []
        self.answer_bytes = 0
        self._socket: socket.socket | None = None
        self._requests = [_request(plan, body) for body in plan.bodies]

    def run(self) -> None:
        plan = self._plan
        turn = self._number
        while True:
            due_s = time.perf_counter()
            if plan.per_second:
                due_s = self._begins_s + turn / plan.per_second
                time.sleep(max(0.0, due_s - time.perf_counter()))
            if max(due_s, self._begins_s) >= self._begins_s + plan.seconds:
                break
            try:
                self.answer_bytes += self._ask(self._requests[turn % len(self._requests)])
                self.times_ms.append((time.perf_counter() - due_s) * 1e3)
            except (OSError, ValueError) as error:
                self.failures.append(str(error))
                self._socket = None
            turn += plan.connections
        if self._socket is not None:
            self._socket.close()

    def _ask(self, request: bytes) -> int:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._plan.port), timeout=10)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(request)
        got = self._socket.recv(1 << 18)
        while b"\r\n\r\n" not in got and len(got) < _HEAD_BYTES:
            more = self._socket.recv(1 << 18)
            if not more:
                raise OSError("the server hung up")
            got += more
        head, _, body = got.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise ValueError(head[:60].decode("latin-1"))
        wanted = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        have = len(body)
        while have < wanted:
            more = self._socket.recv(1 << 18)
            if not more:
                raise OSError("the server hung up")
            have += len(more)
        return wanted


def _request(plan: Plan, body: bytes) -> bytes:
    return (
        b"POST /v1/match HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %b\r\n"
        b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
        % (plan.token.encode(), plan.media_type.encode(), len(body), body)
    )


def main(file: Path) -> None:
    """Carry out a plan."""
    plan = msgspec.msgpack.decode(file.read_bytes(), type=Plan)
    begins_s = time.perf_counter() + 0.2
    askers = [_Asker(plan, number, begins_s) for number in range(plan.connections)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    result = Result(
        time.perf_counter() - begins_s,
        [one for asker in askers for one in asker.times_ms],
        [one for asker in askers for one in asker.failures],
        sum(asker.answer_bytes for asker in askers),
    )
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
