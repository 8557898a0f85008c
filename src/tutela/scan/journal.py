"""The journal: what a scan has recorded, in one SQLite file, so that it can be killed and go on.

Results are committed in batches; what was committed is never hashed again. SQLite in WAL mode
survives SIGKILL at any instant, and a power cut loses at most the last commits, never the file.
Rows are given back in walk order, so that a resumed scan prints what an undisturbed one prints.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, Self

import msgspec
from msgspec.structs import replace

from tutela.core.errors import IntegrityError, ServiceError, UsageError
from tutela.core.hit import Hit
from tutela.core.media import Digests
from tutela.evidence.folder import Found
from tutela.scan import wire
from tutela.scan.wire import Order, Outcome

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS file (
    item INTEGER PRIMARY KEY AUTOINCREMENT, path BLOB NOT NULL UNIQUE, found BLOB NOT NULL,
    same BLOB NOT NULL, walk INTEGER NOT NULL, listed INTEGER NOT NULL DEFAULT 0,
    done INTEGER NOT NULL DEFAULT 0, digests BLOB
);
CREATE INDEX IF NOT EXISTS file_walk ON file (walk);
CREATE INDEX IF NOT EXISTS file_open ON file (walk) WHERE listed = 0 AND done = 0;
CREATE TABLE IF NOT EXISTS chunk (
    item INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL, members BLOB NOT NULL,
    done INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (item, first)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS chunk_open ON chunk (item, first) WHERE done = 0;
CREATE TABLE IF NOT EXISTS result (
    item INTEGER NOT NULL, place BLOB NOT NULL, reason TEXT NOT NULL, sha256 BLOB,
    outcome BLOB NOT NULL, hits BLOB, PRIMARY KEY (item, place)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kept (
    sha256 BLOB NOT NULL, kind TEXT NOT NULL, object TEXT NOT NULL, PRIMARY KEY (sha256, kind)
) WITHOUT ROWID;
"""
_VERSION = "1"

Mode = Literal["new", "resume", "fresh"]

_encode = msgspec.msgpack.Encoder().encode
_decode_found = msgspec.msgpack.Decoder(Found).decode
_decode_digests = msgspec.msgpack.Decoder(Digests).decode
_decode_hits = msgspec.msgpack.Decoder(list[Hit]).decode


class Chunk(NamedTuple):
    """Some members of one container: a piece of work that survives a restart."""

    item: int
    first: int
    members: bytes


class Recorded(NamedTuple):
    """One result with its hits, as rows are made from it.

    `kept` names what was kept of the content, by kind (`thumbnail`, `original`): the object ids
    that the keeper gave. A content that lay in several places has the same ids in each.
    """

    found: Found
    outcome: Outcome
    hits: list[Hit]
    kept: Mapping[str, str] = MappingProxyType({})


def journal_path(
    folder: Path, roots: Sequence[Path], limits: wire.Limits, keeper: str = ""
) -> Path:
    """Name the journal of a scan: same paths, limits and keeper mean the same journal."""
    said: list[object] = [[os.path.realpath(root) for root in roots], msgspec.to_builtins(limits)]
    key = json.dumps([*said, keeper] if keeper else said)
    return folder / f"{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()[:24]}.scan"


class Journal:
    """The journal of one scan; a context manager that holds a lock while open.

    `mode` says what to do with an unfinished scan: refuse (`new`), go on, or forget it.

    Raises:
        UsageError: another process scans the same paths, or an unfinished scan is there and
            the mode is `new`.
        ServiceError: the folder cannot be written.
        IntegrityError: the journal is damaged.
    """

    def __init__(self, path: Path, mode: Mode = "new") -> None:
        self.path = path
        self._lock = _lock(path)
        try:
            if mode == "fresh" or not path.exists():
                _remove(path)
            self.resumed = path.exists()
            self._db = self._open()
            if mode == "new" and self.resumed:
                self._refuse_unfinished()
        except BaseException:
            os.close(self._lock)
            raise

    def _refuse_unfinished(self) -> None:
        """Refuse to go on unasked where something is recorded; nothing recorded is nothing lost."""
        (recorded,) = self._db.execute("SELECT COUNT(*) FROM result").fetchone()
        if recorded:
            self._db.close()
            raise UsageError(
                f"an unfinished scan of these paths is there, with {recorded:,} files recorded",
                code="unfinished_scan",
                hint="add --resume to go on with it, or --fresh to start over",
            )

    def _open(self) -> sqlite3.Connection:
        try:
            db = sqlite3.connect(self.path, isolation_level=None)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(_SCHEMA)
            db.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?)", (_VERSION,))
            (version,) = db.execute("SELECT value FROM meta WHERE key='version'").fetchone()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise ServiceError(f"cannot open the journal {self.path}: {error}") from error
            raise IntegrityError(
                f"the journal {self.path} is damaged: {error}", hint="start over with --fresh"
            ) from error
        if version != _VERSION:
            raise UsageError(
                f"the journal {self.path} was written by another version of Tutela",
                hint="start over with --fresh",
            )
        return db

    def __enter__(self) -> Self:
        """Return the journal."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it and give the lock back; what was recorded stays."""
        self.close()

    def close(self) -> None:
        """Close the file and give the lock back; a second time does nothing."""
        self._db.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def remove(self) -> None:
        """Forget the scan: its rows are out and nothing of it needs to stay."""
        self._db.close()
        _remove(self.path)
        self.close()

    @contextlib.contextmanager
    def batch(self) -> Iterator[None]:
        """Group writes into one commit; nothing of it is recorded if it raises."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise ServiceError(
                f"cannot write the journal {self.path}: {error}",
                hint="make room, or set [scan] state to another folder; then run with --resume",
            ) from error

    # -- files -------------------------------------------------------------------------------

    def begin_walk(self) -> None:
        """Forget the order of the last walk; what is not found again has no rows."""
        self._db.execute("UPDATE file SET walk = -1 - item WHERE walk >= 0")

    def found(self, found: Found, walk: int) -> tuple[int, bool]:
        """Record a found file; return (item, done). A changed file loses what was recorded."""
        row = self._db.execute(
            "SELECT item, same, done, walk FROM file WHERE path = ?", (found.path,)
        ).fetchone()
        # Where a file lies on the disk may change with every mount, and says nothing about it.
        blob = _encode(replace(found, identities=(), allocated_bytes=0))
        if row is not None:
            item, before, done, known_walk = row
            if known_walk >= 0:
                raise IntegrityError("the walk met a file twice", code="walk")
            if before == blob:
                self._db.execute(
                    "UPDATE file SET walk = ?, found = ? WHERE item = ?",
                    (walk, _encode(found), item),
                )
                return item, bool(done)
            for table in ("result", "chunk", "file"):
                self._db.execute(f"DELETE FROM {table} WHERE item = ?", (item,))  # noqa: S608 fixed names
        cursor = self._db.execute(
            # What is not to be opened is listed already: only its outcome is missing.
            "INSERT INTO file (path, found, same, walk, listed) VALUES (?, ?, ?, ?, ?)",
            (found.path, _encode(found), blob, walk, found.outcome != "file"),
        )
        return cursor.lastrowid or 0, False

    def file(self, item: int) -> Found | None:
        """Return a file by its number; None if it was found changed since, and forgotten."""
        row = self._db.execute("SELECT found FROM file WHERE item = ?", (item,)).fetchone()
        return None if row is None else _decode_found(row[0])

    def next_open(self, after_walk: int) -> tuple[int, int, Found] | None:
        """Return (walk, item, found) of the first file past `after_walk` that is not listed."""
        row = self._db.execute(
            "SELECT walk, item, found FROM file WHERE walk > ? AND listed = 0 AND done = 0 "
            "ORDER BY walk LIMIT 1",
            (after_walk,),
        ).fetchone()
        return None if row is None else (row[0], row[1], _decode_found(row[2]))

    def set_digests(self, item: int, digests: Digests) -> None:
        """Remember the digests of a container file before its members are done."""
        self._db.execute("UPDATE file SET digests = ? WHERE item = ?", (_encode(digests), item))

    def digests(self, item: int) -> Digests:
        """Return what `set_digests` kept."""
        (blob,) = self._db.execute("SELECT digests FROM file WHERE item = ?", (item,)).fetchone()
        return Digests() if blob is None else _decode_digests(blob)

    # -- chunks ------------------------------------------------------------------------------

    def add_chunk(self, item: int, first: int, count: int, members: bytes) -> None:
        """Record a piece of a listing; listed again after a restart, it is the same piece."""
        self._db.execute(
            "INSERT OR IGNORE INTO chunk (item, first, count, members) VALUES (?, ?, ?, ?)",
            (item, first, count, members),
        )

    def next_chunk(self, in_flight: Collection[tuple[int, int]]) -> Chunk | None:
        """Return the first chunk that is neither done nor worked on."""
        for row in self._db.execute(
            "SELECT item, first, members FROM chunk INDEXED BY chunk_open JOIN file USING (item) "
            "WHERE chunk.done = 0 AND file.walk >= 0 ORDER BY item, first"
        ):
            if (row[0], row[1]) not in in_flight:
                return Chunk(*row)
        return None

    def finish_chunk(self, item: int, first: int) -> None:
        """All members of the chunk are recorded."""
        self._db.execute("UPDATE chunk SET done = 1 WHERE item = ? AND first = ?", (item, first))
        self._complete(item)

    # -- results -----------------------------------------------------------------------------

    def record(self, outcome: Outcome, hits: list[Hit]) -> None:
        """Record how one content ended; the file's own outcome settles the file."""
        self._db.execute(
            "INSERT OR REPLACE INTO result VALUES (?, ?, ?, ?, ?, ?)",
            (
                outcome.item,
                wire.pack_order(outcome.order),
                outcome.reason,
                outcome.digests.sha256,
                wire.encode(outcome),
                _encode(hits) if hits else None,
            ),
        )
        if outcome.order == wire.ITSELF:
            self._db.execute("UPDATE file SET listed = 1 WHERE item = ?", (outcome.item,))
            self._complete(outcome.item)

    def orders(self, item: int, members: range | None = None) -> frozenset[Order]:
        """Return which contents of a file are recorded; only of `members` where given."""
        query = "SELECT place FROM result WHERE item = ?"
        values: list[int | bytes] = [item]
        if members is not None:
            query += " AND place >= ? AND place < ?"
            values += [wire.pack_order((members.start,)), wire.pack_order((members.stop,))]
        return frozenset(wire.unpack_order(place) for (place,) in self._db.execute(query, values))

    def _complete(self, item: int) -> None:
        self._db.execute(
            "UPDATE file SET done = 1 WHERE item = ? AND listed = 1 "
            "AND NOT EXISTS (SELECT 1 FROM chunk INDEXED BY chunk_open "
            "WHERE chunk.item = file.item AND chunk.done = 0)",
            (item,),
        )

    def ready(self, walk: int) -> int | None:
        """Return the item at this place of the walk if it is done."""
        row = self._db.execute(
            "SELECT item FROM file WHERE walk = ? AND done = 1", (walk,)
        ).fetchone()
        return None if row is None else int(row[0])

    def results(self, item: int) -> Iterator[Recorded]:
        """Yield the results of one file in order."""
        found = self.file(item)
        assert found is not None
        for outcome, hits in self._db.execute(
            "SELECT outcome, hits FROM result WHERE item = ? ORDER BY place", (item,)
        ):
            how = wire.decode_outcome(outcome)
            known = _decode_hits(hits) if hits else []
            yield Recorded(found, how, known, self.kept(how.digests.sha256))

    # -- what was kept -----------------------------------------------------------------------

    def set_kept(self, sha256: bytes, kind: wire.Kind, object_id: str) -> None:
        """Remember under which name something of a content was kept."""
        self._db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (sha256, kind, object_id))

    def kept(self, sha256: bytes | None) -> dict[str, str]:
        """Return what was kept of a content: kind to object id."""
        query = "SELECT kind, object FROM kept WHERE sha256 = ?"
        return dict(self._db.execute(query, (sha256,))) if sha256 else {}

    def contents_of(self, item: int, order: Order) -> int:
        """Count what is known to lie directly inside a content."""
        (listed,) = self._db.execute(
            "SELECT COALESCE(SUM(count), 0) FROM chunk WHERE item = ?", (item,)
        ).fetchone()
        if order == wire.ITSELF and listed:
            return int(listed)
        packed = wire.pack_order(order)
        (count,) = self._db.execute(
            "SELECT COUNT(*) FROM result WHERE item = ? AND place > ? AND place < ? "
            "AND LENGTH(place) = ?",
            (item, packed, packed + b"\xff" * 5, len(packed) + 4),
        ).fetchone()
        return int(count)

    def media(self) -> int:
        """Count the different contents of this walk by SHA-256."""
        (count,) = self._db.execute(
            "SELECT COUNT(DISTINCT sha256) FROM result JOIN file USING (item) WHERE walk >= 0"
        ).fetchone()
        return int(count)

    def outcomes_after(self, last: Outcome | None, count: int) -> list[Outcome]:
        """Return up to `count` recorded outcomes past `last`, to match them with other lists."""
        place = (last.item, wire.pack_order(last.order)) if last else (0, b"")
        past = ">" if last else ">="
        rows = self._db.execute(
            f"SELECT outcome FROM result WHERE (item, place) {past} (?, ?) "  # noqa: S608 fixed words
            "ORDER BY item, place LIMIT ?",
            (*place, count),
        )
        return [wire.decode_outcome(outcome) for (outcome,) in rows]

    def set_hits(self, outcome: Outcome, hits: list[Hit]) -> None:
        """Replace the hits of one result."""
        self._db.execute(
            "UPDATE result SET hits = ? WHERE item = ? AND place = ?",
            (_encode(hits) if hits else None, outcome.item, wire.pack_order(outcome.order)),
        )

    def meta(self, key: str) -> str:
        """Return a remembered value, or an empty string."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return "" if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def _lock(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServiceError(
            f"cannot write the state folder {path.parent}: {error.strerror}",
            hint="set [scan] state to a folder you can write",
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise UsageError("another process is scanning these paths", code="scan_running") from None
    return lock


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
