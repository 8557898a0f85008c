"""Installations that work as in an office: real processes, on each kind of database."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The people and cases of casework's tests serve here too.
sys.path.insert(0, str(Path(__file__).parent.parent / "casework"))
sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("gradings", "installed")

from installed import Installed  # noqa: E402 what it asserts is rewritten as asked above

import databases  # noqa: E402 as above


@pytest.fixture
def install(databases_of: databases.Factory, tmp_path: Path) -> Callable[[str], Installed]:
    """Make installations by `tutela init`, each with a home and a database of its own."""

    def make(name: str) -> Installed:
        return Installed.new(tmp_path / name, databases_of.url())

    return make


@pytest.fixture
def installed(install: Callable[[str], Installed]) -> Installed:
    """One installation by `tutela init`."""
    return install("home")
