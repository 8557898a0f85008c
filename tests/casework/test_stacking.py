"""Stacks by PDQ: exact, star-shaped, and turned pictures too."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import skimage
from casework_scans import code
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tutela.casework import stacking
from tutela.casework.policy import Policy
from tutela.core.media import PDQ_QUALITY_MINIMUM
from tutela.fingerprint import content

RADIUS = Policy().stack_radius_bits
WALLPAPERS = [Path("/usr/share/backgrounds/gnome"), Path("/usr/share/backgrounds/mate/nature")]


def by_brute_force(codes: np.ndarray, settled: int, radius: int) -> list[int]:
    """Do what `lead_of` says, comparing everything with everything."""
    looks = [np.unpackbits(turned, axis=1) for turned in stacking.turned(codes)]
    leads: list[int] = []
    found: list[int] = []
    for row in range(len(codes)):
        apart = {
            lead: min(int((look[row] != looks[0][lead]).sum()) for look in looks) for lead in leads
        }
        near = [lead for lead in leads if apart[lead] <= radius]
        if row >= settled and near:
            found.append(min(near, key=lambda lead: (apart[lead], lead)))
        else:
            leads.append(row)
            found.append(row)
    return found


@st.composite
def crowds(draw: st.DrawFn) -> np.ndarray:
    seeds = draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 40)), max_size=40))
    packed = b"".join(code(seed, flipped) for seed, flipped in seeds)
    return np.frombuffer(packed, np.uint8).reshape(-1, 32)


@settings(max_examples=60, deadline=None)
@given(crowds(), st.integers(0, 31), st.integers(0, 5))
def test_it_finds_what_brute_force_finds(codes: np.ndarray, radius: int, settled: int):
    settled = min(settled, len(codes))
    assert stacking.lead_of(codes, settled, radius).tolist() == by_brute_force(
        codes, settled, radius
    )


def test_a_stack_is_a_star_and_no_chain():
    chain = np.stack([np.frombuffer(code(1, flipped), np.uint8) for flipped in (0, 12, 24)])
    bits = np.unpackbits(chain, axis=1)
    bits[2] = bits[1]
    bits[2, np.flatnonzero(bits[0] == bits[1])[:12]] ^= 1  # 12 from the second, 24 from the first
    leads = stacking.lead_of(np.packbits(bits, axis=1), 0, 16)
    assert leads.tolist() == [0, 0, 2]


def test_nearest_asks_without_changing_anything():
    listed = np.stack([np.frombuffer(code(seed), np.uint8) for seed in (1, 2)])
    asked = np.stack([np.frombuffer(code(*one), np.uint8) for one in ((2, 9), (3, 0), (3, 0))])
    assert stacking.nearest(listed, asked, 16).tolist() == [1, -1, -1]
    assert stacking.nearest(listed[:0], asked, 16).tolist() == [-1, -1, -1]
    assert stacking.distances(listed, code(2, 9)).tolist()[1] == 9
    assert stacking.near_lead_of(np.concatenate([listed, asked]), 50).tolist() == [0, 1, 1, 3, 3]


def photographs() -> list[Image.Image]:
    """Photographs that packages ship; each wallpaper is there as one picture of its motif."""
    data = Path(skimage.__file__).parent / "data"
    files = [data / name for name in ("coffee.png", "rocket.jpg", "chelsea.png", "astronaut.png")]
    for folder in WALLPAPERS:
        files += [f for f in sorted(folder.glob("*")) if f.suffix in (".jpg", ".webp", ".png")]
    pictures = []
    for file in files:
        if file.exists() and not file.stem.endswith("-d"):
            with Image.open(file) as opened:
                opened.draft("RGB", (1024, 1024))
                pictures.append(opened.convert("RGB").resize((800, 600)))
    return pictures


@pytest.fixture(scope="module")
def seen() -> list[Image.Image]:
    found = photographs()
    assert len(found) >= 15
    return found


def fingerprint(picture: Image.Image, quality: int = 90) -> tuple[bytes, int]:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    first = content.fingerprint(stream.getvalue())[0]
    return first.bits, first.quality


def test_different_photographs_never_stack_and_copies_do(seen: list[Image.Image]):
    """State the cut-off: the nearest two different photographs lie far beyond it."""
    originals = [fingerprint(picture) for picture in seen]
    codes = np.frombuffer(b"".join(bits for bits, _ in originals), np.uint8).reshape(-1, 32)
    good = np.array([quality >= PDQ_QUALITY_MINIMUM for _, quality in originals])
    nearest = min(
        int(np.delete(stacking.distances(codes[good], bits.tobytes()), row).min())
        for row, bits in enumerate(codes[good])
    )
    assert nearest > 2 * RADIUS, f"different photographs {nearest} bits apart"
    copies = [
        fingerprint(edit(picture))[0]
        for picture, keep in zip(seen, good, strict=True)
        if keep
        for edit in (
            lambda p: p.resize((400, 300)),
            lambda p: Image.eval(p, lambda value: min(255, value + 12)),
            lambda p: p,
        )
    ]
    asked = np.frombuffer(b"".join(copies), np.uint8).reshape(-1, 32)
    found = stacking.nearest(codes[good], asked, RADIUS)
    own = found == np.repeat(np.arange(good.sum()), 3)
    assert own.mean() >= 0.95, f"{own.sum()} of {own.size} copies"
    assert (own | (found < 0)).all(), "none joins another's stack"
    mirrored = [
        fingerprint(ImageOps.mirror(picture))[0]
        for picture, keep in zip(seen, good, strict=True)
        if keep
    ]
    asked = np.frombuffer(b"".join(mirrored), np.uint8).reshape(-1, 32)
    found = stacking.nearest(codes[good], asked, RADIUS)
    own = found == np.arange(len(mirrored))
    assert own.mean() >= 0.85, f"{own.sum()} of {own.size} mirrored copies"
    assert (own | (found < 0)).all(), "none joins another's stack"
