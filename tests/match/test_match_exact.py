from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from match_support import as_hits

from tutela.core.entry import Role
from tutela.core.errors import UsageError
from tutela.match import build as builders
from tutela.match.index import Index
from tutela.match.key import pack_key
from tutela.match.writer import IndexWriter


def spread(shape, rows, rng):
    """Digests as they fall, and digests that someone chose so that looking them up is hard."""
    values = rng.integers(0, 256, (rows, 16), dtype=np.uint8)
    if shape == "equal beginnings":
        values[:, :8] = 7
    elif shape == "few values":
        values[:] = rng.integers(0, 256, (3, 16), dtype=np.uint8)[rng.integers(0, 3, rows)]
    elif shape == "exponential":
        # Every guess by proportion is as wrong as it can be.
        powers = np.uint64(1) << rng.integers(0, 64, rows).astype(np.uint64)
        values[:, :8] = powers.astype(">u8").view(np.uint8).reshape(rows, 8)
    elif shape == "extremes":
        values[:] = np.where(rng.random((rows, 1)) < 0.5, 0, 255)
    return values


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    shape=st.sampled_from(["even", "equal beginnings", "few values", "exponential", "extremes"]),
    rows=st.integers(1, 500),
    run_rows=st.sampled_from([7, 100, 1000]),
    compacted=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_look_up_equals_a_dictionary(
    tmp_path_factory, monkeypatch, *, shape, rows, run_rows, compacted, seed
):
    monkeypatch.setattr(builders, "_RUN_ROWS", run_rows)
    monkeypatch.setattr(builders, "BLOCK_ROWS", 16)
    rng = np.random.default_rng(seed)
    values = spread(shape, rows, rng)
    folder = tmp_path_factory.mktemp("index")
    with IndexWriter(folder) as writer:
        number = writer.define_list("list", Role.ALERT)
        keys = np.arange(rows, dtype=np.uint64) + np.uint64(pack_key(number, 0))
        for begin in range(0, rows, 60):
            writer.add("md5", values[begin : begin + 60], keys[begin : begin + 60])
        writer.commit()
        gone = keys[rng.random(rows) < 0.2]
        writer.delete_keys(gone)
        writer.commit()
        if compacted:
            writer.compact()
    asked = np.concatenate([values[:40], spread(shape, 20, rng)])
    wanted = {
        (query, int(key), 0): 1
        for query, value in enumerate(asked)
        for row, key in enumerate(keys)
        if (values[row] == value).all() and key not in gone
    }
    index = Index.open(folder)
    assert as_hits(index.lookup("md5", asked)) == wanted
    assert index.count("md5") == rows - len(gone)


def test_other_names_are_compared_for_equality_whatever_their_width(tmp_path):
    rng = np.random.default_rng(1)
    long = rng.integers(0, 256, (5, 144), dtype=np.uint8)
    short = long[:, :100].copy()
    with IndexWriter(tmp_path) as writer:
        number = writer.define_list("list", Role.ALERT)
        keys = np.arange(5, dtype=np.uint64) + np.uint64(pack_key(number, 0))
        writer.add("photodna", long, keys)
        writer.add("acme-2.0", short, keys)
        writer.commit()
    index = Index.open(tmp_path)
    assert index.lookup("photodna", long).key.tolist() == keys.tolist()
    assert not len(index.lookup("photodna", short).key)
    assert index.lookup("acme-2.0", short[3:]).key.tolist() == keys[3:].tolist()


def test_digests_of_the_wrong_width_are_refused(tmp_path):
    with IndexWriter(tmp_path) as writer:
        number = writer.define_list("list", Role.ALERT)
        keys = np.array([pack_key(number, 0)], np.uint64)
        with pytest.raises(UsageError, match="shape"):
            writer.add("sha256", np.zeros((1, 20), np.uint8), keys)
        with pytest.raises(UsageError, match="keys are"):
            writer.add("md5", np.zeros((2, 16), np.uint8), keys)
