"""Writes the log as a folder of static files that standard tools verify (C2SP tlog-tiles).

`checkpoint`, `tile/<level>/<number>` with 256 hashes each, and `tile/entries/<number>` with the
bodies of the events. It holds no words, only what the leaves say. A second export into the same
folder writes what is new; files are in place before the checkpoint that needs them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from tutela.audit import checkpoint, note, reading
from tutela.audit.checkpoint import Checkpoint
from tutela.audit.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hash, node_hash, root_of
from tutela.core.errors import IntegrityError, ServiceError, UsageError

WIDTH = 256
TILE_BYTES = WIDTH * HASH_BYTES

_length = struct.Struct(">H").pack


def export(
    tx: Connection,
    folder: Path,
    *,
    size: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Checkpoint:
    """Write the log as it was at the checkpoint of a size, or at the newest; return that one.

    Raises:
        IntegrityError: the log is not the one that was signed; the checkpoint is not written.
        ServiceError: the folder cannot be written.
        UsageError: there is no such checkpoint, or the folder holds a larger or another log.
    """
    signed = checkpoint.latest(tx, size)
    if signed is None:
        raise UsageError(
            "there is no such checkpoint", hint="`tutela audit checkpoint` signs the log"
        )
    said = checkpoint.parse(note.parse(signed).text)
    try:
        _refuse_other(folder, said)
        writer = _Writer(folder)
        for batch in reading.batches(tx, said.size, after=-1):
            for leaf in batch:
                if leaf[0] != writer.size:
                    raise IntegrityError(
                        f"event {writer.size} is missing", hint="`tutela audit verify` tells more"
                    )
                writer.add(leaf[5])
            if progress is not None:
                progress(writer.size, said.size)
        if writer.size != said.size or writer.finish() != said.root:
            raise IntegrityError(
                f"the log is not the one of which checkpoint {said.size} was signed",
                hint="`tutela audit verify` tells more",
            )
        _write(folder / "checkpoint", signed.encode())
    except OSError as error:
        raise ServiceError(f"cannot write {folder}: {error.strerror}") from error
    return said


def path_of(number: int) -> str:
    """Return the path of the tile of a number: 1234067 is `x001/x234/067`."""
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.append(f"x{number % 1000:03d}")
    return "/".join(reversed(parts))


class _Writer:
    """Collects entries, and the hashes of each level, until a tile of them is full."""

    def __init__(self, folder: Path) -> None:
        self.size = 0
        self._folder = folder / "tile"
        self._entries: list[bytes] = []
        self._levels: list[list[bytes]] = [[]]
        self._numbers = [0]  # of the tile that each level is filling

    def add(self, body: bytes) -> None:
        """Take the next entry."""
        self.size += 1
        self._entries.append(_length(len(body)) + body)
        if len(self._entries) == WIDTH:
            self._write_entries()
        self._push(0, leaf_hash(body))

    def finish(self) -> bytes:
        """Write the tiles that are not full, and return the root of the tree."""
        if self._entries:
            self._write_entries()
        peaks: list[bytes] = []
        for level, hashes in reversed(list(enumerate(self._levels))):
            if hashes:
                self._write_tile(level, hashes)
                peaks += _peaks(hashes)
        if not peaks:
            return EMPTY_ROOT
        root = peaks.pop()
        while peaks:
            root = node_hash(peaks.pop(), root)
        return root

    def _push(self, level: int, made: bytes) -> None:
        if level == len(self._levels):
            self._levels.append([])
            self._numbers.append(0)
        hashes = self._levels[level]
        hashes.append(made)
        if len(hashes) == WIDTH:
            self._write_tile(level, hashes)
            self._levels[level] = []
            self._numbers[level] += 1
            self._push(level + 1, root_of(hashes))

    def _write_tile(self, level: int, hashes: list[bytes]) -> None:
        self._put(str(level), self._numbers[level], len(hashes), b"".join(hashes))

    def _write_entries(self) -> None:
        number = (self.size - 1) // WIDTH
        self._put("entries", number, len(self._entries), b"".join(self._entries))
        self._entries = []

    def _put(self, kind: str, number: int, width: int, data: bytes) -> None:
        path = self._folder / kind / path_of(number)
        if width < WIDTH:
            path = path.with_name(f"{path.name}.p") / str(width)
        if not path.exists():
            _write(path, data)
        elif path.read_bytes() != data:
            raise IntegrityError(
                f"{path} is of another log", hint="the log was written anew, or this file was"
            )


def _peaks(hashes: list[bytes]) -> list[bytes]:
    """Return the full subtrees over the hashes of a tile that is not full, largest first."""
    frontier = Frontier()
    frontier.extend(hashes)
    return [peak for _, _, peak in frontier.peaks()]


def _refuse_other(folder: Path, said: Checkpoint) -> None:
    """Refuse to write over the export of another or a longer log."""
    path = folder / "checkpoint"
    if not path.exists():
        return
    before = checkpoint.parse(note.parse(path.read_bytes()).text)
    if before.origin != said.origin or before.size > said.size:
        raise UsageError(
            f"{folder} holds {before.size} events of {before.origin}", hint="take another folder"
        )


def _write(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(data)
    fresh.replace(path)
