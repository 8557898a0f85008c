"""A case of two invented sites on both databases, and worlds of the generator (open parameters)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.with_name("casework"))]
# Last, for modules of the benchmarks are called like packages of ours.
sys.path.append(str(_HERE.parents[1] / "bench"))

from generated import SEEDS  # noqa: E402 found by the path above
from leads_support import Town  # noqa: E402 likewise

from tutela.actors import weighing  # noqa: E402 after the paths
from tutela.store import Database  # noqa: E402 likewise
from world.making import make  # noqa: E402 found by the path above
from world.parameters import OPEN  # noqa: E402 likewise


@pytest.fixture(scope="session")
def worlds():
    return [make(OPEN, seed) for seed in SEEDS]


@pytest.fixture(scope="session")
def weights():
    return weighing.load()


@pytest.fixture
def town(database: Database, tmp_path: Path) -> Town:
    """The two invented sites as rows of a case."""
    return Town.made(database, tmp_path)
