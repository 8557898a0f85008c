"""PDQ: a 256-bit perceptual hash, its quality, and its eight dihedral variants.

After the reference implementation (Meta, ThreatExchange, `pdq/cpp`) and its paper: luminance, blur,
64 x 64 samples, the 16 x 16 lowest frequencies without the constant ones, one bit for each that is
above their median. Blur and sampling are those of `jarosz`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tutela.core.media import PDQ as NAME
from tutela.core.media import VARIANTS, Fingerprint
from tutela.fingerprint.jarosz import SIDE, band
from tutela.fingerprint.kernel import kernel
from tutela.fingerprint.picture import Picture
from tutela.fingerprint.pixels import TURNS, Frame

# A JPEG's shorter side keeps at least so many pixels when it is decoded at reduced scale: the blur
# then spans two decoded pixels or more. Photographs then lie 0.7 to 0.9 bits from the reference on
# average and 6 at most; with 128 it would be 2.8 and 18. Entropy decoding is most of the cost, so
# less would save little.
REDUCE_TO = 256

_HASHABLE = 5
_FREQUENCIES = 16
_RANK = _FREQUENCIES * _FREQUENCIES // 2 - 1  # Torben's median of 256 is the lower middle one
_GREY = np.ones(1, dtype=np.float32)
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601, as the reference
_COSINES = np.array(
    [
        [
            math.sqrt(2 / SIDE) * math.cos(math.pi / (2 * SIDE) * (i + 1) * (2 * j + 1))
            for j in range(SIDE)
        ]
        for i in range(_FREQUENCIES)
    ],
    dtype=np.float32,
)


class Spectrum(NamedTuple):
    """What the bits are made of: `coefficients` float32[16, 16], and the quality, 0 to 100."""

    coefficients: NDArray[np.float32]
    quality: int


class PDQ:
    """The algorithm `pdq`: eight variants of the first frame, later frames as they lie."""

    name = NAME
    bits = 256

    def fingerprints(self, picture: Picture) -> list[Fingerprint]:
        """Return the first frame's variants in the order of `VARIANTS`, then later frames.

        Raises:
            MediaError: the first frame cannot be decoded.
        """
        found: list[Fingerprint] = []
        for frame in picture.frames(reduce_to=REDUCE_TO):
            coefficients, quality = spectrum(frame)
            names = VARIANTS if frame.number == 0 else VARIANTS[:1]
            for name, bits in zip(names, hashes(coefficients, len(names)), strict=True):
                found.append(Fingerprint(NAME, bits.tobytes(), quality, name, frame.number))
        return found


def spectrum(frame: Frame) -> Spectrum:
    """Return the coefficients and the quality of `frame`, as a viewer sees it.

    Fewer than 5 pixels in width or height give nothing to hash: all zero, as in the reference.
    """
    seen = samples(frame)
    if seen is None:
        return Spectrum(np.zeros((_FREQUENCIES, _FREQUENCIES), dtype=np.float32), 0)
    return spectrum_of(seen)


def spectrum_of(seen: NDArray[np.float32]) -> Spectrum:
    """Return the coefficients and the quality of float32[64, 64] samples."""
    return Spectrum(_transform(seen, _COSINES), _quality(seen))


def samples(frame: Frame) -> NDArray[np.float32] | None:
    """Return float32[64, 64] blurred samples of the luminance, upright; None of a tiny frame."""
    if min(frame.full_width, frame.full_height) < _HASHABLE:
        return None
    rows_mirrored, columns_mirrored, swapped = TURNS[frame.orientation]
    vertical = band(frame.full_height, frame.scale, rows_mirrored)
    horizontal = band(frame.full_width, frame.scale, columns_mirrored)
    rows = np.zeros((SIDE, 0), dtype=np.float32)
    channels = 1
    for first_row, strip in frame.strips():
        height, width, channels = strip.shape
        if not rows.size:
            rows = np.zeros((SIDE, width * channels), dtype=np.float32)
        _gather_rows(rows, strip.reshape(height, width * channels), first_row, *vertical)
    found = _gather_columns(rows, _GREY if channels == 1 else _LUMA, *horizontal)
    return np.ascontiguousarray(found.T) if swapped else found


def hashes(coefficients: NDArray[np.float32], count: int = len(VARIANTS)) -> NDArray[np.uint8]:
    """Return the hashes of the first `count` of `VARIANTS`, uint8[count, 32].

    Turning a picture swaps rows and columns of its spectrum and changes the signs of every other
    one; each variant is the hash of the picture turned so, up to the reference's own asymmetry of
    sampling, and equals the reference's `compute_dihedral`.
    """
    turned = coefficients.ravel()[_PLACES[:count]] * _SIGNS[:count]
    medians = np.partition(turned, _RANK, axis=1)[:, _RANK : _RANK + 1]
    # The reference writes its highest frequency first.
    return np.packbits((turned > medians)[:, ::-1], axis=1)


def _turns() -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return, for each of `VARIANTS`, where its coefficients come from and their signs.

    A mirrored axis changes the sign of its odd frequencies, which are the 1st, 3rd, ... of ours.
    `rotate90` turns counter-clockwise; `flipx` turns upside down, `flipy` mirrors left and right.
    """
    places = np.arange(_FREQUENCIES**2).reshape(_FREQUENCIES, _FREQUENCIES)
    odd = np.where(np.arange(_FREQUENCIES) % 2 == 0, -1, 1)
    rows = np.broadcast_to(odd[:, np.newaxis], places.shape)
    columns = rows.T
    same = np.ones_like(rows)
    turns = {
        "original": (places, same),
        "rotate90": (places.T, rows),
        "rotate180": (places, rows * columns),
        "rotate270": (places.T, columns),
        "flipx": (places, rows),
        "flipy": (places, columns),
        "transpose": (places.T, same),
        "transverse": (places.T, rows * columns),
    }
    return (
        np.stack([turns[name][0].ravel() for name in VARIANTS]),
        np.stack([turns[name][1].ravel() for name in VARIANTS]).astype(np.float32),
    )


_PLACES, _SIGNS = _turns()


@kernel(fastmath=True)
def _gather_rows(
    out: NDArray[np.float32],
    pixels: NDArray[np.uint8],
    first_row: int,
    starts: NDArray[np.int64],
    values: NDArray[np.float32],
) -> None:
    """Add to out[i] the rows of `pixels` (which begin at `first_row`) that sample i weighs."""
    height, width = pixels.shape
    for i in range(out.shape[0]):
        before = first_row - starts[i]
        for t in range(max(0, before), min(values.shape[1], before + height)):
            weight = values[i, t]
            for x in range(width):
                out[i, x] += weight * np.float32(pixels[t - before, x])


@kernel(fastmath=True)
def _gather_columns(
    rows: NDArray[np.float32],
    channels: NDArray[np.float32],
    starts: NDArray[np.int64],
    values: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Return the 64 x 64 samples of `rows`, whose pixels have the weighted `channels`."""
    depth = channels.shape[0]
    width = rows.shape[1] // depth
    samples = np.empty((rows.shape[0], starts.shape[0]), dtype=np.float32)
    line = np.empty(width, dtype=np.float32)
    for i in range(rows.shape[0]):
        for x in range(width):
            total = np.float32(0)
            for c in range(depth):
                total += channels[c] * rows[i, x * depth + c]
            line[x] = total
        for j in range(starts.shape[0]):
            total = np.float32(0)
            reach = line[starts[j] : starts[j] + values.shape[1]]  # a slice ends with the line
            for t in range(reach.shape[0]):
                total += values[j, t] * reach[t]
            samples[i, j] = total
    return samples


@kernel(fastmath=True)
def _transform(samples: NDArray[np.float32], cosines: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the 16 x 16 coefficients of the two-dimensional cosine transform."""
    count, side = cosines.shape
    half = np.zeros((count, side), dtype=np.float32)
    for i in range(count):
        for k in range(side):
            for j in range(side):
                half[i, j] += cosines[i, k] * samples[k, j]
    out = np.empty((count, count), dtype=np.float32)
    for i in range(count):
        for j in range(count):
            total = np.float32(0)
            for k in range(side):
                total += half[i, k] * cosines[j, k]
            out[i, j] = total
    return out


@kernel()
def _quality(samples: NDArray[np.float32]) -> int:
    """Return the reference's quality: the sum of steps between neighbours, each in whole percent.

    A picture with few gradients, a blank page for instance, has a low one.
    """
    total = 0
    side = samples.shape[0]
    for i in range(side):
        for j in range(side):
            if i + 1 < side:
                total += abs(int((samples[i, j] - samples[i + 1, j]) * 100 / 255))
            if j + 1 < side:
                total += abs(int((samples[i, j] - samples[i, j + 1]) * 100 / 255))
    return min(100, total // 90)
