"""What keeps thumbnails and originals for a scan: a vault, seen from here."""

from __future__ import annotations

from typing import Protocol

from tutela.scan.wire import Kind


class Sink(Protocol):
    """Takes one object, piece by piece; ends with `close` or with `abandon`."""

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        ...

    def close(self) -> str:
        """Keep the object, and return the id by which it can be asked for again."""
        ...

    def abandon(self) -> None:
        """Forget what was written: the rest will not come."""
        ...


class Keeper(Protocol):
    """Keeps what a scan hands it; never looks inside, for the bytes come from evidence.

    `originals` tells whether originals are wanted beside thumbnails; `name` is the same for the
    same place only, so that an unfinished scan into another place is not gone on with.
    """

    originals: bool
    name: str

    def known(self, kind: Kind, sha256: bytes) -> str | None:
        """Return the object id of what was kept of this content before, by any scan, or None."""
        ...

    def begin(self, kind: Kind, sha256: bytes) -> Sink:
        """Begin an object; several may be open at a time."""
        ...

    def flush(self) -> None:
        """Make durable all that was closed: the journal then says that it is kept."""
        ...
