"""PDQ from JPEG files: speed against the usual Python stack, and distance from the reference.

Files are made of scikit-image's photographs, enlarged with sensor noise. CPU time of one thread;
ours makes eight variants where the peer makes one hash.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pdqhash
import skimage.data
from PIL import Image
from threatexchange.signal_type.pdq.signal import PdqSignal

from measure import Figure, Options, cpu_rounds
from tutela.fingerprint.content import fingerprint, warm_up
from tutela.fingerprint.pdq import REDUCE_TO
from tutela.fingerprint.picture import DecodeLimits, Picture

PEER = "threatexchange PdqSignal.hash_from_file"
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")
SIZES = {"12 MP": ((4000, 3000), 20.0), "2 MP": ((1632, 1224), 7.0), "0.3 MP": ((640, 480), 2.5)}
BACKGROUNDS = Path("/usr/share/backgrounds/mate/nature")


def run(options: Options) -> list[Figure]:
    """Measure speed at three sizes, and conformance on photographs of each."""
    warm_up()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for size, (shape, goal) in SIZES.items():
            if options.quick and size != "0.3 MP":
                continue
            figures += _speed(size, _files(Path(folder), shape, options), goal, options)
    return figures + _conformance(options)


def _files(folder: Path, shape: tuple[int, int], options: Options) -> list[Path]:
    """Write the photographs as JPEG of quality 85."""
    noise = np.random.default_rng(1)
    files = []
    for name in PHOTOGRAPHS[: 1 if options.quick else None]:
        enlarged = Image.fromarray(getattr(skimage.data, name)()).resize(shape)
        noisy = np.asarray(enlarged) + noise.normal(0, 4, (*shape[::-1], 1))
        files.append(folder / f"{name}_{shape[0]}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(files[-1], quality=85)
    return files


def _speed(size: str, files: list[Path], goal: float, options: Options) -> list[Figure]:
    def ours() -> None:
        for file in files:
            fingerprint(file.read_bytes())

    def peer() -> None:
        for file in files:
            PdqSignal.hash_from_file(file)

    def decoding() -> None:
        for file in files:
            next(Picture(file.read_bytes(), DecodeLimits()).frames(reduce_to=REDUCE_TO))

    calls: dict[str, Callable[[], object]] = {"ours": ours, "peer": peer, "decoding": decoding}
    best = cpu_rounds(calls, rounds=1 if options.quick else 7)
    each = {name: seconds * 1000 / len(files) for name, seconds in best.items()}
    ratio = each["peer"] / each["ours"]
    share = each["decoding"] / each["ours"]
    return [
        Figure(
            f"JPEG of {size} to eight hashes",
            each["ours"],
            "ms",
            PEER,
            each["peer"],
            ratio,
            f">= {goal:g}x",
            ratio >= goal,
        ),
        Figure(f"JPEG of {size}: share of scaled decoding", share * 100, "%"),
    ]


def _conformance(options: Options) -> list[Figure]:
    """Compare with the reference on the full picture, where it finds a quality of 80 or more."""
    figures = []
    for size, (shape, _) in SIZES.items():
        if options.quick and size != "0.3 MP":
            continue
        distances = [
            distance
            for image in _photographs(options)
            for level in ((85,) if options.quick else (60, 85, 95))
            if (distance := _distance(image, shape[0] * shape[1], level)) is not None
        ]
        mean, worst = sum(distances) / len(distances), max(distances)
        title = f"distance from pdqhash, {len(distances)} JPEGs of {size}"
        figures += [
            Figure(f"{title}: mean", mean, "bits", goal="<= 2", holds=mean <= 2),
            Figure(f"{title}: greatest", worst, "bits", goal="<= 8", holds=worst <= 8),
        ]
    return figures


def _photographs(options: Options) -> Iterator[Image.Image]:
    for name in PHOTOGRAPHS:
        yield Image.fromarray(getattr(skimage.data, name)())
    if not options.quick:
        for file in sorted(BACKGROUNDS.glob("*.jpg")):
            with Image.open(file) as image:
                yield image.convert("RGB")


def _distance(image: Image.Image, pixels: int, level: int) -> int | None:
    """Return our distance from the reference for `image` of so many `pixels`, re-encoded."""
    factor = (pixels / (image.width * image.height)) ** 0.5
    stream = io.BytesIO()
    resized = image.resize((round(image.width * factor), round(image.height * factor)))
    resized.save(stream, "JPEG", quality=level)
    with Image.open(stream) as decoded:
        expected, quality = pdqhash.compute(np.array(decoded))
    if quality < 80:
        return None
    ours = np.unpackbits(np.frombuffer(fingerprint(stream.getvalue())[0].bits, dtype=np.uint8))
    return int((ours != expected).sum())
