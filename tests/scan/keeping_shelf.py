"""A keeper in a folder, which writes down what becomes of everything that it is given."""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path

from scan_support import session

from tutela.core.errors import ServiceError


class Shelf:
    """Keeps objects as files; `durable` are those that were there at the last flush."""

    def __init__(self, folder: Path, *, originals: bool = True, room: int = 1 << 40) -> None:
        self.folder = folder
        self.originals = originals
        self.name = str(folder)
        self.room = room
        self.open = 0
        self.abandoned = 0
        self.kinds: list[str] = []
        self.closed: set[str] = set()
        self.durable: set[str] = set()
        self.before: dict[tuple[str, bytes], str] = {}
        folder.mkdir(exist_ok=True)

    def known(self, kind: str, sha256: bytes) -> str | None:
        return self.before.get((kind, sha256))

    def begin(self, kind: str, sha256: bytes) -> Box:
        assert len(sha256) == 32
        self.open += 1
        return Box(self, kind)

    def flush(self) -> None:
        self.durable |= self.closed

    def bytes_of(self, object_id: str) -> bytes:
        return (self.folder / object_id).read_bytes()


class Box:
    """One object that is being written."""

    def __init__(self, shelf: Shelf, kind: str) -> None:
        self.shelf = shelf
        self.kind = kind
        self.parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        assert len(data) <= 256 << 10
        self.shelf.room -= len(data)
        if self.shelf.room < 0:
            raise ServiceError("no room is left on the shelf")
        self.parts.append(data)

    def close(self) -> str:
        self.shelf.open -= 1
        name = uuid.uuid4().hex
        (self.shelf.folder / name).write_bytes(b"".join(self.parts))
        self.shelf.closed.add(name)
        self.shelf.kinds.append(self.kind)
        return name

    def abandon(self) -> None:
        self.shelf.open -= 1
        self.shelf.abandoned += 1


def main(root: Path, folder: Path) -> None:
    """Scan in a process of its own, to be killed."""
    with session(root, jobs=1, facts=True, keep=lambda: Shelf(folder)) as opened:
        for recorded in opened.pipeline.run():
            os.write(1, b"%d\n" % len(recorded.kept))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
