"""Fingerprints files for matching, in confined processes; a file is kept nowhere."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Self

import msgspec

from tutela.core.errors import MediaError
from tutela.core.matching import FileRead, Known
from tutela.core.media import Fingerprint
from tutela.fingerprint import content
from tutela.fingerprint.digest import digests
from tutela.sandbox import UNREADABLE, Broken, Limits, Shared

_LIMITS = Limits(memory_bytes=2 << 30, silence_s=30.0, open_files=0)
_WORKERS = 4
_WAIT_S = 60.0
_ANSWER_BYTES = 4 << 20
_decode = msgspec.msgpack.Decoder(list[Fingerprint]).decode


class Hasher:
    """Fingerprints files that members send. Threads may share it; a context manager.

    Make it before a list, a key or the database is opened, in a process without other threads: its
    workers are forked here, and so hold none of them.

    Args:
        jobs: How many files are decoded at once; 0 means one for each core, four at most.

    Raises:
        SandboxError: processes cannot be started or confined.
    """

    def __init__(self, jobs: int = 0) -> None:
        self._shared = Shared(
            _handle,
            jobs=jobs or min(len(os.sched_getaffinity(0)), _WORKERS),
            limits=_LIMITS,
            warm_up=content.warm_up,
            name="the hasher",
            answer_bytes=_ANSWER_BYTES,
            refusal=_error,
        )

    def known(self, data: bytes) -> tuple[Known, FileRead]:
        """Return what is known of a file, and how reading it went.

        A file that cannot be decoded is known by its digests, and `reason` says why.

        Raises:
            ServiceError: the hasher was closed or has failed, or is too slow.
        """
        found: list[Fingerprint] = []
        reason = ""
        try:
            found = _decode(self._shared.ask(data, _WAIT_S))
        except MediaError as error:
            reason = error.code
        except UNREADABLE:
            reason = "crashed"  # it was taken over: what it says is worth nothing
        known = digests(data)
        assert known.sha256 is not None
        return (known, found), FileRead(known.sha256.hex(), len(data), len(found), reason)

    def close(self) -> None:
        """End the workers."""
        self._shared.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def _handle(request: bytes, _files: list[int], reply: Callable[[bytes], None]) -> None:
    """Serve one request, in a worker."""
    reply(msgspec.msgpack.encode(content.fingerprint(request)))


def _error(event: Broken) -> Exception:
    if event.error is not None:
        return event.error
    code = "undecodable" if event.code == "error" else event.code
    return MediaError("the file cannot be decoded", code=code)
