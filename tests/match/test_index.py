"""The life of an index: generations, other processes, crashes, damage, lists, room."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from match_support import as_hits, brute_force, clusters

from tutela.core.entry import Role
from tutela.core.errors import IntegrityError, ServiceError, UsageError
from tutela.core.media import PDQ
from tutela.match import build as builders
from tutela.match.index import Index, IndexWriter
from tutela.match.key import pack_key, unpack_key

FORK = multiprocessing.get_context("fork")


def random_codes(rows: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (rows, 32), dtype=np.uint8)


def keys_of(number: int, rows: int, first: int = 0) -> np.ndarray:
    begin = pack_key(number, first)
    return np.arange(begin, begin + rows, dtype=np.uint64)


def filled(folder: Path, codes: np.ndarray, name: str = "a", role: Role = Role.ALERT) -> int:
    with IndexWriter(folder) as writer:
        number = writer.define_list(name, role)
        writer.add(PDQ, codes, keys_of(number, len(codes)))
        writer.commit()
    return number


def test_keys_pack_and_unpack():
    for key in [(1, 0), (65535, (1 << 48) - 1), (7, 123_456_789_012)]:
        assert unpack_key(pack_key(*key)) == key


def test_lists_have_names_and_roles_and_numbers_that_never_return(tmp_path: Path):
    first = filled(tmp_path, random_codes(3), "alerts")
    second = filled(tmp_path, random_codes(3, 2), "good", Role.IGNORABLE)
    index = Index.open(tmp_path)
    assert {(i.name, i.role) for i in index.lists.values()} == {
        ("alerts", Role.ALERT),
        ("good", Role.IGNORABLE),
    }
    with IndexWriter(tmp_path) as writer:
        writer.delete_list(second)
        writer.commit()
    third = filled(tmp_path, random_codes(1), "new")
    assert len({first, second, third}) == 3
    assert set(index.lists) == {first, second}  # until the reader looks again
    assert index.refresh()
    assert set(index.lists) == {first, third}


def test_one_search_covers_several_lists(tmp_path: Path):
    codes = random_codes(4)
    filled(tmp_path, codes, "a")
    filled(tmp_path, codes, "b", Role.ALLOW)
    found = Index.open(tmp_path).search(codes, 0)
    assert sorted(unpack_key(int(key)) for key in found.key) == [
        (number, entry) for number in (1, 2) for entry in range(4)
    ]


def test_nothing_shows_before_the_commit_and_all_of_it_after(tmp_path: Path):
    number = filled(tmp_path, random_codes(10))
    index = Index.open(tmp_path)
    more = random_codes(5, 9)
    with IndexWriter(tmp_path) as writer:
        writer.add(PDQ, more, keys_of(number, 5, 100))
        writer.add("md5", more[:, :16].copy(), keys_of(number, 5, 100))
        assert not len(index.search(more, 0).key)
        writer.commit()
        assert len(index.search(more, 0).key) == 5
        assert len(index.lookup("md5", more[:, :16].copy()).key) == 5


def test_what_is_not_committed_is_gone(tmp_path: Path):
    number = filled(tmp_path, random_codes(10))
    with IndexWriter(tmp_path) as writer:
        writer.add(PDQ, random_codes(5, 9), keys_of(number, 5, 100))
    assert Index.open(tmp_path).count(PDQ) == 10


@pytest.mark.parametrize(("space", "width"), [("md5", 16), ("sha1", 20), ("sha256", 32)])
def test_exact_spaces_find_equal_values_only(tmp_path: Path, space: str, width: int):
    values = np.random.default_rng(4).integers(0, 256, (5000, width), dtype=np.uint8)
    values[7] = values[9]
    values[11, -1] ^= 1
    with IndexWriter(tmp_path) as writer:
        number = writer.define_list("a", Role.ALERT)
        writer.add(space, values[:2500], keys_of(number, 2500))
        writer.add(space, values[2500:], keys_of(number, 2500, 2500))
        writer.commit()
    index = Index.open(tmp_path)
    near = values[100:101].copy()
    near[0, -1] ^= 1
    asked = np.concatenate([values[7:8], values[4999:], near])
    found = index.lookup(space, asked)
    entries = [(int(q), unpack_key(int(k))[1]) for q, k in zip(found.query, found.key, strict=True)]
    assert sorted(entries) == [(0, 7), (0, 9), (1, 4999)]
    assert index.count(space) == 5000


def watch(folder: Path, code: np.ndarray, ready: object, seen: object) -> None:
    """Search in another process until something is found, without ever opening again."""
    index = Index.open(folder)
    ready.set()  # type: ignore[attr-defined]
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if len(index.search(code, 0).key):
            seen.set()  # type: ignore[attr-defined]
            return
        time.sleep(0.01)


def test_a_reader_in_another_process_sees_a_new_generation(tmp_path: Path):
    number = filled(tmp_path, random_codes(100))
    code = random_codes(1, 77)
    ready, seen = FORK.Event(), FORK.Event()
    reader = FORK.Process(target=watch, args=(tmp_path, code, ready, seen))
    reader.start()
    assert ready.wait(60)
    with IndexWriter(tmp_path) as writer:
        writer.add(PDQ, code, keys_of(number, 1, 500))
        writer.commit()
    assert seen.wait(30)
    reader.join()


def test_two_writers_exclude_each_other(tmp_path: Path):
    with (
        IndexWriter(tmp_path),
        pytest.raises(ServiceError, match="another process is changing"),
        IndexWriter(tmp_path),
    ):
        pass


def test_a_writer_killed_at_any_moment_leaves_a_whole_generation(tmp_path: Path):
    """Each round adds 40 rows a commit; whatever is there afterwards is a multiple, and whole."""
    number = filled(tmp_path, random_codes(40, 0))
    dice = random.Random(3)
    for _ in range(12):
        child = os.fork()
        if child == 0:
            try:
                with IndexWriter(tmp_path) as writer:
                    for step in range(1000):
                        codes = random_codes(40, step)
                        writer.add(PDQ, codes, keys_of(number, 40, 100 * step))
                        writer.add("md5", codes[:, :16].copy(), keys_of(number, 40, 100 * step))
                        writer.commit()
            finally:
                os._exit(0)
        time.sleep(dice.uniform(0.005, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        index = Index.open(tmp_path)
        index.verify()
        assert index.count(PDQ) % 40 == 0
        assert index.count(PDQ) - index.count("md5") == 40
    with IndexWriter(tmp_path) as writer:
        writer.compact()
    left = {path.name for path in tmp_path.iterdir()}
    assert len([name for name in left if name.startswith("segment")]) <= 2


def segment(folder: Path) -> Path:
    return max(folder.glob("segment-*"), key=lambda path: path.stat().st_size)


def test_a_segment_cut_short_is_told_at_opening(tmp_path: Path):
    filled(tmp_path, random_codes(1000))
    path = segment(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError) as caught:
        Index.open(tmp_path)
    assert caught.value.hint


def test_a_changed_segment_is_told_by_verify(tmp_path: Path):
    filled(tmp_path, random_codes(1000))
    data = bytearray(segment(tmp_path).read_bytes())
    data[len(data) // 2] ^= 1
    segment(tmp_path).write_bytes(bytes(data))
    with pytest.raises(IntegrityError):
        Index.open(tmp_path).verify()


def test_a_changed_manifest_is_told_at_opening(tmp_path: Path):
    filled(tmp_path, random_codes(10))
    manifest = tmp_path / "manifest"
    manifest.write_bytes(manifest.read_bytes().replace(b'"generation":1', b'"generation":2'))
    with pytest.raises(IntegrityError, match="manifest"):
        Index.open(tmp_path)


def test_a_missing_index_says_so(tmp_path: Path):
    with pytest.raises(UsageError):
        Index.open(tmp_path / "none")


def test_many_small_commits_are_merged(tmp_path: Path):
    number = filled(tmp_path, random_codes(10))
    for step in range(40):
        with IndexWriter(tmp_path) as writer:
            writer.add(PDQ, random_codes(3, step + 5), keys_of(number, 3, 100 + 3 * step))
            writer.commit()
    assert len(list(tmp_path.glob("segment-*"))) <= 12
    index = Index.open(tmp_path)
    assert index.count(PDQ) == 10 + 120
    assert len(index.search(random_codes(3, 20), 0).key) == 3


def test_a_list_replaced_again_and_again_leaves_nothing_in_the_way(tmp_path: Path):
    codes = random_codes(3)
    number = filled(tmp_path, codes)
    for step in range(30):
        with IndexWriter(tmp_path) as writer:
            writer.delete_list(number)
            number = writer.define_list("a", Role.ALERT)
            writer.add(PDQ, codes, keys_of(number, 3))
            writer.add("md5", codes[:, :16].copy(), keys_of(number, 3))
            writer.commit()
        index = Index.open(tmp_path)
        assert (index.count(PDQ), index.count("md5")) == (3, 3), step
    assert len(list(tmp_path.glob("segment-*"))) <= 20


def test_compaction_drops_deleted_rows_and_answers_the_same(tmp_path: Path):
    codes = clusters(3000, np.random.default_rng(5))
    number = filled(tmp_path, codes)
    keys = keys_of(number, len(codes))
    gone = np.random.default_rng(6).random(len(codes)) < 0.3
    with IndexWriter(tmp_path) as writer:
        writer.delete_keys(keys[gone])
        writer.commit()
    index = Index.open(tmp_path)
    asked = codes[::50]
    expected = brute_force(asked, codes[~gone], keys[~gone], 31)
    assert as_hits(index.search(asked)) == expected
    before = sum(path.stat().st_size for path in tmp_path.glob("segment-*"))
    with IndexWriter(tmp_path) as writer:
        writer.compact()
    assert as_hits(index.search(asked)) == expected
    assert index.count(PDQ) == int((~gone).sum())
    assert sum(path.stat().st_size for path in tmp_path.glob("segment-*")) < before * 0.8


def test_a_large_segment_takes_at_most_132_bytes_a_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    rows = 300_000
    monkeypatch.setattr(builders, "TABLES_ROWS_MINIMUM", 1000)
    filled(tmp_path, random_codes(rows))
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    # The offsets of the tables are shared by all rows: at a million the share is three times less.
    assert size / rows <= 132 + 16 * 65537 * 4 / rows


WRONG: list[Callable[[Index], object]] = [
    lambda index: index.search(random_codes(1), 32),
    lambda index: index.search(random_codes(1), -1),
    lambda index: index.search(random_codes(1)[:, :31]),
    lambda index: index.search(random_codes(1).astype(np.uint16)),
    lambda index: index.lookup(PDQ, random_codes(1)),
    lambda index: index.lookup("md5", random_codes(1)),
    lambda index: index.search(random_codes(1), space="sha256"),
]


@pytest.mark.parametrize("ask", WRONG)
def test_wrong_questions_are_usage_errors(tmp_path: Path, ask: Callable[[Index], object]):
    filled(tmp_path, random_codes(10))
    with pytest.raises(UsageError):
        ask(Index.open(tmp_path))


def test_keys_of_unknown_lists_are_refused(tmp_path: Path):
    filled(tmp_path, random_codes(10))
    with IndexWriter(tmp_path) as writer, pytest.raises(UsageError, match="no list"):
        writer.add(PDQ, random_codes(1), keys_of(99, 1))
