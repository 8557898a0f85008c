"""Worlds of the benchmark's generator, from the parameters that are open for work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE))
# Last, for modules of the benchmarks are called like packages of ours.
sys.path.append(str(_HERE.parents[1] / "bench"))

from generated import SEEDS  # noqa: E402 found by the path above

from tutela.actors import weighing  # noqa: E402 after the paths
from world.making import make  # noqa: E402 found by the path above
from world.parameters import OPEN  # noqa: E402 likewise


@pytest.fixture(scope="session")
def worlds():
    return [make(OPEN, seed) for seed in SEEDS]


@pytest.fixture(scope="session")
def weights():
    return weighing.load()
