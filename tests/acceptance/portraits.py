"""A database as what its rows say, whatever their numbers: two runs should come to the same."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, func, select

from tutela.audit import find
from tutela.store import Database
from tutela.store.columns import Table
from tutela.store.tables.casework import (
    Case,
    CaseMedia,
    Exhibit,
    Media,
    MediaFact,
    MediaHit,
    Note,
    Sighting,
    Stack,
)
from tutela.store.tables.grading import Grade
from tutela.store.tables.vault import VaultObject

TABLES = (Case, Exhibit, Media, MediaFact, Sighting, MediaHit, CaseMedia, Stack, Grade, Note)
# When it was, which number it got, and in how many steps it was done.
OWN = {"id", "first_seen_at", "started_at", "finished_at", "created_at", "at", "written_at"}
OWN |= {"generation"}


def written(database: Database) -> int:
    """Return how many sightings there are, or -1 where the exhibit is not begun."""
    with database.read() as tx:
        if tx.execute(select(Exhibit.id)).first() is None:
            return -1
        return tx.execute(select(func.count()).select_from(Sighting)).scalar_one()


def portrait(database: Database) -> dict[str, Any]:
    """Return every row that evidence becomes, by what it says and not by its number."""
    with database.read() as tx:
        names = {None: None} | {
            row.id: row.sha256.hex() for row in tx.execute(select(Media.id, Media.sha256))
        }
        leads = {None: None} | {
            row.id: names[row.lead_media_id]
            for row in tx.execute(select(Stack.id, Stack.lead_media_id))
        }
        subjects = {f"media:{number}": name for number, name in names.items()}
        meant = {
            "media_id": names,
            "lead_media_id": names,
            "stack_id": leads,
            "subject": subjects,
        }
        told = find.each(tx, find.Filter(action="evidence."))
        return {
            table.__tablename__: sorted(_plain(row, meant) for row in _rows(tx, table))
            for table in TABLES
        } | {
            "kept": sorted((names[row.media_id], row.kind) for row in _rows(tx, VaultObject)),
            # With a digest over the places of each batch; one that was killed is not told.
            "in the log": [one.data for one in told],
        }


def _rows(tx: Connection, table: type[Table]) -> list[Row[Any]]:
    rows = tx.execute(select(table.__table__)).all()
    # Vault objects that were put again and are not needed are shredded.
    return [row for row in rows if getattr(row, "shredded_at", None) is None]


def _plain(row: Row[Any], meant: dict[str, dict[Any, str | None]]) -> str:
    said = {
        name: meant[name][value] if name in meant else value
        for name, value in row._mapping.items()
        if name not in OWN
    }
    # PostgreSQL keeps an order of its own of what is in JSON.
    return json.dumps(said, sort_keys=True, default=repr)
