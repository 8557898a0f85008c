"""What tests of pages share."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient

from tutela.store import Database
from tutela.web import app

sys.path.insert(0, str(Path(__file__).parents[1] / "casework"))
sys.path.insert(0, str(Path(__file__).parents[1] / "actors"))
sys.path.insert(0, str(Path(__file__).parents[1] / "observation"))
sys.path.insert(0, str(Path(__file__).parent))

import web_support

import databases


@pytest.fixture(scope="module")
def installation(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[web_support.Installation]:
    """An installation that the tests of a module share."""
    folder = tmp_path_factory.mktemp("pages")
    with Database(databases.sqlite_factory(sqlite_template, folder).url()) as database:
        yield web_support.build(database, folder, None)


@pytest.fixture(scope="module")
def client(installation: web_support.Installation) -> Iterator[TestClient]:
    """Asks the pages of the shared installation without a network."""
    with TestClient(app.build(installation.office), base_url="http://127.0.0.1") as asking:
        yield asking
