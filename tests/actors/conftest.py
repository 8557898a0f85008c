"""A case of two invented sites, on both databases."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.with_name("casework"))]

from leads_support import Town  # noqa: E402 found by the path above

from tutela.store import Database  # noqa: E402 likewise


@pytest.fixture
def town(database: Database, tmp_path: Path) -> Town:
    return Town.made(database, tmp_path)
