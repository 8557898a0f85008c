"""Alembic runs this file for every command; the connection is given by `tutela.store.schema`."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import JSON, BigInteger
from sqlalchemy.types import TypeEngine

from tutela.store.columns import Table, UTCDateTime

# How our types are written in a step, which must not change with our code (see script.py.mako).
WRITTEN: dict[type[TypeEngine[Any]], str] = {
    UTCDateTime: "sa.DateTime(timezone=True)",
    BigInteger: "WHOLE",
    JSON: "JSON",
}


def _rendered(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    if kind != "type":
        return False
    return next((text for known, text in WRITTEN.items() if isinstance(item, known)), False)


def _wanted(item: Any, _name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:  # noqa: FBT001 Alembic's signature
    """Leave out tables that the step being written is not about."""
    tables = context.config.attributes.get("tables")
    return kind != "table" or tables is None or item.name in tables


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,
    render_item=_rendered,
    include_object=_wanted,
)
context.run_migrations()
