"""Hostile input: each becomes a row with a reason, and the scan goes on."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import tarfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from scan_support import TUTELA, Run, command, encoded, scanned, session

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF")


@pytest.fixture
def root(tmp_path: Path, known: list[bytes]) -> Path:
    """Make a folder with one good picture that must always come through."""
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "zz-good.jpg").write_bytes(known[0])
    return folder


def checked(run: Run) -> Run:
    assert run.adds_up()
    assert "zz-good.jpg" in run.places("file")
    assert "Traceback" not in run.errors
    return run


def huge_png(width: int, height: int, kilobytes: int = 1) -> bytes:
    """Return a PNG whose header claims any size, with a little data behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(kilobytes << 10), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def test_pictures_that_claim_to_be_enormous(root: Path, tutela_scan: Callable[..., Run]):
    (root / "claims.png").write_bytes(huge_png(100_000, 100_000))
    (root / "bomb.png").write_bytes(huge_png(14_000, 14_000, kilobytes=300_000))
    (root / "claims.gif").write_bytes(b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(40))
    sizes = (40, 100_000, 100_000, 1, 24, *(0,) * 6)
    bmp = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 99, 0, 0, 54, *sizes)
    (root / "claims.bmp").write_bytes(bmp)
    run = checked(tutela_scan(root))
    assert run.status == 1
    assert run.reason("claims.png") == "too_large"
    assert run.places("failed") == {"claims.png", "bomb.png", "claims.gif", "claims.bmp"}
    assert all(len(row["sha256"]) == 64 for row in run.of("failed"))


def test_archives_that_expand_without_end(root: Path, tutela_scan: Callable[..., Run]):
    with gzip.open(root / "bomb.gz", "wb", 9) as stream:
        for _ in range(600):
            stream.write(bytes(1 << 20))
    with zipfile.ZipFile(root / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open("zeros", "w", force_zip64=True) as stream:
            for _ in range(600):
                stream.write(bytes(1 << 20))
        archive.writestr("innocent.txt", "text")
    inner = (root / "bomb.zip").read_bytes()
    for _ in range(8):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("next.zip", inner)
        inner = packed.getvalue()
    (root / "nested.zip").write_bytes(inner)
    run = checked(tutela_scan(root))
    assert run.reason("bomb.gz/bomb") == "expansion_limit"
    assert run.reason("bomb.zip/zeros") == "expansion_limit"
    assert "bomb.zip/innocent.txt" in run.places("file")
    assert any(row["reason"] == "nesting_limit" for row in run.of("failed"))


def test_names_that_point_elsewhere_write_nothing(root: Path, tutela_scan: Callable[..., Run]):
    outside = root.parent / "written-by-scan"
    names = ["../written-by-scan", "../" * 20 + "tmp/written-by-scan", str(outside), "C:\\x"]
    with zipfile.ZipFile(root / "slip.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "text")
    with tarfile.open(root / "slip.tar", "w") as tar:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"text"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    run = checked(tutela_scan(root))
    assert {"slip.zip/../written-by-scan", "slip.tar/../written-by-scan"} <= run.places("file")
    assert f"slip.zip/{outside}" in run.places("file")
    assert run.reason("slip.tar/link") == "symlink"
    assert not outside.exists()
    assert not Path("/tmp/written-by-scan").exists()


def test_loops_links_pipes_sockets_and_devices(root: Path, tutela_scan: Callable[..., Run]):
    (root / "loop").mkdir()
    (root / "loop" / "again").symlink_to("..")
    (root / "self").symlink_to("self")
    os.mkfifo(root / "pipe")
    listening = socket.socket(socket.AF_UNIX)
    folder = os.open(root, os.O_RDONLY)
    listening.bind(f"/proc/self/fd/{folder}/socket")  # a socket's path is short by law
    os.close(folder)
    if os.getuid() == 0:
        os.mknod(root / "null", 0o600 | 0o020000, os.makedev(1, 3))
    run = checked(tutela_scan(root))
    listening.close()
    assert run.status == 0
    assert run.reason("again") == "symlink"
    assert run.reason("self") == "symlink"
    assert run.reason("pipe") == "fifo"
    assert run.reason("socket") == "socket"
    if os.getuid() == 0:
        assert run.reason("null") == "device"


def test_unreadable_files_and_folders(root: Path):
    (root / "secret.jpg").write_bytes(b"x")
    (root / "secret.jpg").chmod(0)
    (root / "closed").mkdir(mode=0)
    # To root every file is readable, until it gives up these two capabilities.
    obedient = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    words = [*obedient, *command(root)] if os.getuid() == 0 else command(root)
    done = subprocess.run(words, capture_output=True, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    run = checked(Run(done.returncode, found, done.stderr.decode()))
    assert run.status == 1
    assert run.reason("secret.jpg") == "unreadable"
    assert run.reason("closed") == "unreadable"


def test_a_sparse_terabyte_is_neither_read_nor_forgotten(
    root: Path, tutela_scan: Callable[..., Run]
):
    with (root / "hole.bin").open("wb") as stream:
        stream.truncate(1 << 40)
    begin = time.monotonic()
    run = checked(tutela_scan(root))
    assert time.monotonic() - begin < 60
    assert run.reason("hole.bin") == "sparse"
    (row,) = run.of("skipped")
    assert row["size_bytes"] == 1 << 40


def test_a_file_that_changes_while_it_is_read(root: Path, monkeypatch: pytest.MonkeyPatch):
    target = root / "growing.bin"
    target.write_bytes(bytes(64 << 20))
    descriptor = os.open(target, os.O_WRONLY | os.O_APPEND)
    ended = threading.Event()

    def grow() -> None:  # whenever the worker reads, the file grows
        while not ended.wait(0.002):
            os.write(descriptor, b"more")

    growing = threading.Thread(target=grow)
    with session(root, jobs=1) as opened:
        submit = opened.pipeline.pool.submit

        def submitting(payload: bytes, files: list[int]) -> int:
            task = submit(payload, files)
            if growing.ident is None:
                growing.start()
            return task

        monkeypatch.setattr(opened.pipeline.pool, "submit", submitting)
        found = scanned(opened)
    ended.set()
    growing.join()
    os.close(descriptor)
    (row,) = [row for row in found if row["type"] == "failed"]
    assert row["reason"] == "changed"


def spoiled(kind: str, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield truncated and bit-flipped pictures of one format; the same ones every time."""
    dice = random.Random(f"tutela {kind}")
    picture = Image.effect_noise((96, 64), 80).convert("RGB")
    whole = encoded(picture, kind)
    for number in range(count):
        data = bytearray(whole)
        if number % 2:
            del data[dice.randrange(8, len(data)) :]
        else:
            for _ in range(dice.randrange(1, 12)):
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        yield f"{kind.lower()}-{number:02}", bytes(data)


def test_hundreds_of_spoiled_pictures(root: Path, tutela_scan: Callable[..., Run]):
    total = 0
    for kind in FORMATS:
        for name, data in spoiled(kind, 50):
            (root / name).write_bytes(data)
            total += 1
    run = checked(tutela_scan(root))
    (summary,) = run.of("summary")
    assert summary["seen"] == total + 1
    assert {row["reason"] for row in run.of("failed")} <= {"truncated", "undecodable", "too_large"}
    assert len(run.of("failed")) > total / 4


def test_spoiled_archives_and_images(root: Path, tutela_scan: Callable[..., Run], evidence: Path):
    dice = random.Random(5)
    for name in ("box.zip", "sorted.tar.gz", "card.img"):
        whole = (evidence / name).read_bytes()
        for number in range(12):
            data = bytearray(whole)
            if number % 2:
                del data[dice.randrange(600, len(data)) :]
            else:
                for _ in range(40):
                    data[dice.randrange(min(len(data), 200_000))] ^= 1 << dice.randrange(8)
            (root / f"{number:02}-{name}").write_bytes(data)
    run = checked(tutela_scan(root))
    assert run.status == 1


def test_a_full_disk_at_the_report(root: Path, tmp_path: Path):
    if os.getuid() != 0:
        pytest.fail("this test mounts a small file system and needs root")
    small = tmp_path / "small"
    small.mkdir()
    for number in range(300):
        (root / f"{number:03}.txt").write_text(str(number))
    script = (
        f"mount -t tmpfs -o size=16k none {small} && "
        f"{TUTELA} scan --format jsonl --report {small}/report {root}"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, check=False
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    run = checked(Run(done.returncode, found, done.stderr.decode()))
    assert run.status == 1
    assert "No space left on device" in run.errors
    assert "--resume" in run.errors
    again = subprocess.run(
        command(root, "--resume", "--report", tmp_path / "report"), capture_output=True, check=False
    )
    assert again.returncode == 0
    assert again.stdout == done.stdout
    assert len((tmp_path / "report" / "rows.jsonl").read_bytes().splitlines()) == len(found)


def test_a_full_disk_at_the_journal(root: Path, tmp_path: Path):
    if os.getuid() != 0:
        pytest.fail("this test mounts a small file system and needs root")
    small = tmp_path / "small"
    small.mkdir()
    for number in range(500):
        (root / f"{number:03}.txt").write_text(str(number))
    script = (
        f"mount -t tmpfs -o size=256k none {small} && "
        f"TUTELA_SCAN_STATE={small} {TUTELA} scan --format jsonl {root}"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], capture_output=True, check=False
    )
    assert done.returncode == 3
    assert b"error: cannot" in done.stderr
    assert b"hint:" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_deep_tree(root: Path, tutela_scan: Callable[..., Run]):
    here = os.open(root, os.O_RDONLY)
    for _ in range(400):
        os.mkdir("deeper-and-deeper", dir_fd=here)
        inner = os.open("deeper-and-deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    bottom = os.open("bottom.txt", os.O_WRONLY | os.O_CREAT, dir_fd=here)
    os.write(bottom, b"text")
    os.close(bottom)
    os.close(here)
    run = checked(tutela_scan(root))
    assert run.status == 0
    assert any(row["path"].endswith("/bottom.txt") for row in run.of("file"))
    shutil.rmtree(root / "deeper-and-deeper", ignore_errors=True)
    subprocess.run(["rm", "-rf", root], check=True, executable="/bin/rm")
