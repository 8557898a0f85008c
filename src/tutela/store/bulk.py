"""Moves many rows at once, by the fastest way that each database has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert
from sqlalchemy.dialects import postgresql, sqlite

from tutela.store.columns import Table


def insert_rows(
    tx: Connection,
    table: type[Table],
    rows: Sequence[dict[str, Any]],
    *,
    ignore_existing: bool = False,
) -> None:
    """Insert rows, all with the same keys; with `ignore_existing` those already there stay."""
    if not rows:
        return
    if not ignore_existing:
        tx.execute(insert(table), rows)
    elif tx.dialect.name == "sqlite":
        tx.execute(sqlite.insert(table).on_conflict_do_nothing(), rows)
    else:
        tx.execute(postgresql.insert(table).on_conflict_do_nothing(), rows)
