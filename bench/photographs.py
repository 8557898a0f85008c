"""PDQ codes of photographs by the million, for benchmarks that random bits would flatter.

Windows of 64 x 64 pixels are cut at random places from Debian's wallpapers at seven scales, as a
crop of the photograph would be; PDQ's transform (cosine transform, 16 x 16 lowest frequencies,
median) makes codes of them, turned and mirrored in all eight ways. Larger sets repeat these codes
with what real edits did to others: the difference between a window and the same one shifted,
brightened, softened or made noisy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BACKGROUNDS = Path("/usr/share/backgrounds")
WINDOWS = 300_000  # cut at most, for eight codes each; further ones are edits of these
WIDTHS = (96, 128, 192, 288, 432, 650, 1000)
DEVIATION = 8.0  # windows with less contrast have no say in PDQ either

Codes = NDArray[np.uint8]
Windows = NDArray[np.float32]


def _transform() -> NDArray[np.float32]:
    """Return rows 1 to 16 of the cosine transform of 64 samples."""
    rows, places = np.arange(1, 17)[:, None], np.arange(64)
    return np.asarray(np.sqrt(2 / 64) * np.cos(np.pi / 128 * rows * (2 * places + 1)), np.float32)


def _frequencies(windows: Windows) -> NDArray[np.float32]:
    """Return the 16 x 16 lowest frequencies of windows (n, 64, 64) of luminance."""
    rows = _transform()
    return np.asarray(rows @ windows @ rows.T, np.float32)


def _codes(frequencies: NDArray[np.float32]) -> Codes:
    """Return PDQ codes (n, 32): which frequencies are above the median, the highest first."""
    flat = frequencies.reshape(len(frequencies), 256)
    median = np.partition(flat, 127, axis=1)[:, 127:128]
    return np.packbits((flat > median)[:, ::-1], axis=1)


def _turned(frequencies: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield the frequencies of the eight symmetries: a mirror turns the odd ones' signs."""
    signs = np.where(np.arange(1, 17) % 2, np.float32(-1), np.float32(1))
    for lying in (frequencies, frequencies.transpose(0, 2, 1)):
        for across in (lying, lying * signs):
            yield across
            yield across * signs[:, None]


def _scaled(file: Path) -> list[Windows]:
    with Image.open(file) as opened:
        opened.draft("L", (WIDTHS[-1], WIDTHS[-1]))
        picture = opened.convert("L")
    sizes = [(width, max(66, picture.height * width // picture.width)) for width in WIDTHS]
    return [np.asarray(picture.resize(s, Image.Resampling.BOX), np.float32) for s in sizes]


def _edited(picture: Windows, top: int, left: int, edit: int) -> Windows:
    """Return a window after one of four edits: shifted, brightened and clipped, softened, noisy."""
    window = picture[top : top + 64, left : left + 64]
    match edit:
        case 0:
            return np.asarray(picture[top + 1 : top + 65, left + 1 : left + 65], np.float32)
        case 1:
            return np.asarray(np.clip(window * 1.2 + 20, 0, 255), np.float32)
        case 2:
            return np.asarray(
                (window + np.roll(window, 1, 0) + np.roll(window, 1, 1)) / 3, np.float32
            )
        case _:
            noise = np.random.default_rng(top * 4096 + left).normal(0, 9, (64, 64))
            return np.asarray(window + noise, np.float32)


def windows(count: int, rng: np.random.Generator) -> tuple[Codes, Codes]:
    """Return eight codes each of about `count` windows, and which bits edits turned in some."""
    files = [p for p in sorted(BACKGROUNDS.rglob("*")) if p.suffix in {".jpg", ".webp", ".png"}]
    codes, changes = [], []
    each = max(8, count // (len(files) * len(WIDTHS)))
    for file in files:
        for picture in _scaled(file):
            tops = rng.integers(0, picture.shape[0] - 65, each)
            lefts = rng.integers(0, picture.shape[1] - 65, each)
            cut = np.stack(
                [picture[t : t + 64, x : x + 64] for t, x in zip(tops, lefts, strict=True)]
            )
            kept = cut.std(axis=(1, 2)) > DEVIATION
            some = np.flatnonzero(kept)[: each // 8 + 1]
            if not len(some):
                continue
            codes += [_codes(turned) for turned in _turned(_frequencies(cut[kept]))]
            after = [_edited(picture, tops[k], lefts[k], int(k) % 4) for k in some]
            edited = _codes(_frequencies(np.stack(after)))
            changes.append(_codes(_frequencies(cut[some])) ^ edited)
    mixed = np.concatenate(codes)
    return mixed[rng.permutation(len(mixed))], np.concatenate(changes)


def photograph_codes(rows: int, queries: int, seed: int = 1) -> tuple[Codes, Codes]:
    """Return (rows, 32) codes for an index, and (queries, 32) to ask it.

    Half of the queries are windows that are not in the index, half are edits of some that are.
    """
    rng = np.random.default_rng(seed)
    cut, changes = windows(min((rows + queries) // 7, WINDOWS), rng)
    new, base = cut[: queries // 2], cut[queries // 2 :]
    codes = base[rng.integers(0, len(base), rows)] if rows > len(base) else base[:rows].copy()
    again = codes[len(base) :]
    again ^= changes[rng.integers(0, len(changes), len(again))]
    known = codes[rng.integers(0, rows, queries - len(new))]
    known = known ^ changes[rng.integers(0, len(changes), len(known))]
    asked = np.concatenate([new, known])
    return codes, asked[rng.permutation(len(asked))]
