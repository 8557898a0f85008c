"""Draws pictures anew for people, in confined processes: an original is never sent as it is.

What comes out is a JPEG that we encoded: upright, in sRGB, no larger than asked for, and with
nothing of the file but pixels. A file that breaks a decoder breaks a process without secrets, and
the next request finds a fresh one.
"""

from __future__ import annotations

import os
from typing import Self

from tutela.core.errors import MediaError, SandboxError
from tutela.evidence import renderwork
from tutela.evidence.renderwork import MAX_PX, Order
from tutela.sandbox import Broken, Limits, Shared

_LIMITS = Limits(memory_bytes=2 << 30, silence_s=30.0, open_files=0)
_WORKERS = 4
# A caller gives up after so long: many may wait before it, and a process may be silent for 30 s.
_WAIT_S = 120.0
# A picture may come to so many bytes: 4000 x 4000 px at our quality have far fewer.
_RESULT_BYTES = 32 << 20


class Renderer:
    """Draws pictures in a pool of confined workers; threads may share it.

    Make it before anything secret is in memory, in a process without other threads: its workers are
    forked here. One thread of ours then drives the pool; callers wait for their own picture only.

    Args:
        jobs: How many pictures are drawn at once; 0 means one for each core, four at most.

    Raises:
        SandboxError: processes cannot be started or confined.
    """

    def __init__(self, jobs: int = 0) -> None:
        self._shared = Shared(
            renderwork.handle,
            jobs=jobs or min(len(os.sched_getaffinity(0)), _WORKERS),
            limits=_LIMITS,
            warm_up=renderwork.warm_up,
            name="the renderer",
            answer_bytes=_RESULT_BYTES,
            refusal=_error,
        )

    def clear(self, data: bytes, max_px: int = MAX_PX) -> bytes:
        """Return a picture as a JPEG whose longer side has `max_px` pixels at most.

        Raises:
            MediaError: it cannot be decoded; code `crashed`, `memory` or `silent` if it broke the
                process that tried.
            ServiceError: the renderer was closed or has failed.
        """
        return self._draw(Order("clear", max_px), data)

    def blurred(self, data: bytes) -> bytes:
        """Return the blurred grey thumbnail of a picture; see `fingerprint.thumbnail`.

        Raises:
            MediaError: as `clear`.
            ServiceError: likewise.
        """
        return self._draw(Order("blurred"), data)

    def _draw(self, order: Order, data: bytes) -> bytes:
        """Believe a worker no more than that it gave bytes that begin and end as a JPEG does."""
        drawn = self._shared.ask(renderwork.request(order, data), _WAIT_S)
        if drawn[:3] != b"\xff\xd8\xff" or drawn[-2:] != b"\xff\xd9":
            raise SandboxError("a confined process gave no picture")
        return drawn

    def close(self) -> None:
        """End the workers; who waits for a picture gets an error."""
        self._shared.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def _error(event: Broken) -> Exception:
    if event.error is not None:
        return event.error
    return MediaError(
        f"the picture cannot be drawn: {event.detail}",
        code="undecodable" if event.code == "error" else event.code,
    )
