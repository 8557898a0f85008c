"""An office that works cases: organisations, people of every role, and cases of synthetic media."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tutela.store import Database

sys.path.insert(0, str(Path(__file__).parent))

from casework_office import Office


@pytest.fixture
def office(database: Database) -> Office:
    """Three organisations with their people, on each kind of database in turn."""
    return Office(database)


@pytest.fixture
def small_office(embedded: Database) -> Office:
    """The same on SQLite alone, for what no database could change."""
    return Office(embedded)
