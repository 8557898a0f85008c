"""Scanning: what walking, confinement, journal and matching cost beside the work itself."""

from __future__ import annotations

import io
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from measure import Figure, Options
from tutela.fingerprint import content
from tutela.fingerprint.digest import digests

TUTELA = Path(sys.executable).with_name("tutela")
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
SIZE = (1632, 1224)


def run(options: Options) -> list[Figure]:
    """Measure whole scans of photographs beside a bare loop that digests and fingerprints."""
    count = 8 if options.quick else 1200
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = folder / "pictures"
        pictures.mkdir()
        _photographs(pictures, count)
        _scan(folder, pictures, jobs=1)  # warms the kernel cache and the page cache
        rounds = 1 if options.quick else 3
        figures = [*_throughput(folder, pictures, rounds), _two_workers(folder, pictures, rounds)]
        figures += [_help(rounds), _ten_files(folder, rounds)]
    return figures


def _photographs(folder: Path, count: int) -> None:
    """Write JPEGs of 2 megapixels, each different: scaled photographs with sensor noise."""
    random = np.random.default_rng(7)
    bases = [
        np.asarray(Image.fromarray(getattr(skimage.data, name)()).convert("RGB").resize(SIZE))
        for name in PHOTOGRAPHS
    ]
    encoded = []
    for number in range(min(count, 60)):
        noise = random.normal(0, 4, (SIZE[1], SIZE[0], 1)).astype(np.float32)
        pixels = (bases[number % len(bases)] + noise).clip(0, 255).astype(np.uint8)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=85)
        encoded.append(stream.getvalue())
    for number in range(count):
        # A trailing number makes each content another one, so that none is remembered.
        data = encoded[number % len(encoded)] + number.to_bytes(4)
        (folder / f"{number:04}.jpg").write_bytes(data)


def _throughput(folder: Path, pictures: Path, rounds: int) -> list[Figure]:
    bare = whole = float("inf")
    (folder / "empty").mkdir()
    for _ in range(rounds):
        bare = min(bare, _bare_loop(pictures))
        start = _scan(folder, folder / "empty", jobs=1)[0]
        whole = min(whole, _scan(folder, pictures, jobs=1)[0] - start)
    count = len(list(pictures.iterdir()))
    share = bare / whole
    return [
        Figure(
            "scan, one worker, all processes, CPU per file",
            whole / count * 1e3,
            "ms",
            "decode + fingerprint + digest alone",
            bare / count * 1e3,
            share,
            ">= 0.85x",
            share >= 0.85,
        )
    ]


def _bare_loop(pictures: Path) -> float:
    """Return the CPU seconds of doing only what must be done, in this process."""
    content.warm_up()
    begin = time.process_time()
    for file in sorted(pictures.iterdir()):
        data = file.read_bytes()
        digests(data)
        content.fingerprint(data)
    return time.process_time() - begin


def _two_workers(folder: Path, pictures: Path, rounds: int) -> Figure:
    one = two = float("inf")
    for _ in range(rounds):
        start = _scan(folder, folder / "empty", jobs=1)[1]
        one = min(one, _scan(folder, pictures, jobs=1)[1] - start)
        two = min(two, _scan(folder, pictures, jobs=2)[1] - start)
    ratio = one / two
    name = "two workers, wall time without the start (needs two idle cores)"
    return Figure(name, two, "s", "one worker", one, ratio, ">= 1.8x", ratio >= 1.8)


def _help(rounds: int) -> Figure:
    least = min(_command(["--help"])[0] for _ in range(rounds * 3))
    return Figure("tutela --help, CPU", least, "s", goal="<= 0.35 s", holds=least <= 0.35)


def _ten_files(folder: Path, rounds: int) -> Figure:
    small = folder / "small"
    small.mkdir()
    for number in range(10):
        base = Image.fromarray(getattr(skimage.data, PHOTOGRAPHS[number % 4])()).convert("RGB")
        stream = io.BytesIO()
        base.resize((320, 240)).rotate(number).save(stream, "JPEG")
        (small / f"{number}.jpg").write_bytes(stream.getvalue())
    least = min(_scan(folder, small, jobs=2)[0] for _ in range(rounds * 3))
    return Figure("scan of ten small files, CPU", least, "s", goal="<= 2 s", holds=least <= 2)


def _scan(folder: Path, target: Path, jobs: int) -> tuple[float, float]:
    arguments = ["scan", str(target), "--jobs", str(jobs), "--fresh", "--format", "jsonl"]
    return _command(arguments, folder)


def _command(arguments: list[str], home: Path | None = None) -> tuple[float, float]:
    """Run `tutela`; return CPU seconds of all its processes, and wall seconds."""
    homes = {f"XDG_{kind}_HOME": str(home or "/nonexistent") for kind in ("STATE", "DATA")}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [TUTELA, *arguments],
        env={**os.environ, **homes},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if home is not None:
        shutil.rmtree(home / "tutela", ignore_errors=True)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall
