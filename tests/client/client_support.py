"""Pictures for tests of the client."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def drawn(seed: int, quality: int = 95) -> bytes:
    """Draw a picture; another quality gives other bytes that look alike."""
    blocks = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    picture = Image.fromarray(blocks).resize((320, 240), Image.Resampling.BICUBIC)
    picture.save(stream, "JPEG", quality=quality)
    return stream.getvalue()
