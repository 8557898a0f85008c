"""HMA's index on codes of a file; prints JSON of `Peer`. A process of its own, for its memory.

    python bench/exchange_peer.py CODES QUERIES...

It is built from (hash, id) pairs as HMA builds it, and is asked one hash after another as HMA asks
it: it has no batch. Both are files of numpy.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import msgspec
import numpy as np
from threatexchange.signal_type.pdq.pdq_index import PDQIndex

SECONDS = 20.0  # for one file of queries at most


class Peer(msgspec.Struct, frozen=True):
    """How long building took, how many look-ups a second for each file, and memory at most."""

    build_s: float
    per_s: list[float]
    memory_mib: float


def main(codes: str, queries: list[str]) -> None:
    """Build the index and ask it."""
    begin = time.perf_counter()
    pairs = ((code.tobytes().hex(), number) for number, code in enumerate(np.load(codes)))
    index: Any = PDQIndex.build(pairs)
    build_s = time.perf_counter() - begin
    per_s = []
    for file in queries:
        asked = [code.tobytes().hex() for code in np.load(file)]
        begin, done = time.perf_counter(), 0
        for one in asked:
            index.query(one)
            done += 1
            if time.perf_counter() - begin > SECONDS:
                break
        per_s.append(done / (time.perf_counter() - begin))
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.buffer.write(msgspec.json.encode(Peer(build_s, per_s, memory_mib)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
