from __future__ import annotations

import numpy as np
import pytest
from match_support import flipped

from tutela.fingerprint.kernel import kernel
from tutela.match.bits import lowest, near_planes, near_tags, popcount
from tutela.match.build import TABLES_ROWS_MINIMUM, shift_for
from tutela.match.layout import regroup
from tutela.match.mih import ROWS_MAXIMUM
from tutela.match.segment import Kind, Shape


def grid(codes):
    """Return codes (n, 16) uint16 as bits (n, 16, 16), lowest bit of each row first."""
    return (codes[:, :, None] >> np.arange(16, dtype=np.uint16)) & 1


def test_regroup_collects_diagonals():
    codes = np.random.default_rng(1).integers(0, 1 << 16, (50, 16), dtype=np.uint16)
    before, after = grid(codes), grid(regroup(codes))
    i, j = np.mgrid[:16, :16]
    assert (after[:, (i + j) % 16, i] == before[:, i, j]).all()


def test_regroup_keeps_distances():
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 256, (200, 32), dtype=np.uint8)
    others = flipped(codes, 0, 40, rng)
    before = np.bitwise_count(codes ^ others).sum(axis=1)
    moved = regroup(codes.view(np.uint16)) ^ regroup(others.view(np.uint16))
    assert (np.bitwise_count(moved).sum(axis=1) == before).all()


def test_photographs_crowd_less_once_regrouped(photograph_codes):
    def collisions(codes):
        return sum((np.bincount(chunk, minlength=1 << 16) ** 2).sum() for chunk in codes.T)

    distinct = np.unique(photograph_codes, axis=0).view(np.uint16)
    assert collisions(regroup(distinct)) < collisions(distinct)


@kernel(entry=False)
def _tags(tags, tag, bound):
    return near_tags(np.uint64(tags.ctypes.data), tag, bound)


@kernel(entry=False)
def _planes(planes, words, bound):
    start = np.uint64(planes.ctypes.data)
    step = np.uint64(4 * planes.shape[1])
    return near_planes(start, start + step, start + step + step, words, bound)


@kernel(entry=False)
def _count_and_lowest(word):
    return popcount(word), lowest(word)


def mask(near):
    return sum(1 << int(lane) for lane in np.flatnonzero(near))


@pytest.mark.parametrize("bound", [0, 1, 3, 7, 15, 16])
def test_near_tags(bound):
    tags = np.random.default_rng(bound).integers(0, 1 << 16, 32, dtype=np.uint16)
    tags[5] = 40_000
    wanted = mask(np.bitwise_count(tags ^ np.uint16(40_000)) <= bound)
    assert _tags(tags, np.uint16(40_000), np.uint16(bound)) == wanted


@pytest.mark.parametrize("bound", [0, 31, 47, 96])
def test_near_planes(bound):
    planes = np.random.default_rng(bound).integers(0, 1 << 32, (3, 16), dtype=np.uint32)
    words = planes[:, 3].copy()
    wanted = mask(np.bitwise_count(planes ^ words[:, None]).sum(axis=0) <= bound)
    assert _planes(planes, tuple(words), np.uint32(bound)) == wanted


def test_count_and_lowest():
    for word in (1, 1 << 63, 0b101000, (1 << 64) - 1):
        lowest_bit = (word & -word).bit_length() - 1
        assert _count_and_lowest(np.uint64(word)) == (word.bit_count(), lowest_bit)


def test_no_large_segment_takes_more_than_132_bytes_a_hash():
    for rows in np.geomspace(TABLES_ROWS_MINIMUM, ROWS_MAXIMUM, 400).astype(int).tolist():
        size = Shape(Kind.TABLES, shift_for(rows), rows).size_bytes()
        assert size <= 132 * rows, rows
    assert Shape(Kind.PLANES, 0, 10_000).size_bytes() <= 53 * 10_000
