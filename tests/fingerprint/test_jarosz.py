from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.fingerprint.jarosz import SIDE, band


def running_mean(line: np.ndarray, window: int) -> np.ndarray:
    """One pass of the reference's box filter, written plainly: windows are cut at the ends."""
    ahead = (window + 2) // 2
    return np.array([line[max(0, i + ahead - window) : i + ahead].mean() for i in range(len(line))])


def sampled(line: np.ndarray) -> np.ndarray:
    window = (len(line) + 127) // 128
    for _ in range(2):
        line = running_mean(line, window)
    return np.array([line[int((i + 0.5) * len(line) / SIDE)] for i in range(SIDE)])


def applied(line: np.ndarray, scale: int, *, mirrored: bool) -> np.ndarray:
    """Weigh the means of each `scale` pixels with our band."""
    short = np.array([line[at : at + scale].mean() for at in range(0, len(line), scale)])
    starts, values = band(len(line), scale, mirrored)
    padded = np.concatenate([short, np.zeros(values.shape[1])])
    return np.array(
        [padded[s : s + values.shape[1]] @ v for s, v in zip(starts, values, strict=True)]
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 700), st.integers(0, 2**32 - 1), st.booleans())
def test_one_map_equals_two_running_means_and_sampling(length, seed, mirrored):
    line = np.random.default_rng(seed).uniform(0, 255, length)
    stored = line[::-1] if mirrored else line
    assert applied(stored, 1, mirrored=mirrored) == pytest.approx(sampled(line), abs=0.01)


@settings(max_examples=60, deadline=None)
@given(st.integers(8, 3000), st.sampled_from((2, 4, 8)), st.booleans())
def test_a_reduced_axis_keeps_the_full_ones_windows(length, scale, mirrored):
    steps = np.repeat(np.random.default_rng(1).uniform(0, 255, -(-length // scale)), scale)[:length]
    expected = applied(steps, 1, mirrored=mirrored)
    assert applied(steps, scale, mirrored=mirrored) == pytest.approx(expected, abs=0.01)


@given(st.integers(1, 100_000), st.sampled_from((1, 2, 4, 8)), st.booleans())
@settings(max_examples=30, deadline=None)
def test_weights_add_up_and_stay_inside(length, scale, mirrored):
    starts, values = band(length, scale, mirrored)
    assert values.sum(axis=1) == pytest.approx(np.ones(SIDE), abs=1e-3)
    assert starts.min() >= 0
    past = starts[:, np.newaxis] + np.arange(values.shape[1]) >= -(-length // scale)
    assert not values[past].any()
