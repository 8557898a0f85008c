"""A list that grows: like a dict, whatever is done to it and whenever it is killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tutela.core.entry import Classification, ListEntry, Provenance, Role, State
from tutela.core.errors import IntegrityError, ServiceError, UsageError
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.hashlist import live
from tutela.hashlist.library import Library
from tutela.hashlist.live import Change, LiveList
from tutela.match.index import Index
from tutela.match.writer import IndexWriter


@pytest.fixture
def entry(samples, received):
    def _entry(seed, *, key=0, state=State.ACTIVE):
        return ListEntry(
            Provenance("L", "feed", key, received.received_at, "Example Hotline"),
            samples.digests(seed),
            (Fingerprint(PDQ, samples.pdq(seed)),),
            (Classification("scheme", f"c{int(seed) % 3}"),),
            state,
        )

    return _entry


@pytest.fixture
def growing(tmp_path, received):
    return LiveList.create(
        tmp_path / "library", "L", role=Role.ALERT, received_at=received.received_at
    )


def found(library, samples, seeds):
    """Return which of `seeds` are found, by digest and by fingerprint alike."""
    queries = [(samples.digests(seed), [Fingerprint(PDQ, samples.pdq(seed))]) for seed in seeds]
    return {seed for seed, hits in zip(seeds, library.find_many(queries), strict=True) if hits}


def agrees(library, model, samples):
    """Hold a list against the plain dict that it should be."""
    (info,) = library.lists
    entries = list(library.entries(info.number))
    assert Counter(entries) == Counter(model.values())
    assert (info.entries, info.rows) == (len(model), len(model))
    assert sum(c.entries for c in info.classifications) == len(model)
    live_entries = [e for e in model.values() if e.state is State.ACTIVE]
    assert info.compared.get("sha256", 0) == len(live_entries)
    seeds = range(40)
    assert found(library, samples, seeds) == {
        seed for seed in seeds if any(e.digests == samples.digests(seed) for e in live_entries)
    }


OPERATION = st.one_of(
    st.tuples(st.integers(0, 11), st.integers(0, 39), st.booleans()),
    st.tuples(st.integers(0, 11), st.none(), st.none()),
)
RUNS = st.lists(
    st.tuples(
        st.sampled_from(["apply", "apply", "load", "compact", "reopen"]), st.lists(OPERATION)
    ),
    max_size=8,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(runs=RUNS)
def test_it_is_what_a_dict_would_be(runs, tmp_path_factory, entry, samples, received):
    path = tmp_path_factory.mktemp("live") / "library"
    growing = LiveList.create(path, "L", role=Role.ALERT, received_at=received.received_at)
    reader = Library.open(path)  # of another process, say
    model = {}
    for step, (what, operations) in enumerate(runs):
        changes = [
            Change(
                f"key {key}".encode(),
                None
                if seed is None
                else entry(seed, key=key, state=State.ACTIVE if active else State.WITHDRAWN),
            )
            for key, seed, active in operations
        ]
        after = {} if what == "load" else dict(model)
        for key, changed in changes:
            after.pop(key, None)
            if changed is not None:
                after[key] = changed
        checkpoint = f"step {step}".encode()
        if what == "apply":
            applied = growing.apply(changes, checkpoint)
            assert applied.added == len(after.keys() - model.keys())
            assert applied.removed == len(model.keys() - after.keys())
            same = model.keys() & after.keys()
            assert applied.replaced >= sum(model[key] != after[key] for key in same)
        elif what == "load":
            assert growing.load(changes, checkpoint).added == len(after)
        elif what == "compact":
            growing.compact(thorough=step % 2 == 0)
        else:
            growing = LiveList.open(path, "L")
        if what in ("apply", "load"):
            model = after
            assert growing.checkpoint() == checkpoint
        agrees(growing.library, model, samples)
        agrees(reader, model, samples)


def test_a_run_that_is_repeated_changes_nothing(growing, entry):
    changes = [Change(bytes([n]), entry(n, key=n)) for n in range(20)]
    first = growing.apply(changes, b"1")
    assert (first.added, first.replaced, first.removed) == (20, 0, 0)
    assert growing.apply(changes, b"1") == (0, 0, 0, first.generation)
    # When it was received does not make it another entry.
    came = msgspec.structs.replace(
        changes[3].entry.provenance,
        received_at=changes[3].entry.provenance.received_at + timedelta(hours=1),
    )
    again = msgspec.structs.replace(changes[3].entry, provenance=came)
    assert growing.apply([Change(changes[3].key, again)], b"1")[:3] == (0, 0, 0)


def test_a_run_that_fails_leaves_everything_as_it_was(growing, entry, samples):
    growing.apply([Change(b"a", entry(1, key=1))], b"1")

    def failing():
        yield from (Change(bytes([n]), entry(n, key=n)) for n in range(2, 30))
        raise RuntimeError

    before = growing.library.generation
    for run in (growing.apply, growing.load):
        with pytest.raises(RuntimeError):
            run(failing(), b"2")
    assert (growing.checkpoint(), growing.library.generation) == (b"1", before)
    agrees(growing.library, {b"a": entry(1, key=1)}, samples)
    assert [p.name for p in (growing.library.path / "lists").iterdir()] == ["1"]


def test_values_that_are_removed_leave_the_disk_within_a_day(growing, entry, samples, monkeypatch):
    growing.apply([Change(b"a", entry(1)), Change(b"b", entry(2))], b"1")
    growing.apply([Change(b"a", None)], b"2")

    def on_disk():
        files = [path for path in growing.library.path.rglob("*") if path.is_file()]
        return any(samples.digests(1).sha256 in path.read_bytes() for path in files)

    assert growing.tend() is None
    assert on_disk()
    later = live.now() + timedelta(days=1, minutes=1)
    monkeypatch.setattr(live, "now", lambda: later)
    assert growing.tend() == growing.library.generation
    assert not on_disk()
    agrees(growing.library, {b"b": entry(2)}, samples)
    assert growing.tend() is None


def test_a_list_that_churns_stays_small(growing, entry):
    sizes = []
    for run in range(12):
        growing.apply([Change(bytes([n, 0]), entry(300 * run + n)) for n in range(255)], b"")
        files = growing.library.folder(growing.info.number).iterdir()
        sizes.append(sum(path.stat().st_size for path in files if path.suffix == ".bin"))
    assert max(sizes) < 7 * sizes[0]
    assert len(growing) == 255


def test_a_reader_that_is_slow_keeps_what_it_opened(growing, entry, samples):
    growing.apply([Change(bytes([n]), entry(n, key=n)) for n in range(10)], b"1")
    reader = Library.open(growing.library.path)
    there = reader.entries(growing.info.number)
    first = next(there)
    growing.apply([Change(bytes([n]), None) for n in range(10)], b"2")
    growing.compact()
    assert [first, *there] == [entry(n, key=n) for n in range(10)]
    assert found(reader, samples, range(10)) == set()


def test_only_its_keeper_may_replace_it(growing, tmp_path, samples):
    file = tmp_path / "list.txt"
    file.write_text(samples.digest("md5", 1).hex() + "\n")
    with pytest.raises(UsageError) as caught:
        growing.library.add(file, name="L", role=Role.ALERT, replace=True)
    assert caught.value.code == "list_grows"
    growing.library.add(file, name="imported", role=Role.ALERT)
    with pytest.raises(UsageError) as caught:
        LiveList.open(growing.library.path, "imported")
    assert caught.value.code == "list_imported"
    with pytest.raises(UsageError):
        LiveList.create(growing.library.path, "L", role=Role.ALLOW)


def test_it_waits_for_another_writer_and_says_so_in_the_end(growing, entry):
    growing._wait_s = 0.2
    with IndexWriter(growing.library.path / "index"), pytest.raises(ServiceError) as caught:
        growing.apply([Change(b"a", entry(1))], b"1")
    assert caught.value.code == "index_locked"


def test_nobody_finds_an_entry_by_asking_for_its_key(growing, entry):
    growing.apply([Change(b"a", entry(1))], b"1")
    asked = Fingerprint("entry-key", live_key := b"a" * 32)
    assert len(live_key) == 32
    assert growing.library.find(Digests(), [asked]) == []
    forged = msgspec.structs.replace(entry(2), fingerprints=(asked,))
    growing.apply([Change(b"b", forged)], b"2")
    assert growing.apply([Change(b"a", None)], b"3").removed == 1
    assert len(growing) == 1


def segments_of(path):
    """Return the segments of a library as somebody else would receive them."""
    return list(Index.open(path / "index").segments())


def test_index_rows_made_elsewhere_are_taken_in(growing, entry, samples, tmp_path):
    source = LiveList.create(tmp_path / "source", "other", role=Role.ALERT)
    changes = [Change(bytes([n]), entry(n, key=n)) for n in range(30)]
    source.load(changes, b"")
    segments = segments_of(source.library.path)
    growing.apply([Change(b"x", entry(35))], b"0")
    growing.load(changes, b"1", segments)
    agrees(growing.library, {change.key: change.entry for change in changes}, samples)
    growing.apply([Change(bytes([3]), None), Change(bytes([4]), entry(36, key=4))], b"2")
    assert found(growing.library, samples, range(40)) == {*range(30), 36} - {3, 4}


def test_index_rows_of_other_entries_are_refused(growing, entry, tmp_path):
    source = LiveList.create(tmp_path / "source", "other", role=Role.ALERT)
    changes = [Change(bytes([n]), entry(n, key=n)) for n in range(30)]
    source.load(changes, b"")
    segments = segments_of(source.library.path)
    growing.apply([Change(b"x", entry(35))], b"0")
    others = [
        changes[:-1],
        [*changes, changes[0]],
        [changes[1], changes[0], *changes[2:]],
        [*changes[:-1], Change(changes[-1].key, entry(38, key=29))],
    ]
    for given_segments in (segments, segments[:-1]):
        for wrong in others if given_segments is segments else [changes[:-1]]:
            with pytest.raises(IntegrityError):
                growing.load(wrong, b"1", given_segments)
    keys_only = [s for s in segments if s.record.space != "entry-key"]
    with pytest.raises(IntegrityError):
        growing.load(changes, b"1", keys_only)
    assert growing.checkpoint() == b"0"


WRITER = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
from conftest import Samples, WHEN
from tutela.core.entry import ListEntry, Provenance, Role
from tutela.core.media import PDQ, Fingerprint
from tutela.hashlist.live import Change, LiveList
samples = Samples()
growing = LiveList.create(Path({path!r}), "L", role=Role.ALERT, received_at=WHEN)
step = int(growing.checkpoint() or b"0")
while True:
    step += 1
    changes = [
        Change(bytes([n]), None if (step + n) % 7 == 0 else ListEntry(
            Provenance("L", "feed", n, WHEN, "h"), samples.digests(step * 100 + n),
            (Fingerprint(PDQ, samples.pdq(step * 100 + n)),)))
        for n in range(60)
    ]
    growing.apply(changes, str(step).encode())
    if step % 5 == 0:
        growing.compact(thorough=step % 2 == 0)
    print("done", flush=True)
"""


def test_killed_at_any_moment_it_is_as_before_or_as_after(tmp_path, samples):
    path = tmp_path / "library"
    program = WRITER.format(paths=[str(Path(__file__).parent)], path=str(path))
    chance = random.Random(4)
    steps = []
    for _ in range(5):
        worker = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert worker.stdout.readline() == b"done\n"
        time.sleep(chance.uniform(0, 0.3))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        library = Library.open(path)
        step = int(LiveList(library, "L").checkpoint() or b"0")
        steps.append(step)
        expected = {
            samples.digests(step * 100 + n).sha256 for n in range(60) if step and (step + n) % 7
        }
        number = library.info("L").number
        there = {entry.digests.sha256 for entry in library.entries(number)}
        assert there == expected
        library.index.verify()
        seeds = [s * 100 + n for s in range(max(1, step - 2), step + 2) for n in range(60)]
        assert {samples.digests(seed).sha256 for seed in found(library, samples, seeds)} == expected
    assert steps == sorted(steps)
    assert steps[-1] > 5
