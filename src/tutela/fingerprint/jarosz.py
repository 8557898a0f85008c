"""PDQ's blur and sampling as one linear map for each axis.

The reference blurs the picture with two passes of a running mean (a Jarosz filter) on rows and on
columns and then takes 64 x 64 samples (Meta, "The TMK+PDQF Video-Hashing Algorithm and the PDQ
Image-Hashing Algorithm", 2019). Both steps are linear and separable, so the samples are
A @ luminance @ B^T, where row i of A holds the weights that sample i gives to the picture's rows.
That is exact, and costs two multiplications a pixel instead of a pass over the picture for each of
eight running means. Where a decoder has averaged s x s pixels into one, its weight is the sum of
the weights of those it stands for: window and sample phase stay those of the full picture.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIDE = 64
_WINDOWS = 128


class Band(NamedTuple):
    """The weights of 64 samples: `values[i, t]` belongs to position `starts[i] + t`.

    `starts` is int64[64] and `values` float32[64, width]; positions past the end weigh 0.
    """

    starts: NDArray[np.int64]
    values: NDArray[np.float32]


@functools.lru_cache(maxsize=64)
def band(length: int, scale: int, mirrored: bool) -> Band:  # noqa: FBT001 a cache key
    """Return the weights along an axis of `length` full pixels, each `scale` decoded as one.

    `mirrored`: the axis is stored back to front.
    """
    window = (length + _WINDOWS - 1) // _WINDOWS
    ahead = (window + 2) // 2
    sample = (2 * np.arange(SIDE) + 1) * length // (2 * SIDE)
    # First pass: the positions t that sample i averages; second: what each t averages.
    t = sample[:, np.newaxis] + ahead - window + np.arange(window)
    inside = (t >= 0) & (t < length)
    low, high = np.maximum(t + ahead - window, 0), np.minimum(t + ahead, length)
    share = inside / np.maximum(high - low, 1) / inside.sum(axis=1, keepdims=True)
    starts = np.maximum(sample - 2 * window, 0)
    steps = np.zeros((SIDE, 4 * window + 2))
    row = np.broadcast_to(np.arange(SIDE)[:, np.newaxis], t.shape)
    offset = starts[:, np.newaxis]
    np.add.at(steps, (row, np.clip(low - offset, 0, 4 * window + 1)), share)
    np.add.at(steps, (row, np.clip(high - offset, 0, 4 * window + 1)), -share)
    values = np.cumsum(steps, axis=1)
    if mirrored:
        starts, values = length - starts - values.shape[1], values[:, ::-1]
    return _fold(starts, values, scale)


def _fold(starts: NDArray[np.int64], values: NDArray[np.float64], scale: int) -> Band:
    """Sum the weights of each `scale` positions, and leave out what weighs nothing."""
    position = (starts[:, np.newaxis] + np.arange(values.shape[1])) // scale
    weighs = np.abs(values) > 1e-12
    first = np.where(weighs, position, np.iinfo(np.int64).max).min(axis=1)
    width = int((np.where(weighs, position, -1).max(axis=1) - first).max()) + 1
    folded = np.zeros((SIDE, width))
    row, column = np.nonzero(weighs)
    np.add.at(folded, (row, position[row, column] - first[row]), values[row, column])
    return Band(first, folded.astype(np.float32))
