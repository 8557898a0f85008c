"""Hands what workers send to the keeper, and tells the journal under which names it was kept.

The trusted side never looks into the bytes, and believes nothing about them: an original must have
the SHA-256 that was announced for it, everything has a limit, and one thing comes at a time. What
is kept goes by its SHA-256: a content that lies in many places is kept once, and a resumed scan
knows it. A thumbnail is what the worker says it is, as the fingerprints are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

from tutela.scan.assignment import Assignment
from tutela.scan.keeper import Keeper, Sink
from tutela.scan.wire import THUMBNAIL_BYTES, Kind, Limits, Order, Part


class Ledger(Protocol):
    """Where it is written down what was kept."""

    def set_kept(self, sha256: bytes, kind: Kind, object_id: str) -> None:
        """Remember the object id of something that was kept."""
        ...

    def kept(self, sha256: bytes | None) -> dict[str, str]:
        """Return what was kept of a content: kind to object id."""
        ...


@dataclass
class Arriving:
    """An object of which the last part is not here yet; without a sink it is kept already."""

    what: tuple[int, Order, Kind]
    sha256: bytes
    sink: Sink | None
    size_bytes: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)


class Keeping:
    """What arrives of each task, on its way to the keeper."""

    def __init__(self, keeper: Keeper, ledger: Ledger, limits: Limits) -> None:
        self._keeper = keeper
        self._ledger = ledger
        self._most_bytes: dict[Kind, int] = {
            "original": limits.picture_bytes,
            "thumbnail": THUMBNAIL_BYTES,
        }
        self._arriving: dict[int, Arriving] = {}
        self._closed = False

    def hear(self, task: int, part: Part, assignment: Assignment) -> bool:
        """Take the next part of a task; False where no honest worker would send it.

        Raises:
            TutelaError: what the keeper raises: it can keep no more.
        """
        what = (part.item, part.order, part.kind)
        arriving = self._arriving.get(task)
        if arriving is None:
            sha256 = self._announced(what, assignment)
            if sha256 is None:
                return False
            arriving = self._arriving[task] = Arriving(what, sha256, self._sink(part.kind, sha256))
        arriving.size_bytes += len(part.data)
        if arriving.what != what or arriving.size_bytes > self._most_bytes[part.kind]:
            return False
        if arriving.sink is not None:
            arriving.sink.write(part.data)
            if part.kind == "original":
                arriving.digest.update(part.data)
        return not part.last or self._arrived(task, assignment)

    def busy(self, task: int) -> bool:
        """Tell whether an object of the task is not complete: its parts come in a row."""
        return task in self._arriving

    def drop(self, task: int) -> None:
        """Forget what was under way of a task that has ended."""
        arriving = self._arriving.pop(task, None)
        if arriving is not None and arriving.sink is not None:
            arriving.sink.abandon()

    def drop_all(self) -> None:
        """Forget everything that is under way."""
        for task in list(self._arriving):
            self.drop(task)

    def flush(self) -> None:
        """Make durable what is about to be recorded as kept."""
        if self._closed:
            self._keeper.flush()
            self._closed = False

    @staticmethod
    def _announced(what: tuple[int, Order, Kind], assignment: Assignment) -> bytes | None:
        """Return the SHA-256 of the content that the worker is on, if this may come of it now."""
        item, order, kind = what
        begun, digested = assignment.begun.get(item), assignment.digested.get((item, order))
        if not begun or begun[-1].order != order or digested is None:
            return None
        return None if kind in assignment.handed.get((item, order), ()) else digested.digests.sha256

    def _sink(self, kind: Kind, sha256: bytes) -> Sink | None:
        """Begin an object; None where it is kept already."""
        if kind in self._ledger.kept(sha256):
            return None
        known = self._keeper.known(kind, sha256)
        if known is not None:
            self._ledger.set_kept(sha256, kind, known)
            return None
        return self._keeper.begin(kind, sha256)

    def _arrived(self, task: int, assignment: Assignment) -> bool:
        arriving = self._arriving.pop(task)
        item, order, kind = arriving.what
        assignment.handed.setdefault((item, order), set()).add(kind)
        if arriving.sink is None:
            return True
        true = kind != "original" or arriving.digest.digest() == arriving.sha256
        # Another worker may have sent the same content meanwhile.
        if not true or kind in self._ledger.kept(arriving.sha256):
            arriving.sink.abandon()
            return true
        self._ledger.set_kept(arriving.sha256, kind, arriving.sink.close())
        self._closed = True
        return True
