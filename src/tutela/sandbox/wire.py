"""What the trusted side and a worker say to each other over one stream socket.

A request is a header (length, number of descriptors), the descriptors in batches, and the bytes. A
worker answers with frames: kind, length, bytes. The trusted side believes no length beyond what the
kind allows, and allocates nothing before the bytes are there.
"""

from __future__ import annotations

import enum
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import PurePath

import msgspec

from tutela.core import errors
from tutela.core.errors import TutelaError

# (request, descriptors, reply): the descriptors stay the pool's, which closes them afterwards.
Handler = Callable[[bytes, list[int], Callable[[bytes], None]], None]

# What msgspec raises for bytes that it cannot read: hostile ones reach beyond its own error.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

REQUEST = struct.Struct("<QI")
FRAME = struct.Struct("<BI")
# The kernel passes at most so many descriptors with one message (SCM_MAX_FD, net/scm.h).
BATCH_FILES = 253
REPLY_BYTES = 64 << 20
_FAILURE_BYTES = 64 << 10
_TEXT_CHARACTERS = 1000


class Kind(enum.IntEnum):
    """What a frame of a worker says."""

    READY = 1
    REPLY = 2
    DONE = 3
    FAILURE = 4


_LIMITS = {Kind.READY: 0, Kind.REPLY: REPLY_BYTES, Kind.DONE: 0, Kind.FAILURE: _FAILURE_BYTES}


class ProtocolError(Exception):
    """A worker said something that no honest worker says."""


class Failure(msgspec.Struct, frozen=True):
    """How a handler failed: `kind` names a class of `core.errors`, or is empty for any other.

    `where` is the file name and line where it was raised; a traceback would need more files.
    """

    kind: str
    message: str
    code: str = ""
    hint: str = ""
    where: str = ""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Describe `error` without opening a file."""
        where = _where(error)
        if isinstance(error, TutelaError):
            known = next(kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
            return cls(
                known.__name__, plain(error.message), plain(error.code), plain(error.hint), where
            )
        try:
            message = str(error)
        except Exception:  # noqa: BLE001 - an exception that cannot even be printed is still one
            message = "?"
        return cls("", plain(f"{type(error).__name__}: {message}"), where=where)

    def error(self) -> TutelaError | None:
        """Rebuild the error of Tutela that this was; None if it was another."""
        kind = getattr(errors, self.kind, None) if self.kind.isidentifier() else None
        if isinstance(kind, type) and issubclass(kind, TutelaError):
            return kind(plain(self.message), code=plain(self.code), hint=plain(self.hint))
        return None


def _where(error: BaseException) -> str:
    trace = error.__traceback__
    if trace is None:
        return ""
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


def plain(text: str) -> str:
    """Return at most 1000 characters of `text`, one line, without what would steer a terminal."""
    line = " ".join(text[: 2 * _TEXT_CHARACTERS].split())[:_TEXT_CHARACTERS]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


class FrameReader:
    """Cuts what a worker sends into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, block: memoryview) -> Iterator[tuple[Kind, bytes]]:
        """Yield the frames that `block` completes.

        Raises:
            ProtocolError: a kind or length that no honest worker sends.
        """
        self._buffer += block
        at = 0
        try:
            while len(self._buffer) - at >= FRAME.size:
                number, length = FRAME.unpack_from(self._buffer, at)
                if number not in _LIMITS or length > _LIMITS[Kind(number)]:
                    raise ProtocolError(f"a frame of kind {number} with {length} bytes")
                end = at + FRAME.size + length
                if len(self._buffer) < end:
                    break
                payload = bytes(memoryview(self._buffer)[at + FRAME.size : end])
                at = end
                yield Kind(number), payload
        finally:
            del self._buffer[:at]


def send_frame(connection: socket.socket, kind: Kind, payload: bytes = b"") -> None:
    """Send one frame, waiting until it is taken.

    Raises:
        ValueError: the payload is larger than the trusted side accepts.
    """
    if len(payload) > _LIMITS[kind]:
        raise ValueError(f"a reply of {len(payload)} bytes; {REPLY_BYTES} is the most")
    header = FRAME.pack(kind, len(payload))
    if len(payload) < 1 << 16:
        connection.sendall(header + payload)
    else:
        connection.sendall(header)
        connection.sendall(payload)


def receive_request(connection: socket.socket) -> tuple[bytes, list[int]] | None:
    """Wait for the next request; None when the trusted side has closed the connection."""
    files: list[int] = []
    header = b""
    while len(header) < REQUEST.size:
        block = _receive_with_files(connection, REQUEST.size - len(header), files)
        if not block:
            return None
        header += block
    length, expected = REQUEST.unpack(header)
    while len(files) < expected:
        if not _receive_with_files(connection, 1, files):
            return None
    request = bytearray(length)
    view = memoryview(request)
    while view:
        received = connection.recv_into(view)
        if not received:
            return None
        view = view[received:]
    return bytes(request), files


def _receive_with_files(connection: socket.socket, size: int, files: list[int]) -> bytes:
    block, received, flags, _ = socket.recv_fds(connection, size, BATCH_FILES)
    files += received
    if flags & socket.MSG_CTRUNC:
        raise OSError("not all descriptors of a request arrived")
    return block
