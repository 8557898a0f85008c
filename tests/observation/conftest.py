"""A case that sites are read for, with a vault for the keys of words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE), str(_HERE.with_name("casework"))]

from casework_office import Office  # noqa: E402 found by the path above
from observed import Desk  # noqa: E402 likewise

from tutela.evidence.vault.master import LocalKey  # noqa: E402 likewise
from tutela.evidence.vault.vault import Vault  # noqa: E402 likewise
from tutela.store import Database  # noqa: E402 likewise


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[Desk]:
    office = Office(database)
    with Vault(tmp_path / "vault", LocalKey(bytes(range(32)))) as vault:
        yield Desk(office, office.make_case(3), vault)
