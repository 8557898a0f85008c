"""Reads one content once: digests, and the fingerprints of what looks like a picture."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from tutela.core.errors import MediaError
from tutela.core.media import Digests
from tutela.evidence.container import HEAD_BYTES
from tutela.fingerprint import content
from tutela.fingerprint.content import Seen
from tutela.fingerprint.digest import Digester
from tutela.fingerprint.picture import DecodeLimits, looks_like_picture
from tutela.scan.wire import Limits

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 1 << 20
# How much is read between two signs of life.
PROGRESS_BYTES = 32 << 20
# Contents met again, as copies are, are fingerprinted once.
REMEMBERED = 4096

NOTHING = Seen()


class Judged(NamedTuple):
    """What decoding said about a content: what was seen, or why nothing was."""

    seen: Seen = NOTHING
    reason: str = ""
    detail: str = ""


class Read(NamedTuple):
    """A content that was read once: `data` holds it all where it looks like a picture."""

    digests: Digests
    size_bytes: int
    kind: str = ""
    data: bytes | None = None


class Reader:
    """Reads contents within limits, and remembers the last ones that it fingerprinted."""

    def __init__(self) -> None:
        # One reader serves one scan, so that what is asked for never changes.
        self._known: OrderedDict[bytes, Judged] = OrderedDict()

    def read(
        self, data: BinaryIO, head: bytes, limits: Limits, progress: Callable[[int], None]
    ) -> Read:
        """Digest `head` and the rest of `data` in one read, and keep it if it is a picture.

        `progress` is told bytes read since it was last told.
        """
        digester = Digester()
        block = head or data.read(HEAD_BYTES)
        kind = looks_like_picture(block)
        kept: list[bytes] | None = [] if kind else None
        size = unsaid = 0
        while block:
            digester.update(block)
            size += len(block)
            unsaid += len(block)
            if kept is not None:
                kept.append(block)
                if size > limits.picture_bytes:
                    kept = None
            if unsaid >= PROGRESS_BYTES:
                progress(unsaid)
                unsaid = 0
            block = data.read(BLOCK_BYTES)
        progress(unsaid)
        whole = None if kept is None else b"".join(kept)
        return Read(digester.result(), size, kind, whole)

    def judge(self, read: Read, limits: Limits) -> Judged:
        """Fingerprint what was read if it is a picture, or say why that cannot be done."""
        if not read.kind:
            return Judged()
        if read.data is None:
            return Judged(reason="too_large", detail="a picture file over the size limit")
        key = read.digests.sha256 or b""
        judged = self._known.get(key)
        if judged is None:
            bounds = DecodeLimits(
                pixels=limits.picture_pixels,
                frames=limits.frames,
                size_bytes=limits.picture_bytes,
            )
            try:
                judged = Judged(self._seen(read.data, bounds, limits))
            except MediaError as error:
                judged = Judged(NOTHING, error.code, error.message)
            self._known[key] = judged
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return judged

    def _seen(self, data: bytes, bounds: DecodeLimits, limits: Limits) -> Seen:
        thumbnail = limits.keep != "nothing"
        if not (limits.facts or thumbnail):
            return Seen(content.fingerprint(data, bounds))
        return content.examine(data, bounds, facts=limits.facts, thumbnail=thumbnail)


class Joined(io.RawIOBase):
    """The head of a stream that was read, and then the rest of it."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        super().__init__()
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill `buffer` with what comes next."""
        view = memoryview(buffer).cast("B")
        if not self._head:
            block = self._rest.read(len(view))
            view[: len(block)] = block
            return len(block)
        size = min(len(view), len(self._head))
        view[:size] = self._head[:size]
        self._head = self._head[size:]
        return size
