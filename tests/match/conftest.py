from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pdqhash
import pytest
from PIL import Image, ImageEnhance

sys.path.insert(0, str(Path(__file__).parent))  # for match_support

BACKGROUNDS = Path("/usr/share/backgrounds")


def _edits(picture: Image.Image, rng: np.random.Generator) -> list[Image.Image]:
    width, height = picture.size
    left, top = int(rng.integers(1, width // 12)), int(rng.integers(1, height // 12))
    bordered = Image.new("RGB", (width + 12, height + 12), (240, 240, 240))
    bordered.paste(picture, (6, 6))
    return [
        picture,
        picture.resize((width // 2, height // 2)),
        picture.crop((left, top, width - left, height - top)),
        picture.rotate(2.0),
        ImageEnhance.Brightness(picture).enhance(1.3),
        ImageEnhance.Contrast(picture).enhance(0.7),
        bordered,
    ]


@pytest.fixture(scope="session")
def photograph_codes() -> np.ndarray:
    """PDQ codes of crops of Debian's wallpapers and of edits of them, by the reference library."""
    rng = np.random.default_rng(2)
    files = sorted(p for p in BACKGROUNDS.rglob("*") if p.suffix in {".jpg", ".webp", ".png"})
    assert len(files) >= 20, "install gnome-backgrounds and mate-backgrounds"
    codes = []
    for file in files[:32]:
        with Image.open(file) as opened:
            opened.draft("RGB", (400, 400))
            picture = opened.convert("RGB")
        picture.thumbnail((400, 400))
        side = min(picture.size) // 2
        for _ in range(6):
            left = int(rng.integers(0, picture.width - side))
            top = int(rng.integers(0, picture.height - side))
            crop = picture.crop((left, top, left + side, top + side))
            for edit in _edits(crop, rng):
                bits, quality = pdqhash.compute(np.asarray(edit))
                if quality >= 50:
                    codes.append(np.packbits(bits.astype(np.uint8)))
    assert len(codes) > 600
    return np.array(codes, np.uint8)
