from __future__ import annotations

import errno
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from match_support import as_hits, brute_force, build, clusters

from tutela.core.entry import Role
from tutela.core.errors import IntegrityError, ServiceError, UsageError
from tutela.core.media import PDQ
from tutela.match import mih, rewrite
from tutela.match.index import Index
from tutela.match.key import pack_key
from tutela.match.mih import ROWS_MAXIMUM
from tutela.match.segment import Kind
from tutela.match.writer import IndexWriter


def code(value, rows=1):
    return np.full((rows, 32), value, np.uint8)


def key(entry, number=1):
    return np.array([pack_key(number, entry)], np.uint64)


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("compacted", [False, True])
def test_a_deletion_reaches_what_was_added_before_it_and_nothing_after(tmp_path, compacted):
    with IndexWriter(tmp_path) as writer:
        writer.define_list("list", Role.ALERT)
        writer.add(PDQ, code(0x00), key(1))
        writer.add(PDQ, code(0x0F), key(2))
        writer.commit()
        writer.add(PDQ, code(0xF0), key(1))
        writer.delete_keys(np.concatenate([key(1), key(2)]))  # also the row of this commit
        writer.add(PDQ, code(0xFF), key(1))  # the same key lives again
        writer.commit()
        if compacted:
            writer.compact()
    index = Index.open(tmp_path)
    every = np.concatenate([code(v) for v in (0x00, 0x0F, 0xF0, 0xFF)])
    assert as_hits(index.search(every, 0)) == {(3, int(key(1)[0]), 0): 1}
    assert index.count(PDQ) == 1


def test_a_key_deleted_twice_stays_deleted(tmp_path):
    with IndexWriter(tmp_path) as writer:
        writer.define_list("list", Role.ALERT)
        for _ in range(2):
            writer.add(PDQ, code(1), key(1))
            writer.commit()
            writer.delete_keys(key(1))
            writer.commit()
    assert Index.open(tmp_path).count(PDQ) == 0


def test_a_deleted_list_is_gone_from_every_space_also_after_compaction(tmp_path):
    with IndexWriter(tmp_path) as writer:
        for name in ("one", "two"):
            number = writer.define_list(name, Role.ALERT)
            writer.add(PDQ, code(7), key(0, number))
            writer.add("md5", np.zeros((1, 16), np.uint8), key(0, number))
        writer.commit()
        writer.delete_list(1)
        with pytest.raises(UsageError, match="no list"):
            writer.add(PDQ, code(7), key(1))
        writer.commit()
        index = Index.open(tmp_path)
        for _ in range(2):
            assert index.search(code(7)).key.tolist() == key(0, 2).tolist()
            assert index.lookup("md5", np.zeros((1, 16), np.uint8)).key.tolist() == [key(0, 2)[0]]
            writer.compact()
        assert writer.define_list("one", Role.ALLOW) == 3
        with pytest.raises(UsageError, match="already"):
            writer.define_list("two", Role.ALERT)


def test_a_commit_sheds_segments_of_mostly_deleted_rows_and_forgets_the_deletions(tmp_path):
    codes = np.random.default_rng(3).integers(0, 256, (3000, 32), dtype=np.uint8)
    keys = np.arange(3000, dtype=np.uint64) + np.uint64(pack_key(1, 0))
    index = build(tmp_path, codes)
    with IndexWriter(tmp_path) as writer:
        writer.delete_keys(keys[:1000])
        writer.commit()
        assert index.count(PDQ) == 2000
        assert [s.record.rows for s in index._now.segments()] == [3000, 1000]
        writer.delete_keys(keys[1000:2000])
        writer.commit()
    assert index.search(codes, 0).key.tolist() == keys[2000:].tolist()
    assert [s.record.rows for s in index._now.segments()] == [1000]
    with IndexWriter(tmp_path) as writer:
        writer.delete_list(1)
        number = writer.define_list("list", Role.ALERT)
        writer.add(PDQ, codes[:5], keys[:5] + np.uint64(pack_key(number - 1, 0)))
        writer.commit()
    assert index.count(PDQ) == 5
    assert [s.record.rows for s in index._now.segments()] == [5]
    assert index._now.manifest.deleted_lists == ()


def test_a_full_segment_is_followed_by_another(tmp_path, monkeypatch):
    monkeypatch.setattr(mih, "ROWS_MAXIMUM", 700)
    monkeypatch.setattr(rewrite, "ROWS_MAXIMUM", 700)
    rng = np.random.default_rng(1)
    codes = clusters(3000, rng)
    index = build(tmp_path, codes)
    keys = np.arange(3000, dtype=np.uint64) + np.uint64(pack_key(1, 0))
    wanted = brute_force(codes[::100], codes, keys, 31)
    for _ in range(2):
        assert [s.record.rows for s in index._now.segments()] == [700] * 4 + [200]
        assert as_hits(index.search(codes[::100])) == wanted
        with IndexWriter(tmp_path) as writer:
            writer.compact()
        index.refresh()


def test_compaction_makes_tables_of_many_additions(tmp_path):
    rng = np.random.default_rng(2)
    codes = clusters(70_000, rng)
    keys = np.arange(70_000, dtype=np.uint64) + np.uint64(pack_key(1, 0))
    with IndexWriter(tmp_path) as writer:
        writer.define_list("list", Role.ALERT)
        for begin in range(0, 70_000, 10_000):
            writer.add(PDQ, codes[begin : begin + 10_000], keys[begin : begin + 10_000])
            writer.commit()
    index = Index.open(tmp_path)
    assert [s.record.kind for s in index._now.segments()] == [Kind.PLANES] * 7
    before = as_hits(index.search(codes[::500]))
    with IndexWriter(tmp_path) as writer:
        writer.compact()
    assert as_hits(index.search(codes[::500])) == before
    assert [s.record.kind for s in index._now.segments()] == [Kind.TABLES]


def test_nothing_changed_writes_nothing(tmp_path):
    build(tmp_path, code(1))
    before = names(tmp_path)
    with IndexWriter(tmp_path) as writer:
        assert writer.commit() == 1
        assert writer.compact() == 2
    assert {n for n in names(tmp_path) if n.startswith("segment")} <= before


def test_leftovers_are_swept_and_what_is_not_ours_stays(tmp_path):
    build(tmp_path, code(1))
    for name in ("segment-0000abcd", "manifest.new", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    with IndexWriter(tmp_path):
        pass
    assert names(tmp_path) == {"lock", "manifest", "notes.txt", "segment-00000001"}
    assert Index.open(tmp_path).search(code(1)).key.tolist() == key(0).tolist()


def test_a_full_disk_leaves_the_index_as_it_was(tmp_path, monkeypatch):
    index = build(tmp_path, code(1))
    before = names(tmp_path)

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with IndexWriter(tmp_path) as writer:
        writer.add(PDQ, code(2), key(2))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(ServiceError, match="No space left") as caught:
                writer.commit()
    assert caught.value.code == "index_write"
    assert names(tmp_path) == before
    assert index.search(code(1)).key.tolist() == key(0).tolist()
    assert not index.refresh()


def test_every_step_of_a_commit_may_be_the_last(tmp_path):
    """End a writer at its first step that reaches the disk, its second, and so on."""
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 256, (300, 32), dtype=np.uint8)
    folder = tmp_path / "index"
    build(folder, codes)  # compiles what the children need
    steps, done = 0, False
    while not done:
        steps += 1
        child = os.fork()
        if child == 0:
            _change(folder, codes, steps)
        done = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        index = Index.open(folder)
        index.verify()
        state = (index.generation, index.count(PDQ), index.count("md5"))
        if state == (1, 300, 0):
            continue
        assert state == (2, 400, 100)
        break
    assert steps > 8
    with IndexWriter(folder):
        pass
    assert names(folder) == {"lock", "manifest"} | Index.open(folder)._now.manifest.files()


def _change(folder: Path, codes, last: int) -> None:
    count = 0

    def counted(function):
        def call(*arguments, **named):
            nonlocal count
            count += 1
            if count == last:
                os._exit(1)
            return function(*arguments, **named)

        return call

    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)  # type: ignore[method-assign]  # in a child of its own
    Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]  # likewise
    Path.open = counted(Path.open)  # type: ignore[method-assign]  # likewise
    try:
        with IndexWriter(folder) as writer:
            number = writer.define_list("more", Role.ALERT)
            keys = np.arange(200, dtype=np.uint64) + np.uint64(pack_key(number, 0))
            writer.add(PDQ, codes[:200], keys)
            writer.add("md5", codes[:100, :16].copy(), keys[:100])
            writer.delete_keys(np.arange(100, dtype=np.uint64) + np.uint64(pack_key(1, 0)))
            writer.commit()
        os._exit(0)
    finally:
        os._exit(2)


def test_damaged_offsets_and_row_numbers_do_not_read_outside(tmp_path):
    """Without `verify` a damaged file may make a search wrong, but must not end the process."""
    rng = np.random.default_rng(5)
    index = build(tmp_path, clusters(70_000, rng))
    segment = index._now.segments()[0]
    sections = segment.record.shape.sections()
    data = bytearray(segment.path.read_bytes())
    for name in ("offsets", "ids"):
        begin = sections[name].offset
        data[begin : sections[name].end] = rng.bytes(sections[name].end - begin)
    segment.path.write_bytes(data)
    child = os.fork()
    if child == 0:
        try:
            Index.open(tmp_path).search(rng.integers(0, 256, (50, 32), dtype=np.uint8))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    with pytest.raises(IntegrityError, match="changed or damaged"):
        Index.open(tmp_path).verify()


def test_a_missing_segment_is_named(tmp_path):
    index = build(tmp_path, code(1))
    index._now.segments()[0].path.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        Index.open(tmp_path)
    assert len(index.search(code(1)).key) == 1  # what is mapped stays


def test_building_takes_little_memory(tmp_path):
    rng = np.random.default_rng(6)
    rows, block = 1_000_000, 50_000
    with IndexWriter(tmp_path) as writer:
        writer.define_list("list", Role.ALERT)
        tracemalloc.start()
        try:
            for begin in range(0, rows, block):
                codes = rng.integers(0, 256, (block, 32), dtype=np.uint8)
                first = pack_key(1, begin)
                writer.add(PDQ, codes, np.arange(first, first + block, dtype=np.uint64))
            writer.commit()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 24 << 20  # one table of sixteen, and a block
    assert Index.open(tmp_path).count(PDQ) == rows <= ROWS_MAXIMUM
