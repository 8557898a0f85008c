"""The whole pipeline, with real workers."""

from __future__ import annotations

import ctypes
import hashlib
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
from PIL import Image
from scan_support import Run, command, encoded, scanned, session

from tutela.core.errors import InputError, UsageError
from tutela.evidence import folder
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
    if bytes(data).endswith(b"CRASH"):
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


def bmp(number: int) -> bytes:
    """Return a tiny picture; `crashing` breaks on it if it ends in CRASH."""
    return encoded(Image.new("RGB", (8, 8), (number % 256, number // 256, 7)), "BMP")


def test_crashes_in_one_image_cost_no_neighbour_its_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(content, "fingerprint", crashing)
    root = tmp_path / "e"
    root.mkdir()
    with zipfile.ZipFile(root / "many.zip", "w") as archive:
        for number in range(1600):
            evil = b"CRASH" if number % 64 == 5 else b""
            archive.writestr(f"{number:04}.bmp", bmp(number) + evil)
    with session(root) as opened:
        found = scanned(opened)
    failed = [row["inside"][0] for row in found if row["type"] == "failed"]
    assert failed == [f"{number:04}.bmp" for number in range(5, 1600, 64)]
    assert found[-1]["seen"] == 1601


def test_an_archive_made_to_break_readers_takes_nothing_else_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(content, "fingerprint", crashing)
    root = tmp_path / "e"
    root.mkdir()
    inner = BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        for number in range(40):
            archive.writestr(f"{number}.bmp", bmp(number) + b"CRASH")
    with tarfile.open(root / "all.tar.gz", "w:gz") as tar:
        for name, data in (("a.txt", b"a"), ("evil.zip", inner.getvalue()), ("z.txt", b"z")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, BytesIO(data))
    (root / "innocent.txt").write_text("text")
    with session(root) as opened:
        found = scanned(opened)
    assert found[-1]["seen"] == len(found) - 1
    last = {(row["inside"] or [Path(row["path"]).name])[-1]: row["type"] for row in found[:-1]}
    assert last["innocent.txt"] == "file"


def test_a_container_that_changes_after_its_listing_is_not_mixed_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "e"
    root.mkdir()

    def pack(mark: bytes) -> None:
        with zipfile.ZipFile(root / "many.zip", "w") as archive:
            for number in range(640):
                archive.writestr(f"{number:03}.bin", mark + b"%03d" % number)

    pack(b"old")
    with session(root, jobs=1) as opened:
        submit = opened.pipeline.pool.submit
        given: list[int] = []

        def submitting(payload: bytes, files: list[int]) -> int:
            given.append(len(files))
            if len(given) == 4:
                pack(b"new")
            return submit(payload, files)

        monkeypatch.setattr(opened.pipeline.pool, "submit", submitting)
        found = scanned(opened)
    contents = {row["sha256"] for row in found[1:641] if row["type"] == "file"}
    new = {hashlib.sha256(b"new%03d" % number).hexdigest() for number in range(640)}
    assert not contents & new
    assert {row["reason"] for row in found if row["type"] == "failed"} == {"changed"}


def test_a_file_that_is_gone_on_resume_keeps_what_it_gave(
    tmp_path: Path, known: list[bytes], monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "e"
    root.mkdir()
    with tarfile.open(root / "all.tar.gz", "w:gz") as tar:
        for number in range(400):
            data = known[0] + b"%d" % number
            entry = tarfile.TarInfo(f"{number:03}.jpg")
            entry.size = len(data)
            tar.addfile(entry, BytesIO(data))
    with session(root, jobs=1) as first:
        first.pipeline.watch = lambda state: setattr(
            first.pipeline, "stop", state.contents_done > 20
        )
        with pytest.raises(KeyboardInterrupt):
            scanned(first)

    def refused(_found: object) -> list[int]:
        raise InputError("cannot be opened: input/output error", code="unreadable")

    monkeypatch.setattr(folder, "open_found", refused)
    with session(root, jobs=1) as second:
        found = scanned(second)
    assert found[0]["reason"] == "unreadable"
    assert found[-1]["seen"] > 20


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_scan_at_a_turn(evidence: Path, listed: Path, stop: signal.Signals):
    with tarfile.open(evidence / "long.tar.gz", "w:gz") as tar:
        for number in range(3000):
            entry = tarfile.TarInfo(f"{number}.bin")
            entry.size = 20_000
            tar.addfile(entry, BytesIO(random.Random(number).randbytes(20_000)))
    scan = subprocess.Popen(
        command(evidence, "--list", listed, "--resume"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert scan.stdout
    scan.stdout.readline()
    scan.send_signal(stop)
    _, errors = scan.communicate(timeout=30)
    assert scan.returncode == 130
    assert b"interrupted; " in errors
    assert b"--resume goes on" in errors
    assert b"Traceback" not in errors


def test_a_scan_without_a_list_says_so(evidence: Path, tutela_scan: Callable[..., Run]):
    assert "nothing is compared" in tutela_scan(evidence).errors


def test_a_list_given_as_a_file_is_asked_only_where_it_is_named(
    evidence: Path, listed: Path, tutela_scan: Callable[..., Run]
):
    assert tutela_scan(evidence, "--list", listed).of("hit")
    assert not tutela_scan(evidence).of("hit")


def test_a_mistaken_command_leaves_nothing_in_the_way(
    evidence: Path, listed: Path, tmp_path: Path, tutela_scan: Callable[..., Run]
):
    assert tutela_scan(evidence, "--list", "typo.csv").status == 2
    assert tutela_scan(tmp_path / "later").status == 2
    assert tutela_scan(evidence, "--report", evidence / "report").status == 2
    assert tutela_scan(evidence, "--list", listed).status == 1
