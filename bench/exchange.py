"""The matching service as platforms meet it: look-ups a second, how long one waits, a new list.

A real `tutela serve --api` answers a load generator in a process of its own, on loopback. Two kinds
of uploads are asked about: every fiftieth resembles a listed picture (more than any platform has),
and every second one does, so that each request is full of matches to be described. The peer is the
index of Meta's HMA (threatexchange, PDQIndex) on the same hashes and queries, without HTTP.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from exchange_load import Plan, Result
from exchange_peer import Peer
from exchange_stage import FRESH, Codes, Stage, build, serving
from exchange_swap import fresh
from measure import Figure, Options
from tutela.client import Client
from tutela.core import matchform
from tutela.core.media import PDQ, Digests, Fingerprint

SIZES = (1_000_000, 10_000_000)
BATCH = 64
CONNECTIONS = 4
PORT = 8487
SECONDS = 20.0
GOAL_PER_S = 20_000
GOAL_P99_MS = 25.0
GOAL_SWAP_MS = 100.0
SWAPS = 5
SWAPPED = 10_000
# The peer needs about 500 bytes for each hash while it is built.
PEER_BYTES = 700
# Name, and every how many-th upload resembles a listed picture; the goals are those of the first.
MIXES = (("one upload in 50 known", 50), ("one in 2 known", 2))
HERE = Path(__file__).parent


def run(options: Options) -> list[Figure]:
    """Measure at each size; libraries are made for it and removed."""
    figures: list[Figure] = []
    for rows in (20_000,) if options.quick else SIZES:
        with tempfile.TemporaryDirectory(prefix="tutela-exchange-") as folder:
            begin = time.perf_counter()
            stage = build(Path(folder), rows)
            print(f"a library of {rows:,} entries stands after {time.perf_counter() - begin:.0f} s")
            figures += _measured(stage, 2.0 if options.quick else SECONDS, goals=rows == SIZES[-1])
    return figures


def _measured(stage: Stage, seconds: float, *, goals: bool) -> Iterator[Figure]:
    name = f"{stage.rows:,} entries"
    with serving(stage, PORT):
        _load(stage, MIXES[0][1], 2.0)
        full = [_sound(_load(stage, every, seconds)) for _, every in MIXES]
        rate = GOAL_PER_S / 2 / BATCH
        half = [_sound(_load(stage, every, seconds, rate)) for _, every in MIXES]
        swapped = list(_swaps(stage, name, seconds)) if goals or seconds < SECONDS else []
    peer = _peer(stage)
    for place, (mix, _) in enumerate(MIXES):
        held = goals and place == 0
        per_s = len(full[place].times_ms) * BATCH / full[place].seconds
        theirs = peer.per_s[place] if peer else None
        yield Figure(
            f"{name}, {mix}: look-ups, {BATCH} in a request",
            per_s,
            "1/s",
            "threatexchange PDQIndex.query" if peer else "",
            theirs,
            per_s / theirs if theirs else None,
            f">= {GOAL_PER_S:,}/s" if held else "",
            per_s >= GOAL_PER_S if held else None,
        )
        for share in (50, 99):
            waited = float(np.percentile(half[place].times_ms, share))
            goal = GOAL_P99_MS if held and share == 99 else None
            yield _most(f"{name}, {mix}, {GOAL_PER_S // 2:,}/s: p{share}", waited, "ms", goal)
    yield from swapped
    if peer:
        yield Figure(f"{stage.rows:,} hashes, building", peer.build_s, "s", "(the peer's alone)")
        yield Figure(f"{stage.rows:,} hashes, memory", peer.memory_mib, "MiB", "(the peer's alone)")


def _swaps(stage: Stage, name: str, seconds: float) -> Iterator[Figure]:
    """Put new generations in under load, as a subscriber does, and see that they answer."""
    done: list[float] = []
    ended = threading.Event()

    def swap() -> None:
        while not ended.wait(seconds / (SWAPS + 2)) and len(done) < SWAPS:
            begin = time.perf_counter()
            program = [sys.executable, str(HERE / "exchange_swap.py"), str(stage.library)]
            subprocess.run([*program, str(SWAPPED), str(len(done))], check=True)
            done.append(time.perf_counter() - begin)

    thread = threading.Thread(target=swap)
    thread.start()
    loaded = _load(stage, MIXES[0][1], seconds * 1.5, GOAL_PER_S / 2 / BATCH)
    ended.set()
    thread.join()
    with Client(f"http://127.0.0.1:{PORT}", stage.token) as client:
        answer = client.match([_content(code) for code in fresh(SWAPPED, len(done) - 1)[:100]])
    if not all(any(m.list == FRESH for m in content.matches) for content in answer.contents):
        raise AssertionError("what came with the last generation is not found")
    shown = f"{name}, {len(done)} new generations of {SWAPPED:,} under {GOAL_PER_S // 2:,}/s"
    failed = len(loaded.failures)
    yield Figure(f"{shown}: failed requests", failed, "", goal="0", holds=not failed)
    yield _most(f"{shown}: slowest request", max(loaded.times_ms), "ms", GOAL_SWAP_MS)
    yield Figure(f"{shown}: p99", float(np.percentile(loaded.times_ms, 99)), "ms")


def _load(stage: Stage, every: int, seconds: float, per_second: float = 0.0) -> Result:
    codes = _mixed(stage.queries, every)
    blocks = [codes[at : at + BATCH] for at in range(0, len(codes) - BATCH + 1, BATCH)]
    bodies = tuple(matchform.question([_content(code) for code in block]) for block in blocks)
    kind = matchform.MEDIA_TYPE
    plan = Plan(PORT, stage.token, kind, bodies, CONNECTIONS, seconds, per_second)
    file = stage.folder / "plan"
    file.write_bytes(msgspec.msgpack.encode(plan))
    command = [sys.executable, str(HERE / "exchange_load.py"), str(file)]
    said = subprocess.run(command, check=True, capture_output=True).stdout
    return msgspec.json.decode(said, type=Result)


def _mixed(queries: Codes, every: int) -> Codes:
    """Return queries of which every so many-th is near an entry, in no order."""
    near, far = queries[::2], queries[1::2]
    known = len(far) // every
    mixed = np.concatenate((near[:known], far[: len(far) - known]))
    return mixed[np.random.default_rng(1).permutation(len(mixed))]


def _content(code: Codes) -> tuple[Digests, tuple[Fingerprint, ...]]:
    return Digests(), (Fingerprint(PDQ, code.tobytes()),)


def _peer(stage: Stage) -> Peer | None:
    """Measure HMA's index, if it fits into memory."""
    free = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemAvailable")
    )
    if free < PEER_BYTES * stage.rows:
        print(f"the peer does not fit: {free >> 20:,} MiB are free")
        return None
    files = [stage.folder / "codes.npy"]
    np.save(files[0], stage.codes)
    for mix, every in MIXES:
        files.append(stage.folder / f"{mix}.npy")
        np.save(files[-1], _mixed(stage.queries, every)[:4096])
    command = [sys.executable, str(HERE / "exchange_peer.py"), *map(str, files)]
    said = subprocess.run(command, check=True, capture_output=True).stdout
    return msgspec.json.decode(said, type=Peer)


def _sound(result: Result) -> Result:
    if result.failures or not result.times_ms:
        raise AssertionError(f"requests failed: {result.failures[:3]}")
    return result


def _most(name: str, value: float, unit: str, goal: float | None) -> Figure:
    if goal is None:
        return Figure(name, value, unit)
    return Figure(name, value, unit, goal=f"<= {goal:g} {unit}", holds=value <= goal)
