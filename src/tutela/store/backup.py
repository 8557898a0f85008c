"""Writes a whole database into one file, the same for SQLite and PostgreSQL; `restore` reads it.

The file is a zip. Each table is a member of rows in batches: four bytes of length (big-endian),
then a msgpack array of rows, each an array of values in the order of the manifest's columns; times
are msgpack timestamps, JSON columns are JSON text. `manifest.json` comes last.

Sessions of browsers are left out: nobody is signed in after a restore. Keys of the vault are not in
the database and so not in its backup; hashes of passwords and sealed second factors are.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO

import msgspec
from sqlalchemy import JSON, Connection, func, select
from sqlalchemy import Table as CoreTable

from tutela.core.errors import IntegrityError, UsageError
from tutela.core.time import now
from tutela.store import numbers, schema
from tutela.store.columns import Table, json_text
from tutela.store.database import Database
from tutela.store.tables.access import WebSession
from tutela.store.tables.audit import AuditHead

FORMAT = 1
ROWS_AT_ONCE = 2_000
LEFT_OUT = {WebSession.__tablename__}
MANIFEST = "manifest.json"
MANIFEST_BYTES = 1 << 20
_LENGTH = struct.Struct(">I")

# Called with rows done and rows in all.
Watch = Callable[[int, int], object]


class Member(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of a backup. `last_number` is the last that it gave to a row, if it gives any."""

    columns: list[str]
    rows: int
    size_bytes: int
    sha256: str
    last_number: int | None


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds; `audit_size` and `audit_root` are the head of the log in it."""

    format: int
    tutela: str
    revision: str
    created_at: datetime
    audit_size: int
    audit_root: str
    tables: dict[str, Member]

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(member.rows for member in self.tables.values())


def write(database: Database, file: Path, watch: Watch | None = None) -> Manifest:
    """Write all of a database into a new file that only its owner can read.

    What is written is the database as it was at one moment; work goes on meanwhile. The file is
    there when it is complete.

    Raises:
        UsageError: there is such a file already, or the database is of another revision.
    """
    schema.require_current(database)
    if file.exists():
        raise UsageError(
            f"there is already a file {file}", code="file_exists", hint="name another one"
        )
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            with database.read() as tx, zipfile.ZipFile(stream, "w") as archive:
                manifest = _write_all(tx, archive, watch)
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(file)
        _sync_folder(file.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return manifest


def tables() -> list[CoreTable]:
    """Return the tables that a backup holds, those that others point at first."""
    return [one for one in Table.metadata.sorted_tables if one.name not in LEFT_OUT]


def batches(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the batches of a member, packed as they are.

    Raises:
        IntegrityError: the member ends in the middle of one.
    """
    while head := stream.read(_LENGTH.size):
        if len(head) < _LENGTH.size:
            raise IntegrityError("the backup ends in the middle")
        (length,) = _LENGTH.unpack(head)
        body = stream.read(length)
        if len(body) < length:
            raise IntegrityError("the backup ends in the middle")
        yield body


def _write_all(tx: Connection, archive: zipfile.ZipFile, watch: Watch | None) -> Manifest:
    counts = {
        table.name: tx.execute(select(func.count()).select_from(table)).scalar_one()
        for table in tables()
    }
    done, total = 0, sum(counts.values())
    members = {}
    for table in tables():
        entry = zipfile.ZipInfo(f"{table.name}.msgpack")
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = 0o600 << 16
        digest, rows, size_bytes = hashlib.sha256(), 0, 0
        with archive.open(entry, "w", force_zip64=True) as stream:
            for count, packed in _packed(tx, table):
                stream.write(packed)
                digest.update(packed)
                rows, size_bytes = rows + count, size_bytes + len(packed)
                done += count
                if watch:
                    watch(done, total)
        members[table.name] = Member(
            [column.name for column in table.columns],
            rows,
            size_bytes,
            digest.hexdigest(),
            numbers.last_given(tx, table),
        )
    head = tx.execute(select(AuditHead.size, AuditHead.root)).one_or_none()
    manifest = Manifest(
        format=FORMAT,
        tutela=version("tutela"),
        revision=schema.head(),
        created_at=now(),
        audit_size=head.size if head else 0,
        audit_root=head.root.hex() if head else "",
        tables=members,
    )
    archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def _packed(tx: Connection, table: CoreTable) -> Iterator[tuple[int, bytes]]:
    """Yield (rows, framed batch) of a table in the order of its key."""
    encode = msgspec.msgpack.Encoder().encode
    texts = [at for at, column in enumerate(table.columns) if isinstance(column.type, JSON)]
    asked = select(table).order_by(*table.primary_key.columns)
    found = tx.execute(asked, execution_options={"yield_per": ROWS_AT_ONCE})
    for part in found.partitions():
        rows = [list(row) for row in part]
        for at in texts:
            for row in rows:
                row[at] = json_text(row[at])
        body = encode(rows)
        yield len(rows), _LENGTH.pack(len(body)) + body


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
