"""Inside a confined process: serve one request after another until the pool hangs up."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Never

import msgspec

from tutela.sandbox import wire
from tutela.sandbox.confine import Confinement
from tutela.sandbox.wire import Failure, Handler, Kind

# Exit status of a worker that ran out of memory, which may be too short even to say so.
EXIT_MEMORY = 83
_EXIT_LOST = 84


def run(
    connection: socket.socket, handler: Handler, confinement: Confinement, parent: int
) -> Never:
    """Confine this process, then serve; ends the process, whatever happens."""
    status = _EXIT_LOST
    try:
        try:
            confinement.apply(parent)
        except OSError as error:
            _fail(connection, error)
        else:
            wire.send_frame(connection, Kind.READY)
            while (received := wire.receive_request(connection)) is not None:
                _serve(connection, handler, *received)
            status = 0
    except MemoryError:
        status = EXIT_MEMORY
    finally:
        # No clean-up of inherited state, no message of the interpreter: the pool is told by status.
        os._exit(status)


def _serve(connection: socket.socket, handler: Handler, request: bytes, files: list[int]) -> None:
    def reply(payload: bytes) -> None:
        wire.send_frame(connection, Kind.REPLY, payload)

    try:
        handler(request, files, reply)
    except MemoryError:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it was, the task failed and is told so
        _fail(connection, error)
    else:
        wire.send_frame(connection, Kind.DONE)
    finally:
        for file in files:
            with contextlib.suppress(OSError):
                os.close(file)


def _fail(connection: socket.socket, error: BaseException) -> None:
    wire.send_frame(connection, Kind.FAILURE, msgspec.msgpack.encode(Failure.of(error)))
