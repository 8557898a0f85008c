"""Brings a database to the present revision."""

from __future__ import annotations

from tutela.store.columns import Table
from tutela.store.database import Database
from tutela.store.tables import access, audit, casework, grading, vault

# Importing them is what makes their tables known.
DOMAINS = (access, audit, casework, grading, vault)


def upgrade(database: Database) -> None:
    """Create or change the tables until they are of the present revision."""
    with database.write() as connection:
        Table.metadata.create_all(connection)
