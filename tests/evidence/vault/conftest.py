from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tutela.evidence.vault import Vault
from tutela.evidence.vault.master import LocalKey

# The test tree is no package (importlib mode): what these tests share is found here.
sys.path.insert(0, str(Path(__file__).parent))

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN, SECRET = "TOKEN_PIN_OF_A_TEST", "87654321"


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Gives the address of a new token; SoftHSM reads its settings once in a process."""
    assert SOFTHSM.exists(), "SoftHSM is not installed: apt-get install softhsm2"
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        words = f"softhsm2-util --init-token --free --label tutela --so-pin 12345678 --pin {SECRET}"
        subprocess.run(words.split(), check=True, capture_output=True)
        patch.setenv(PIN, SECRET)
        yield f"{SOFTHSM}?token=tutela&key={{key}}&pin=env:{PIN}"


@pytest.fixture
def master() -> LocalKey:
    return LocalKey(os.urandom(32))


@pytest.fixture
def vault(tmp_path: Path, master: LocalKey) -> Iterator[Vault]:
    with Vault(tmp_path / "vault", master) as opened:
        yield opened
