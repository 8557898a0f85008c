"""Puts new entries on a list that grows, as a subscriber does, while a server answers from it.

python bench/exchange_swap.py LIBRARY ENTRIES TURN
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from exchange_stage import FRESH, Codes, listed
from tutela.core.entry import Role
from tutela.exchange.carry import entry_of
from tutela.hashlist.growing import own_provenance
from tutela.hashlist.live import Change, LiveList


def fresh(entries: int, turn: int) -> Codes:
    """Return the codes that come with a turn."""
    return np.random.default_rng(100 + turn).integers(0, 256, (entries, 32), dtype=np.uint8)


def main(library: Path, entries: int, turn: int) -> None:
    """Apply one run of changes."""
    live = LiveList.create(library, FRESH, role=Role.ALERT, received_from="Example Hotline")
    own = own_provenance(live.info)
    changes = []
    for place, code in enumerate(fresh(entries, turn)):
        one = listed(turn * entries + place, code.tobytes())
        changes.append(Change(one.id.to_bytes(8), entry_of(one, own)))
    live.apply(changes, b"%d" % turn)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
