"""The index against FAISS's best exact indexes, on random and on photograph-derived codes.

One thread each, in one run, on the same codes and queries, whose hits are compared first. FAISS's
range search excludes the radius itself, hence 32 for 31. From about three million codes on, flat is
the best exact index that FAISS has (docs/explanation/matching.md), so ten million meet flat alone.
"""

from __future__ import annotations

import ctypes
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numba import njit
from numpy.typing import NDArray

from measure import Figure, Options, cpu_rounds
from photographs import photograph_codes
from tutela.core.entry import Role
from tutela.core.media import PDQ
from tutela.match import build as builders
from tutela.match.index import Index
from tutela.match.key import pack_key
from tutela.match.writer import IndexWriter

RADIUS = 31
BATCH = 4096
Codes = NDArray[np.uint8]
# rows: (goal for one query, goal for a batch), times faster than FAISS's best exact index
GOALS = {1_000_000: (35, 75), 10_000_000: (250, 300)}
BLOCK = 1 << 18


def run(options: Options) -> list[Figure]:
    """Measure both kinds of codes at each size."""
    faiss.omp_set_num_threads(1)
    figures: list[Figure] = []
    for rows in (20_000,) if options.quick else GOALS:
        for kind, make in (("uniform", uniform_codes), ("photographs", photograph_codes)):
            codes, queries = make(rows, 64 if options.quick else BATCH)
            with tempfile.TemporaryDirectory() as folder:
                figures += _measure(Path(folder), f"{kind} {rows:,}", codes, queries)
    return figures


def uniform_codes(rows: int, queries: int) -> tuple[Codes, Codes]:
    """Return codes of which half are random and half in clusters of ten, up to 8 bits apart."""
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 1 << 64, (rows, 4), dtype=np.uint64)
    half = rows // 2
    codes[:half] = codes[:half:10].repeat(10, axis=0)[:half]
    for _ in range(4):
        bit = rng.integers(0, 256, half)
        codes[np.arange(half), bit >> 6] ^= np.uint64(1) << (bit & 63).astype(np.uint64)
    asked = rng.integers(0, 256, (queries, 32), dtype=np.uint8)
    turned = np.argsort(rng.random((queries // 2, 256)), axis=1)
    change = np.packbits(turned < rng.integers(5, 32, (queries // 2, 1)), axis=1)
    asked[::2] = codes.view(np.uint8)[rng.integers(0, rows, queries // 2)] ^ change
    return codes.view(np.uint8), asked


def _measure(folder: Path, name: str, codes: Codes, queries: Codes) -> list[Figure]:
    rows = len(codes)
    with peak_of_memory() as peak:
        begin = time.process_time()
        _build(folder, codes)
        built_s = time.process_time() - begin
    index = Index.open(folder)
    index.prewarm()
    flat = faiss.IndexBinaryFlat(256)
    flat.add(codes)
    peers: dict[str, Any] = {"faiss IndexBinaryFlat": flat}
    if rows <= 1_000_000:
        hashed = faiss.IndexBinaryMultiHash(256, 16, 16)
        hashed.nflip = 1
        hashed.add(codes)
        peers["faiss IndexBinaryMultiHash 16x16"] = hashed
    _compare(index, flat, queries[:32])
    size = sum(path.stat().st_size for path in folder.iterdir())
    figures = [
        *_searches(name, rows, index, peers, queries),
        Figure(f"{name}: hits", len(index.search(queries).key) / len(queries), "per query"),
        _figure(f"{name}: bytes per hash", size / rows, "B", 132 if rows >= 1_000_000 else None),
        Figure(f"{name}: building", built_s, "CPU s"),
        Figure(f"{name}: building, memory beyond the page cache", peak[0] / 2**20, "MiB"),
    ]
    if rows == max(GOALS):
        figures += [*_whole(folder, name, index), *_floor(name, codes, queries)]
    return figures


def _build(folder: Path, codes: Codes) -> None:
    with IndexWriter(folder) as writer:
        number = writer.define_list("list", Role.ALERT)
        for begin in range(0, len(codes), BLOCK):
            block = codes[begin : begin + BLOCK]
            first = pack_key(number, begin)
            writer.add(PDQ, block, np.arange(first, first + len(block), dtype=np.uint64))
        writer.commit()


def _compare(index: Index, flat: Any, queries: Codes) -> None:
    """Stop unless both find the same rows at the same distances."""
    limits, distances, rows = flat.range_search(queries, RADIUS + 1)
    numbers = np.repeat(np.arange(len(queries)), np.diff(limits.astype(np.int64)))
    theirs = sorted(
        zip(numbers.tolist(), rows.tolist(), distances.astype(int).tolist(), strict=True)
    )
    ours = index.search(queries, RADIUS)
    keys = (ours.key & np.uint64((1 << 48) - 1)).astype(np.int64)
    if theirs != sorted(
        zip(ours.query.tolist(), keys.tolist(), ours.distance_bits.tolist(), strict=True)
    ):
        raise AssertionError("the index and FAISS do not find the same")


def _searches(
    name: str, rows: int, index: Index, peers: dict[str, Any], queries: Codes
) -> Iterator[Figure]:
    goals = GOALS.get(rows, (None, None))
    # A peer's cost for one query does not depend on how many there are, so few are enough.
    few = min(len(queries), max(8, 40_000_000 // rows))
    shapes = (
        ("one query", len(queries), min(few, 64), 1, goals[0]),
        (f"batch of {len(queries)}", len(queries), few, len(queries), goals[1]),
    )
    for shape, mine, theirs, together, goal in shapes:
        calls: dict[str, Callable[[], object]] = {
            "ours": _asking(index.search, queries[:mine], min(mine, together), RADIUS)
        }
        for peer, engine in peers.items():
            part = queries[:theirs]
            calls[peer] = _asking(engine.range_search, part, min(theirs, together), RADIUS + 1)
        seconds = cpu_rounds(calls, rounds=5)
        ours = seconds.pop("ours") / mine
        best = min(seconds, key=lambda peer: seconds[peer])
        peer_s = seconds[best] / theirs
        ratio = peer_s / ours
        yield Figure(
            f"{name}: {shape}",
            ours * 1e6,
            "µs/query",
            best,
            peer_s * 1e6,
            ratio,
            f">= {goal}x" if goal else "",
            ratio >= goal if goal else None,
        )


def _asking(
    search: Callable[[Codes, int], object], queries: Codes, together: int, radius: int
) -> Callable[[], object]:
    def ask() -> None:
        for begin in range(0, len(queries), together):
            search(queries[begin : begin + together], radius)

    return ask


def _whole(folder: Path, name: str, index: Index) -> Iterator[Figure]:
    """Opening an index, and adding to it under a reader that is open."""
    opened = min(_wall(lambda: Index.open(folder)) for _ in range(5))
    yield _figure(f"{name}: opening, warm", opened * 1000, "ms", 50)
    fresh = np.random.default_rng(9).integers(0, 256, (10_000, 32), dtype=np.uint8)

    def add() -> None:
        with IndexWriter(folder) as writer:
            first = pack_key(1, 1 << 32)
            writer.add(PDQ, fresh, np.arange(first, first + len(fresh), dtype=np.uint64))
            writer.commit()
        if len(index.search(fresh, 0).key) != len(fresh):
            raise AssertionError("what was added is not found")

    yield _figure(f"{name}: adding 10,000 until all are found", _wall(add), "s", 1)
    compacting = time.process_time()
    with IndexWriter(folder) as writer:
        writer.compact()
    yield Figure(f"{name}: compacting", time.process_time() - compacting, "CPU s")


def _floor(name: str, codes: Codes, queries: Codes) -> Iterator[Figure]:
    """How near the plane scan comes to the speed of memory: 12 bytes a code is its floor."""
    words = codes.view(np.uint64).ravel()
    words = np.concatenate([words] * max(1, (1 << 27) // len(words)))
    seconds = cpu_rounds({"read": lambda: _read(words)}, rounds=7)["read"]
    bandwidth = words.nbytes / seconds
    yield Figure("reading memory, one core", bandwidth / 1e9, "GB/s")
    tables = builders.TABLES_ROWS_MINIMUM
    builders.TABLES_ROWS_MINIMUM = len(codes) + 1
    try:
        with tempfile.TemporaryDirectory() as folder:
            _build(Path(folder), codes)
            index = Index.open(Path(folder))
            index.prewarm()
            calls = {"scan": _asking(index.search, queries[:8], 1, RADIUS)}
            scan = cpu_rounds(calls, rounds=5)["scan"] / 8
    finally:
        builders.TABLES_ROWS_MINIMUM = tables
    floor = 12 * len(codes) / bandwidth
    yield Figure(
        f"{name}: plane scan, one query",
        scan * 1e6,
        "µs/query",
        "12 B a code at memory speed",
        floor * 1e6,
        floor / scan,
    )


@njit(cache=True)
def _read(words: NDArray[np.uint64]) -> np.uint64:
    total = np.uint64(0)
    for place in range(words.size):
        total += words[place]
    return total


def _wall(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _figure(name: str, value: float, unit: str, most: float | None) -> Figure:
    if most is None:
        return Figure(name, value, unit)
    return Figure(name, value, unit, goal=f"<= {most:g} {unit}", holds=value <= most)


@contextmanager
def peak_of_memory() -> Iterator[list[int]]:
    """Yield a list that holds, afterwards, how many bytes of anonymous memory came on top."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed before must not hide what is taken now
    peak, before, done = [0], _anonymous(), threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], _anonymous() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _anonymous() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0
