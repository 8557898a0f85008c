"""Makes a database of a backup; every digest is checked before the first row is written."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import JSON, Connection, func, select
from sqlalchemy import Table as CoreTable

from tutela.core.errors import IntegrityError, UsageError
from tutela.store import bulk, numbers, schema
from tutela.store.backup import FORMAT, MANIFEST, MANIFEST_BYTES, Manifest, Watch, batches, tables
from tutela.store.columns import Table
from tutela.store.database import Database

# What a zip raises whose bytes are not what they were; a place before its start is an OSError.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, msgspec.DecodeError)


def restore(database: Database, file: Path, watch: Watch | None = None) -> Manifest:
    """Fill an empty database with a backup, all of it or nothing.

    Tables are made where there are none yet. `watch` is called with rows done and rows in all.

    Raises:
        UsageError: the database holds something, or the backup is of another revision.
        IntegrityError: the file is damaged, or rows do not fit together.
    """
    with file.open("rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                manifest = _manifest(archive)
                for name in manifest.tables:
                    _verify(archive, manifest, name)
                if schema.revision(database) is None:
                    schema.upgrade(database)
                schema.require_current(database)
                with database.write() as tx:
                    _fill(tx, archive, manifest, watch)
        except _BROKEN as error:
            raise IntegrityError(f"{file} is no whole backup", hint="use another copy") from error
    return manifest


def _manifest(archive: zipfile.ZipFile) -> Manifest:
    names = archive.namelist()
    if MANIFEST not in names or archive.getinfo(MANIFEST).file_size > MANIFEST_BYTES:
        raise IntegrityError(
            "the backup has no manifest", hint="it was never completed, or is none"
        )
    manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
    if manifest.format != FORMAT or manifest.revision != schema.head():
        raise UsageError(
            f"the backup is of revision {manifest.revision}, this version works with "
            f"{schema.head()}",
            code="revision",
            hint=f"restore it with Tutela {manifest.tutela}, then upgrade",
        )
    expected = {table.name: [column.name for column in table.columns] for table in tables()}
    if {name: member.columns for name, member in manifest.tables.items()} != expected:
        raise IntegrityError("the backup does not hold the tables of its revision")
    if sorted(names) != sorted([MANIFEST, *(f"{name}.msgpack" for name in expected)]):
        raise IntegrityError("the backup does not hold what its manifest says")
    return manifest


def _verify(archive: zipfile.ZipFile, manifest: Manifest, name: str) -> None:
    """Compare a member with its digest."""
    member = manifest.tables[name]
    with archive.open(f"{name}.msgpack") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # it is read only
    if found != member.sha256:
        raise IntegrityError(f"table {name} of the backup is damaged", hint="use another copy")


def _fill(
    tx: Connection, archive: zipfile.ZipFile, manifest: Manifest, watch: Watch | None
) -> None:
    for table in Table.metadata.sorted_tables:
        if tx.execute(select(table).limit(1)).first() is not None:
            raise UsageError(
                "the database is not empty",
                code="not_empty",
                hint="restore into a new one: set [database] url",
            )
    done = 0
    for table in tables():
        member = manifest.tables[table.name]
        with archive.open(f"{table.name}.msgpack") as stream:
            for body in batches(stream):
                rows = _rows(table, body)
                bulk.insert_tuples(tx, table, tuple(member.columns), rows)
                done += len(rows)
                if watch:
                    watch(done, manifest.rows)
        numbers.go_on_after(tx, table, member.last_number or 0)
        written = tx.execute(select(func.count()).select_from(table)).scalar_one()
        if written != member.rows:
            raise IntegrityError(f"{written} rows of {table.name} arrived, not {member.rows}")


def _rows(table: CoreTable, body: bytes) -> list[tuple[Any, ...]]:
    """Read a batch; each value must be of its column's kind."""
    found: list[tuple[Any, ...]] = _decoder(table).decode(body)
    texts = {at for at, column in enumerate(table.columns) if isinstance(column.type, JSON)}
    if not texts:
        return found
    return [
        tuple([json.loads(value) if at in texts else value for at, value in enumerate(row)])
        for row in found
    ]


@cache
def _decoder(table: CoreTable) -> msgspec.msgpack.Decoder[Any]:
    kinds = [str if isinstance(c.type, JSON) else c.type.python_type for c in table.columns]
    allowed = [
        kind | None if column.nullable else kind
        for kind, column in zip(kinds, table.columns, strict=True)
    ]
    return msgspec.msgpack.Decoder(list[tuple[tuple(allowed)]])  # type: ignore[misc]  # made of columns
