from pathlib import Path

import pytest

from tutela.core.errors import IntegrityError, ServiceError, UsageError
from tutela.core.media import Digests
from tutela.evidence.folder import Found
from tutela.scan import wire
from tutela.scan.journal import Journal, Mode
from tutela.scan.wire import Outcome, Status


def found(name: bytes, size: int = 1) -> Found:
    return Found(b"/" + name, "file", size_bytes=size)


def outcome(item: int, order: wire.Order = (), contents: int = 0, reason: str = "") -> Outcome:
    return Outcome(
        item=item,
        order=order,
        status=Status.FAILED if reason else Status.HASHED,
        reason=reason,
        contents=contents,
        digests=Digests(sha256=bytes([item]) * 32),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "a.scan"


def opened(path: Path, mode: Mode = "new") -> Journal:
    return Journal(path, mode)


def test_orders_sort_as_contents_lie():
    orders: list[wire.Order] = [(), (1,), (1, 1), (1, 1, 9), (1, 2), (2,), (256,), (70000, 3)]
    packed = [wire.pack_order(order) for order in orders]
    assert packed == sorted(packed)
    assert [wire.unpack_order(p) for p in packed] == orders


def test_what_was_recorded_is_there_after_a_restart(path: Path):
    with opened(path) as journal, journal.batch():
        item, done = journal.found(found(b"a"), 0)
        assert not done
        journal.record(outcome(item), [])
    with opened(path, "resume") as journal, journal.batch():
        journal.begin_walk()
        assert journal.found(found(b"a"), 0) == (item, True)
        assert journal.ready(0) == item
        assert [r.outcome for r in journal.results(item)] == [outcome(item)]


def test_a_file_that_changed_loses_what_was_recorded(path: Path):
    with opened(path) as journal, journal.batch():
        item, _ = journal.found(found(b"a"), 0)
        journal.record(outcome(item), [])
        journal.begin_walk()
        other, done = journal.found(found(b"a", size=2), 0)
        assert not done
        assert other != item  # late messages about the old file must not meet the new one
        assert journal.media() == 0


def test_a_batch_that_breaks_records_nothing(path: Path):
    with opened(path) as journal:
        with pytest.raises(RuntimeError), journal.batch():
            journal.found(found(b"a"), 0)
            raise RuntimeError
        assert journal.next_open(-1) is None


def test_a_container_is_done_when_its_listing_and_chunks_are(path: Path):
    with opened(path) as journal, journal.batch():
        item, _ = journal.found(found(b"a.zip"), 0)
        journal.add_chunk(item, 1, 2, b"members")
        journal.record(outcome(item, contents=2), [])
        assert journal.ready(0) is None
        assert journal.contents_of(item, ()) == 2
        chunk = journal.next_chunk(set())
        assert chunk is not None
        assert journal.next_chunk({(item, 1)}) is None
        journal.record(outcome(item, (1,)), [])
        journal.record(outcome(item, (2,), reason="crashed"), [])
        journal.finish_chunk(item, 1)
        assert journal.ready(0) == item
        assert journal.orders(item) == {(), (1,), (2,)}
        assert journal.orders(item, members=range(1, 2)) == {(1,)}


def test_contents_are_counted_one_level_deep(path: Path):
    with opened(path) as journal, journal.batch():
        item, _ = journal.found(found(b"a.gz"), 0)
        for order in [(1,), (1, 1), (1, 2), (1, 2, 1), (2,)]:
            journal.record(outcome(item, order), [])
        assert journal.contents_of(item, ()) == 2
        assert journal.contents_of(item, (1,)) == 2


def test_a_scan_of_which_nothing_is_recorded_is_in_nobodys_way(path: Path):
    opened(path).close()
    opened(path).close()


def test_a_file_met_twice_is_an_error(path: Path):
    with opened(path) as journal, pytest.raises(IntegrityError), journal.batch():
        journal.found(found(b"a"), 0)
        journal.found(found(b"a"), 1)


def test_an_unfinished_scan_is_neither_lost_nor_resumed_unasked(path: Path):
    with opened(path) as journal, journal.batch():
        item, _ = journal.found(found(b"a"), 0)
        journal.record(outcome(item), [])
    with pytest.raises(UsageError, match="unfinished") as caught:
        opened(path)
    assert "--resume" in caught.value.hint
    opened(path, "fresh").close()


def test_two_scans_of_the_same_paths_exclude_each_other(path: Path):
    with opened(path), pytest.raises(UsageError, match="another process"):
        opened(path, "resume")


def test_a_damaged_journal_is_told_apart(path: Path):
    path.parent.mkdir()
    path.write_bytes(b"not a database, however long it may be" * 100)
    with pytest.raises(IntegrityError, match="damaged"):
        opened(path, "resume")
    opened(path, "fresh").close()


def test_a_state_folder_that_cannot_be_made_is_an_error(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ServiceError, match="state folder"):
        opened(tmp_path / "file" / "a.scan")


def test_a_finished_scan_leaves_nothing_behind(path: Path):
    journal = opened(path)
    journal.remove()
    assert [p.suffix for p in path.parent.iterdir()] == [".lock"]
