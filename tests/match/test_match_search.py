from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from match_support import as_hits, brute_force, build, clusters, crowded, flipped, within

from tutela.core.entry import Role
from tutela.core.errors import UsageError
from tutela.core.media import PDQ
from tutela.match import build as builders
from tutela.match import index as reader
from tutela.match import planes
from tutela.match.index import Index
from tutela.match.key import pack_key
from tutela.match.segment import Kind
from tutela.match.writer import IndexWriter

SHAPES = ("uniform", "clusters", "crowded", "identical", "photographs")


def make(shape, rows, rng, photographs):
    if shape == "uniform":
        return rng.integers(0, 256, (rows, 32), dtype=np.uint8)
    if shape == "clusters":
        return clusters(rows, rng)
    if shape == "crowded":
        return crowded(rows, rng)
    if shape == "identical":
        return np.repeat(rng.integers(0, 256, (1, 32), dtype=np.uint8), rows, axis=0)
    return photographs[rng.integers(0, len(photographs), rows)]


def near_and_far(codes, count, rng):
    """Queries near rows, at every distance about the radius, and as many at random."""
    near = flipped(codes[rng.integers(0, len(codes), count)], 0, 36, rng)
    return np.concatenate([near, rng.integers(0, 256, (count, 32), dtype=np.uint8)])


def shapes(index):
    return [(s.record.kind, s.record.parameter) for s in index._now.segments()]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    shape=st.sampled_from(SHAPES),
    rows=st.integers(1, 700),
    radius=st.integers(0, 31),
    minimum=st.sampled_from([1, 200, 10_000]),
    commits=st.integers(1, 4),
    compacted=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_equals_brute_force_with_deletes_and_duplicates(
    photograph_codes, monkeypatch, *, shape, rows, radius, minimum, commits, compacted, seed
):
    monkeypatch.setattr(builders, "TABLES_ROWS_MINIMUM", minimum)
    rng = np.random.default_rng(seed)
    codes = make(shape, rows, rng, photograph_codes)
    alive = np.ones(rows, bool)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with IndexWriter(path) as writer:
            number = writer.define_list("list", Role.ALERT)
            # Some keys stand on several rows, as entries with several fingerprints do.
            keys = rng.integers(0, rows, rows).astype(np.uint64) + np.uint64(pack_key(number, 0))
            edges = np.sort(rng.integers(0, rows + 1, commits - 1))
            for begin, end in zip([0, *edges], [*edges, rows], strict=True):
                writer.add(PDQ, codes[begin:end], keys[begin:end])
                if rng.random() < 0.5:
                    gone = rng.choice(keys, rows // 5)
                    writer.delete_keys(gone)
                    alive[:end] &= ~np.isin(keys[:end], gone)
                writer.commit()
            if compacted:
                writer.compact()
        index = Index.open(path)
        queries = near_and_far(codes, 8, rng)
        wanted = brute_force(queries, codes[alive], keys[alive], radius)
        assert as_hits(index.search(queries, radius)) == wanted
        one = brute_force(queries[:1], codes[alive], keys[alive], radius)
        assert as_hits(index.search(queries[:1], radius)) == one
        assert index.count(PDQ) == alive.sum()


@pytest.mark.parametrize("shift", [0, 1, 3, 9])
def test_every_radius_at_every_shift(photograph_codes, tmp_path, monkeypatch, shift):
    monkeypatch.setattr(builders, "TABLES_ROWS_MINIMUM", 1)
    monkeypatch.setattr(builders, "shift_for", lambda _rows: shift)
    rng = np.random.default_rng(shift)
    codes = np.concatenate([photograph_codes, clusters(600, rng), crowded(600, rng)])
    index = build(tmp_path, codes)
    assert shapes(index) == [(Kind.TABLES, shift)]
    keys = np.arange(len(codes), dtype=np.uint64) + np.uint64(pack_key(1, 0))
    queries = near_and_far(codes, 20, rng)
    wanted = brute_force(queries, codes, keys, 31)
    for radius in range(32):
        assert as_hits(index.search(queries, radius)) == within(wanted, radius), radius


def test_planes_at_every_radius(photograph_codes, tmp_path):
    rng = np.random.default_rng(0)
    codes = np.concatenate([photograph_codes, clusters(603, rng)])
    index = build(tmp_path, codes)
    assert shapes(index) == [(Kind.PLANES, 0)]
    keys = np.arange(len(codes), dtype=np.uint64) + np.uint64(pack_key(1, 0))
    queries = near_and_far(codes, 20, rng)
    wanted = brute_force(queries, codes, keys, 31)
    for radius in range(32):
        assert as_hits(index.search(queries, radius)) == within(wanted, radius), radius


def test_large_segment_equals_brute_force(tmp_path):
    rng = np.random.default_rng(4)
    codes = clusters(450_000, rng)
    index = build(tmp_path, codes)
    assert shapes(index) == [(Kind.TABLES, 0)]
    keys = np.arange(len(codes), dtype=np.uint64) + np.uint64(pack_key(1, 0))
    queries = near_and_far(codes, 12, rng)
    wanted = brute_force(queries, codes, keys, 31)
    for radius in (31, 17, 15, 4):
        assert as_hits(index.search(queries, radius)) == within(wanted, radius)


def test_crowded_buckets_fall_back_to_a_scan_and_lose_nothing(tmp_path):
    rng = np.random.default_rng(5)
    rows = 70_000
    codes = crowded(rows, rng)
    index = build(tmp_path, codes)
    keys = np.arange(rows, dtype=np.uint64) + np.uint64(pack_key(1, 0))
    queries = np.concatenate([np.zeros((1, 32), np.uint8), near_and_far(codes, 3, rng)])
    wanted = brute_force(queries, codes, keys, 31)
    assert wanted.total() > rows // 3
    assert as_hits(index.search(queries)) == wanted


def test_more_hits_than_room_come_in_pieces(tmp_path, monkeypatch):
    codes = np.zeros((5_000, 32), np.uint8)
    index = build(tmp_path, codes)
    queries = np.zeros((7, 32), np.uint8)
    whole = as_hits(index.search(queries))
    monkeypatch.setattr(reader, "_HITS_TOGETHER", 12_000)
    pieces = list(index.stream(queries))
    assert [len(piece.key) for piece in pieces] == [5_000] + [10_000] * 3
    assert sum((as_hits(piece) for piece in pieces), start=type(whole)()) == whole
    assert whole.total() == 35_000


def test_many_queries_keep_their_numbers(tmp_path):
    rng = np.random.default_rng(6)
    codes = rng.integers(0, 256, (20_000, 32), dtype=np.uint8)
    matches = build(tmp_path, codes).search(codes, 3)
    assert matches.query.tolist() == list(range(20_000))
    assert np.array_equal(matches.key & np.uint64(0xFFFFFFFF), matches.query.astype(np.uint64))


def test_hits_are_ordered_by_query_then_distance(tmp_path):
    rng = np.random.default_rng(7)
    codes = clusters(3_000, rng)
    matches = build(tmp_path, codes).search(codes[:200])
    rank = matches.query * 256 + matches.distance_bits
    assert (np.diff(rank) >= 0).all()
    assert (matches.query.dtype, matches.key.dtype, matches.distance_bits.dtype) == (
        np.int64,
        np.uint64,
        np.uint8,
    )


def test_what_cannot_be_asked(tmp_path):
    index = build(tmp_path, np.zeros((3, 32), np.uint8))
    query = np.zeros((1, 32), np.uint8)
    for radius in (-1, 32):
        with pytest.raises(UsageError, match="radius"):
            index.search(query, radius)
    with pytest.raises(UsageError, match="shape"):
        index.search(np.zeros((1, 31), np.uint8))
    with pytest.raises(UsageError, match="shape"):
        index.search(np.zeros((1, 8), np.uint32))  # type: ignore[arg-type]  # what is refused
    with pytest.raises(UsageError, match="equality"):
        index.search(query, space="sha256")
    with pytest.raises(UsageError, match="distance"):
        index.lookup(PDQ, query)
    with pytest.raises(UsageError, match="name of a space"):
        index.lookup("SHA 256", query)


def test_codes_may_lie_anywhere_and_be_read_only(tmp_path):
    rng = np.random.default_rng(8)
    codes = rng.integers(0, 256, (50, 32), dtype=np.uint8)
    index = build(tmp_path, codes)
    wanted = as_hits(index.search(codes))
    compiled = len(planes.scan.signatures)
    odd = np.frombuffer(b"x" + codes.tobytes(), np.uint8, offset=1).reshape(50, 32)
    wide = np.concatenate([codes, codes], axis=1)[:, :32]
    for other in (odd, wide, np.asfortranarray(codes)):
        assert as_hits(index.search(other)) == wanted
    # Another kind of array must not make a search wait for the compiler.
    assert len(planes.scan.signatures) == compiled


def test_no_queries_and_no_rows(tmp_path):
    index = build(tmp_path, np.zeros((0, 32), np.uint8))
    assert not len(index.search(np.zeros((2, 32), np.uint8)).key)
    assert not len(index.search(np.zeros((0, 32), np.uint8)).key)
    assert not len(index.lookup("md5", np.zeros((1, 16), np.uint8)).key)
    assert index.count(PDQ) == 0
