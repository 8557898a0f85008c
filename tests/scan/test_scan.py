"""The whole pipeline, with real workers."""

from __future__ import annotations

import ctypes
import random
import signal
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from scan_support import Run, command, scanned, session

from tutela.core.errors import UsageError
from tutela.fingerprint import content


def test_everything_seen_has_a_row_and_the_totals_add_up(
    evidence: Path, listed: Path, tutela_scan: Callable[..., Run]
):
    run = tutela_scan(evidence, "--list", listed)
    assert run.status == 1  # the cut picture
    assert run.adds_up()
    assert run.places("failed") == {"cut.jpg"}
    assert run.places("skipped") == {"link", "pipe"}
    inner = "x/inner.tar.gz"
    assert run.places("file") >= {
        "a.jpg",
        "b.jpg",
        "mirrored.png",
        "\\xff\\xfe.txt",
        "box.zip",
        "box.zip/x/a copy.jpg",
        f"box.zip/{inner}",
        f"box.zip/{inner}/deep/c.jpg",
        f"box.zip/{inner}/deep/d.txt",
        "sorted.tar.gz/deep/c.jpg",
        "card.img/DCIM/U.JPG",
        "card.img",
    }


def test_every_listed_picture_is_found_and_nothing_else(
    evidence: Path, listed: Path, tutela_scan: Callable[..., Run]
):
    run = tutela_scan(evidence, "--list", listed)
    found = {
        ("/".join([Path(row["path"]).name, *row["inside"]]), row["strength"])
        for row in run.of("hit")
    }
    assert found == {
        ("a.jpg", "exact"),
        ("mirrored.png", "indicative"),
        ("box.zip/x/a copy.jpg", "exact"),
        ("box.zip/x/inner.tar.gz/deep/c.jpg", "exact"),
        ("sorted.tar.gz/deep/c.jpg", "exact"),
        ("card.img/DCIM/K.JPG", "exact"),
    }
    assert all(row["classification"] == [{"scheme": "test", "code": "A"}] for row in run.of("hit"))


def test_rows_do_not_depend_on_the_number_of_workers(
    evidence: Path, listed: Path, tutela_scan: Callable[..., Run]
):
    one = tutela_scan(evidence, "--list", listed, "--jobs", 1)
    three = tutela_scan(evidence, "--list", listed, "--jobs", 3)
    assert one.rows == three.rows


def test_a_radius_of_zero_finds_only_what_lies_on_the_same_fingerprint(
    evidence: Path, listed: Path, tutela_scan: Callable[..., Run]
):
    run = tutela_scan(evidence, "--list", listed, "--radius", 0)
    assert "mirrored.png" not in run.places("hit")


def test_without_a_list_everything_is_still_hashed(evidence: Path, tutela_scan: Callable[..., Run]):
    run = tutela_scan(evidence)
    assert run.adds_up()
    assert not run.of("hit")


def test_a_scan_killed_at_ten_moments_equals_an_undisturbed_one(
    evidence: Path, listed: Path, known: list[bytes], tutela_scan: Callable[..., Run]
):
    for number in range(60):  # enough to be killed in the middle of
        (evidence / f"more{number:02}.jpg").write_bytes(known[number % 4] + bytes([number]))
    undisturbed = tutela_scan(evidence, "--list", listed)
    dice = random.Random(20261122)
    for _ in range(10):
        scan = subprocess.Popen(
            command(evidence, "--list", listed, "--resume", "--jobs", 1), stdout=subprocess.DEVNULL
        )
        time.sleep(dice.uniform(0.3, 2.5))
        scan.send_signal(signal.SIGKILL)
        if scan.wait() == 1:  # it was quicker than the kill, and has forgotten its journal
            continue
    resumed = tutela_scan(evidence, "--list", listed, "--resume")
    assert resumed.rows == undisturbed.rows
    assert resumed.adds_up()


def test_what_was_recorded_is_not_read_again(evidence: Path, listed: Path):
    with session(evidence, listed) as first:
        running = first.pipeline.run()
        for _ in range(6):
            next(running)
        running.close()  # as an interrupt does
        before = first.pipeline.state.contents_done
        assert before >= 6
    with session(evidence, listed) as second:
        scanned(second)
        total = second.pipeline.summary.seen
        assert second.pipeline.state.contents_done == total - before


def test_a_finished_journal_matched_with_another_list_is_not_read_again(
    evidence: Path, listed: Path
):
    with session(evidence) as first:
        assert not [row for row in scanned(first) if row["type"] == "hit"]
    with session(evidence, listed) as second:
        found = scanned(second)
        assert second.pipeline.state.contents_done == 0
        assert [row for row in found if row["type"] == "hit"]


def test_a_changed_file_is_read_again(evidence: Path, unknown: list[bytes]):
    with session(evidence) as first:
        scanned(first)
    (evidence / "phone" / "a.jpg").write_bytes(unknown[0] + b"changed")
    with session(evidence) as second:
        scanned(second)
        assert second.pipeline.state.contents_done == 1


def test_without_resume_an_unfinished_scan_is_not_thrown_away(
    evidence: Path, tutela_scan: Callable[..., Run]
):
    with session(evidence) as first:
        running = first.pipeline.run()
        next(running)
        running.close()
    run = tutela_scan(evidence)
    assert run.status == 2
    assert "hint: add --resume" in run.errors
    assert tutela_scan(evidence, "--resume").adds_up()


def crashing(data: bytes, *_: object) -> list[object]:
    """Stand in for a decoder that a hostile picture breaks."""
    if data.endswith(b"CRASH"):
        ctypes.string_at(0)
    return []


@pytest.mark.parametrize("where", ["folder", "tar"])
def test_a_content_that_kills_its_reader_is_one_failed_row(
    tmp_path: Path,
    known: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
):
    monkeypatch.setattr(content, "fingerprint", crashing)
    names = [f"{n:02}.jpg" for n in range(30)]
    evil = {"03.jpg", "17.jpg", "18.jpg"}
    root = tmp_path / "e"
    root.mkdir()
    files = {n: known[0] + n.encode() + (b"CRASH" if n in evil else b"") for n in names}
    if where == "folder":
        for name, data in files.items():
            (root / name).write_bytes(data)
    else:
        with tarfile.open(root / "all.tar.gz", "w:gz") as tar:
            for name, data in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, BytesIO(data))
    with session(root) as opened:
        found = scanned(opened)
    failed = {
        (row["inside"] or [Path(row["path"]).name])[-1]: row
        for row in found
        if row["type"] == "failed"
    }
    assert set(failed) == evil
    assert {row["reason"] for row in failed.values()} == {"crashed"}
    assert all(len(row["sha256"]) == 64 for row in failed.values())
    assert found[-1]["seen"] == (30 if where == "folder" else 31)


def test_a_reader_that_hangs_is_one_failed_row(
    tmp_path: Path, known: list[bytes], monkeypatch: pytest.MonkeyPatch
):
    def hanging(data: bytes, *_: object) -> list[object]:
        while data.endswith(b"HANG"):
            pass
        return []

    monkeypatch.setattr(content, "fingerprint", hanging)
    root = tmp_path / "e"
    root.mkdir()
    for n in range(5):
        (root / f"{n}.jpg").write_bytes(known[0] + str(n).encode() + b"HANG" * (n == 2))
    with session(root, item_seconds=1.0) as opened:
        found = scanned(opened)
    (row,) = [row for row in found if row["type"] == "failed"]
    assert (row["reason"], Path(row["path"]).name) == ("silent", "2.jpg")


def test_many_members_are_shared_among_workers(tmp_path: Path):
    root = tmp_path / "e"
    root.mkdir()
    with zipfile.ZipFile(root / "many.zip", "w") as archive:
        for number in range(300):
            archive.writestr(f"{number:03}.bin", b"%d" % number)
    with session(root) as opened:
        found = scanned(opened)
    assert [row["inside"] for row in found[1:301]] == [[f"{n:03}.bin"] for n in range(300)]


def test_scanning_nothing_that_exists_is_an_error(tmp_path: Path):
    with pytest.raises(UsageError, match="cannot scan"), session(tmp_path / "none") as opened:
        scanned(opened)


def test_rows_can_be_read_while_the_scan_goes_on(evidence: Path):
    scan = subprocess.Popen(command(evidence), stdout=subprocess.PIPE)
    assert scan.stdout
    first = msgspec.json.decode(scan.stdout.readline())
    assert first["type"] == "file"
    scan.stdout.close()  # `| head -1`: the scan ends quietly
    assert scan.wait(30) == 130  # it is not done, and must not look so
