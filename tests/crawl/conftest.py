"""An office whose supervisors order crawls of invented sites."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
sys.path[:0] = [str(path) for path in (_HERE, _HERE.with_name("casework"))]

from casework_office import Office  # noqa: E402 found by the path above
from crawl_support import Crawl  # noqa: E402 likewise


@pytest.fixture
def crawl(database) -> Crawl:
    """One case with two supervisors, on each kind of database in turn."""
    return Crawl(Office(database))


@pytest.fixture
def small_crawl(embedded) -> Crawl:
    """The same on SQLite alone, for what no database could change."""
    return Crawl(Office(embedded))
