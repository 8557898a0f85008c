"""A small evidence with everything in it, and a way to scan it in another process."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image, ImageOps

sys.path.insert(0, str(Path(__file__).parent))

from scan_support import Run, command, encoded

from tutela.cli.demo import draw, fat
from tutela.fingerprint import content
from tutela.fingerprint.digest import digests


@pytest.fixture(scope="session")
def landscapes() -> list[Image.Image]:
    return [draw.landscape(seed).resize((512, 384)) for seed in range(6)]


@pytest.fixture(scope="session")
def known(landscapes: list[Image.Image]) -> list[bytes]:
    """Pictures of the list."""
    return [encoded(picture, quality=90) for picture in landscapes[:4]]


@pytest.fixture(scope="session")
def unknown(landscapes: list[Image.Image]) -> list[bytes]:
    """Pictures that are on no list."""
    return [encoded(picture, quality=90) for picture in landscapes[4:]]


@pytest.fixture
def listed(tmp_path: Path, known: list[bytes]) -> Path:
    """Write a list of the known pictures."""
    path = tmp_path / "known.csv"
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["sha256", "pdq", "scheme", "code"])
        for picture in known:
            sha256, pdq = digests(picture).sha256, content.fingerprint(picture)[0].bits
            assert sha256
            table.writerow([sha256.hex(), pdq.hex(), "test", "A"])
    return path


@pytest.fixture
def evidence(tmp_path: Path, known: list[bytes], unknown: list[bytes]) -> Path:
    """Build a folder with pictures, archives in archives, a disk image, and what cannot be read."""
    folder = tmp_path / "evidence"
    (folder / "phone").mkdir(parents=True)
    (folder / "phone" / "a.jpg").write_bytes(known[0])
    (folder / "phone" / "b.jpg").write_bytes(unknown[0])
    with Image.open(io.BytesIO(known[1])) as picture:
        mirrored = encoded(ImageOps.mirror(picture), "PNG")
    (folder / "phone" / "mirrored.png").write_bytes(mirrored)
    (folder / "phone" / "cut.jpg").write_bytes(known[2][:5000])
    (folder / "phone" / os.fsdecode(b"\xff\xfe.txt")).write_bytes(b"a name that is not UTF-8")
    (folder / "phone" / "link").symlink_to("a.jpg")
    os.mkfifo(folder / "phone" / "pipe")
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        for name, data in (("deep/c.jpg", known[3]), ("deep/d.txt", b"text")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    with zipfile.ZipFile(folder / "box.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/a copy.jpg", known[0])
        archive.writestr("x/inner.tar.gz", inner.getvalue())
    (folder / "sorted.tar.gz").write_bytes(inner.getvalue())
    card = {"K.JPG": known[1], "U.JPG": unknown[1], "T.TXT": b"text"}
    (folder / "card.img").write_bytes(fat.image("DCIM", card))
    return folder


@pytest.fixture
def tutela_scan() -> Callable[..., Run]:
    """Run `tutela scan --format jsonl` with more arguments."""

    def run(*arguments: object, **options: Any) -> Run:
        done = subprocess.run(
            command(*arguments), capture_output=True, timeout=120, check=False, **options
        )
        lines = done.stdout.splitlines()
        return Run(
            done.returncode, [msgspec.json.decode(line) for line in lines], done.stderr.decode()
        )

    return run
