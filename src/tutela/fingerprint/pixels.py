"""A decoded frame, as numbers that say what a viewer sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Pictures are read in strips of about this many bytes, so that a large one is not copied whole.
STRIP_BYTES = 1 << 20

# How to lay a stored picture upright, by EXIF orientation (Exif 2.32, tag 0x0112): mirror the
# rows' order, mirror the columns' order, then swap rows and columns.
TURNS: dict[int, tuple[bool, bool, bool]] = {
    1: (False, False, False),
    2: (False, True, False),
    3: (True, True, False),
    4: (True, False, False),
    5: (False, False, True),
    6: (True, False, True),
    7: (True, True, True),
    8: (False, True, True),
}
_DEEP = frozenset(("I;16", "I;16L", "I;16B", "I;16N", "I", "F"))


@dataclass(frozen=True)
class Frame:
    """One frame of a picture, decoded but not yet turned upright.

    `number` counts from 0 as the file has its frames; `image` is loaded, and smaller than
    `full_width` x `full_height` (pixels, as stored) by the factor `scale` where the decoder
    reduced it; `orientation` is EXIF's; `white` is the stored value that means white in modes
    deeper than 8 bits, negative where zero means white.
    """

    number: int
    image: Image.Image
    full_width: int
    full_height: int
    scale: int = 1
    orientation: int = 1
    white: int = 65535

    def strips(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield (first row, pixels) from top to bottom, as stored.

        Pixels are (rows, width, 1 or 3) in uint8, or float32 (rows, width, 1) for deeper modes,
        0 for black and 255 for white. Transparent parts lie over white.
        """
        width, height = self.image.size
        deep = self.image.mode in _DEEP
        step = max(1, STRIP_BYTES // (len(self.image.getbands()) * width))
        gain, offset = self._tone() if deep else (1.0, 0.0)
        for top in range(0, height, step):
            if step >= height:
                part = self.image
            else:
                part = self.image.crop((0, top, width, min(top + step, height)))
            if deep:
                values = np.nan_to_num(np.asarray(part, dtype=np.float32), posinf=0, neginf=0)
                yield top, (values * np.float32(gain) + np.float32(offset))[..., np.newaxis]
            else:
                array = np.asarray(_opaque(part))
                yield top, array if array.ndim == 3 else array[..., np.newaxis]

    def upright(self) -> NDArray[np.uint8]:
        """Return the frame as a viewer shows it, (height, width, 3) RGB in uint8."""
        width, height = self.image.size
        whole = np.empty((height, width, 3), dtype=np.uint8)
        for top, strip in self.strips():
            exact = strip.dtype == np.uint8
            whole[top : top + len(strip)] = strip if exact else np.clip(np.rint(strip), 0, 255)
        rows, columns, swapped = TURNS[self.orientation]
        turned = whole[:: -1 if rows else 1, :: -1 if columns else 1]
        return np.ascontiguousarray(turned.swapaxes(0, 1) if swapped else turned)

    def _tone(self) -> tuple[float, float]:
        """Return gain and offset that bring a deep mode's values to 0..255.

        16 bits are scaled by their depth. Floats in 0..1 and integers or floats in 0..255 mean
        what they say; any other range has no agreed meaning and is stretched from its least to
        its greatest value, as viewers do. Hashes of rank, such as PDQ, do not depend on it.
        """
        if self.image.mode.startswith("I;16"):
            low, high = 0.0, float(abs(self.white))
        else:
            low, high = self._range()
            if low >= 0 and high <= 255:
                low, high = 0.0, 1.0 if self.image.mode == "F" and high <= 1 else 255.0
        gain = 255.0 / (high - low) if high > low else 0.0
        return (gain, -low * gain) if self.white > 0 else (-gain, 255.0 + low * gain)

    def _range(self) -> tuple[float, float]:
        """Return the least and greatest finite value of a deep frame."""
        low, high = np.inf, -np.inf
        width, height = self.image.size
        step = max(1, STRIP_BYTES // (4 * width))
        for top in range(0, height, step):
            part = self.image.crop((0, top, width, min(top + step, height)))
            values = np.asarray(part, dtype=np.float32)
            finite = values[np.isfinite(values)]
            if finite.size:
                low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        return (low, high) if low <= high else (0.0, 0.0)


def _opaque(part: Image.Image) -> Image.Image:
    """Return `part` in mode L or RGB, its transparent parts over white."""
    if part.has_transparency_data or part.mode in ("La", "RGBa"):
        if part.mode == "La":
            part = part.convert("LA")
        colour = part.convert("RGBA")
        if colour.getchannel("A").getextrema() == (255, 255):
            return colour.convert("RGB")
        white = Image.new("RGBA", colour.size, "white")
        return Image.alpha_composite(white, colour).convert("RGB")
    if part.mode == "LAB":
        # L* runs like luma closely enough to rank; Pillow converts LAB with a profile only.
        return part.getchannel("L")
    if part.mode in ("L", "RGB"):
        return part
    return part.convert("L" if part.mode == "1" else "RGB")
