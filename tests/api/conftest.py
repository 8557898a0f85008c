"""What tests of the API share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient

from tutela.api import app
from tutela.store import Database

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "chat" / "training"))

import api_support


@pytest.fixture
def exchange(database: Database, tmp_path: Path) -> api_support.Exchange:
    """A list with one member, on each kind of database."""
    return api_support.build(database, tmp_path)


@pytest.fixture
def small(embedded: Database, tmp_path: Path) -> api_support.Exchange:
    """A list with one member, on SQLite, for what no database decides."""
    return api_support.build(embedded, tmp_path)


@pytest.fixture
def client(small: api_support.Exchange) -> Iterator[TestClient]:
    """Asks the API of the small installation without a network."""
    with TestClient(app.build(small.desk), base_url="http://127.0.0.1") as asking:
        yield asking
