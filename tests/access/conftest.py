from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for access_support

import access_support

from tutela.access import passwords
from tutela.store import Database


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch):
    """Hash passwords with little work; the tests of the parameters undo it."""
    monkeypatch.setattr(passwords, "_hasher", access_support.QUICK)
    passwords._nobodys.cache_clear()


@pytest.fixture
def home(database: Database) -> access_support.Force:
    """An invented force, on each kind of database."""
    return access_support.force(database)


@pytest.fixture
def small(embedded: Database) -> access_support.Force:
    """An invented force on SQLite only."""
    return access_support.force(embedded)
