"""An office of three organisations, and a list that the first one owns."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
sys.path[:0] = [str(path) for path in (_HERE, _HERE.with_name("casework"), _HERE.with_name("api"))]

from casework_office import Office  # noqa: E402 found by the path above
from exchange_lists import Lists  # noqa: E402 likewise


@pytest.fixture
def office(database) -> Office:
    return Office(database)


@pytest.fixture
def lists(office) -> Lists:
    """The list `known` of North Force; South Force and Coast Hotline may be made members."""
    return Lists.made(office)
