"""What a subscription to a server of others keeps beside its list: how far it is, what was bad."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from tutela.core.time import iso, now
from tutela.exchange.clients.paging import Place
from tutela.exchange.clients.role import Row
from tutela.hashlist.format import BadRow

_SEEN = "seen"
_QUARANTINE = "quarantine.jsonl"
_KEY_BYTES = 8
_MOST_LINES = 10_000
_MOST_COMPARED = 1_000


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """How far a list is; it is kept with the entries, in one commit.

    The keys that the full round under way has listed are the first `seen_bytes` of a file. `last`
    tells what was applied last, so that the same is not applied again every minute.
    """

    subscription: str
    kind: str
    place: Place
    seen_bytes: int = 0
    last: str = ""

    def encoded(self) -> bytes:
        """Return it as it is kept."""
        return msgspec.json.encode(self)


class Seen:
    """The keys that a full round has listed."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _SEEN

    def holds(self, size_bytes: int) -> bool:
        """Tell whether the first bytes are still there."""
        return not size_bytes or (self._path.exists() and self._path.stat().st_size >= size_bytes)

    def add(self, size_bytes: int, keys: Iterable[str]) -> int:
        """Put keys behind the first bytes; return how many bytes there are then."""
        with self._path.open("r+b" if size_bytes else "wb") as stream:
            stream.truncate(size_bytes)
            stream.seek(size_bytes)
            stream.write(b"".join(map(_short, keys)))
            stream.flush()
            os.fsync(stream.fileno())
            return stream.tell()

    def missing(self, keys: Iterable[str]) -> Iterator[str]:
        """Yield the keys that are not among those listed, in any order."""
        content = self._path.read_bytes() if self._path.exists() else b""
        listed = np.unique(np.frombuffer(content, "<u8"))
        for key in keys:
            wanted = np.uint64(int.from_bytes(_short(key), "little"))
            place = int(np.searchsorted(listed, wanted))
            if place == len(listed) or listed[place] != wanted:
                yield key

    def forget(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


class Quarantine:
    """The file of the records and values that could not be read; each is kept once."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _QUARANTINE
        self._known: set[tuple[str, str]] | None = None

    def add(self, bad: Iterable[BadRow]) -> None:
        """Keep what is new, as long as there is room."""
        lines: list[bytes] = []
        for one in bad:
            known = self._load()
            if (one.code, one.text) in known or len(known) >= _MOST_LINES:
                continue
            known.add((one.code, one.text))
            said = {"v": 1, "at": iso(now()), "code": one.code, "reason": one.reason}
            lines.append(msgspec.json.encode(said | {"text": one.text}) + b"\n")
        if lines:
            with open(self._path, "ab", opener=_for_its_user) as stream:
                stream.write(b"".join(lines))

    def _load(self) -> set[tuple[str, str]]:
        if self._known is None:
            self._known = set()
            lines = self._path.read_bytes().splitlines() if self._path.exists() else []
            for line in lines:
                try:
                    said = msgspec.json.decode(line, type=dict[str, str | int])
                except msgspec.DecodeError:
                    continue  # the rest of a crash
                self._known.add((str(said.get("code", "")), str(said.get("text", ""))))
        return self._known


def same_as_last(rows: list[Row]) -> str:
    """Return what tells whether rows are those of the last time; empty where they are many."""
    if len(rows) > _MOST_COMPARED:
        return ""
    digest = hashlib.sha256()
    for row in rows:
        entry = row.entry
        said = entry and (entry.digests, entry.fingerprints, entry.classifications, entry.extra)
        digest.update(msgspec.msgpack.encode((row.key, row.gone, said, entry and entry.state)))
    return digest.hexdigest()


def _short(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:_KEY_BYTES]


def _for_its_user(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
