from __future__ import annotations

import sys
from pathlib import Path

# What the tests of the rooms share, for findings that concern several of them.
for room in ("access", "casework", "web"):
    sys.path.insert(0, str(Path(__file__).parents[1] / room))
