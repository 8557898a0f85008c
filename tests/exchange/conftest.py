"""An office of three organisations, and a list that the first one owns."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
sys.path[:0] = [str(path) for path in (_HERE, _HERE.with_name("casework"), _HERE.with_name("api"))]

from casework_office import Office  # noqa: E402 found by the path above
from exchange_lists import Lists  # noqa: E402 likewise
from federation_support import Nation, befriend  # noqa: E402 likewise

import databases  # noqa: E402 likewise
from tutela.store import Database  # noqa: E402 likewise


@pytest.fixture
def office(database) -> Office:
    return Office(database)


@pytest.fixture
def lists(office) -> Lists:
    """The list `known` of North Force; South Force and Coast Hotline may be made members."""
    return Lists.made(office)


@pytest.fixture
def nation(databases_of: databases.Factory, tmp_path: Path) -> Iterator[Callable[[str], Nation]]:
    """Make nations, each with an office on a database of its own."""
    with contextlib.ExitStack() as opened:

        def make(name: str) -> Nation:
            database = opened.enter_context(Database(databases_of.url()))
            return Nation.made(name, Office(database), tmp_path)

        yield make


@pytest.fixture
def two(nation: Callable[[str], Nation]) -> tuple[Nation, Nation]:
    """Two nations that trust each other with everything."""
    one, other = nation("aa"), nation("bb")
    befriend(one, other)
    return one, other
