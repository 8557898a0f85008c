import sys
from pathlib import Path

import pytest

# The helpers of these tests lie beside them.
sys.path.insert(0, str(Path(__file__).parent))

from tutela.evidence.vault.master import LocalKey
from tutela.evidence.vault.vault import Vault


@pytest.fixture
def desk(database, tmp_path):
    from chat_desk import Desk, Office  # noqa: PLC0415 few tests need what it needs

    with Vault(tmp_path / "vault", LocalKey(bytes(range(32)))) as vault:
        office = Office(database)
        yield Desk(office, office.make_case(1), vault)
