from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SEARCH = """
import sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import numpy as np
from match_support import as_hits, brute_force, build, clusters
from tutela.match import build as builders
from tutela.match.key import pack_key
rng = np.random.default_rng(1)
codes = clusters(2000, rng)
keys = np.arange(2000, dtype=np.uint64) + np.uint64(pack_key(1, 0))
for minimum in (1, 10_000):
    builders.TABLES_ROWS_MINIMUM = minimum
    with tempfile.TemporaryDirectory() as folder:
        index = build(Path(folder), codes)
        assert as_hits(index.search(codes[::40])) == brute_force(codes[::40], codes, keys, 31)
"""


@pytest.mark.parametrize("processor", ["x86-64"])
def test_a_processor_without_wide_instructions_finds_the_same(tmp_path, processor):
    environment = os.environ | {
        "NUMBA_CPU_NAME": processor,
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    subprocess.run(
        [sys.executable, "-c", SEARCH, str(Path(__file__).parent)], env=environment, check=True
    )
