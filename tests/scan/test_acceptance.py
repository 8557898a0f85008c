"""The issue's own proof: photographs and their edits in an ext4 file system in an E01 image."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pdqhash
import pytest
from PIL import Image, ImageOps
from scan_support import Run

from tutela.core.media import PDQ_QUALITY_MINIMUM, PDQ_RADIUS_BITS
from tutela.fingerprint import content
from tutela.fingerprint.digest import digests

WALLPAPERS = [Path("/usr/share/backgrounds/gnome"), Path("/usr/share/backgrounds/mate")]
KINDS = {".jpg", ".jpeg", ".png", ".webp"}
# Conformance allows our hash to lie this far from the reference.
CONFORMANCE_BITS = 8

EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "resized": lambda p: p.resize((p.width // 3, p.height // 3)),
    "recoded": lambda p: p,
    "rotated": lambda p: p.transpose(Image.Transpose.ROTATE_90),
    "mirrored": ImageOps.mirror,
    "bordered": lambda p: ImageOps.expand(p, p.width // 12, "black"),
}


def bits(code: bytes) -> np.ndarray:
    return np.unpackbits(np.frombuffer(code, np.uint8))


def distance(one: bytes, other: bytes) -> int:
    return int((bits(one) != bits(other)).sum())


def ours(file: Path) -> list[bytes]:
    """Return the eight hashes of a picture's first frame, or nothing if it is near-empty."""
    found = content.fingerprint(file.read_bytes())
    return [f.bits for f in found if f.quality >= PDQ_QUALITY_MINIMUM and not f.frame]


def reference(file: Path) -> tuple[list[bytes], int]:
    """Return the eight hashes by Meta's own code of what a viewer sees, and the quality."""
    with Image.open(file) as picture:
        pixels = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    codes, quality = pdqhash.compute_dihedral(pixels)
    return [np.packbits(code).tobytes() for code in codes], quality


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Copy the photographs at a size that keeps the test short, near-duplicates left out."""
    folder = tmp_path_factory.mktemp("photographs")
    kept: list[tuple[Path, list[bytes]]] = []
    files = sorted(f for place in WALLPAPERS for f in place.rglob("*") if f.suffix in KINDS)
    assert len(files) > 30, "install gnome-backgrounds and mate-backgrounds"
    for number, file in enumerate(files):
        with Image.open(file) as picture:
            picture.draft("RGB", (1200, 1200))
            small = picture.convert("RGB")
        small.thumbnail((1200, 1200))
        path = folder / f"{number:03}.jpg"
        small.save(path, quality=92)
        codes = ours(path)
        near = any(distance(codes[0], c) < 64 for _, others in kept for c in others if codes)
        if codes and not near:
            kept.append((path, codes))
    return [path for path, _ in kept]


@pytest.fixture(scope="module")
def disk(photographs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the folder of photographs and edits, the ext4 image of it, and the E01 of that."""
    place = tmp_path_factory.mktemp("disk")
    folder = place / "files"
    for name in ("pictures", "edits"):
        (folder / name).mkdir(parents=True)
    for photograph in photographs:
        (folder / "pictures" / photograph.name).write_bytes(photograph.read_bytes())
        with Image.open(photograph) as picture:
            for edit, change in EDITS.items():
                changed = change(picture.convert("RGB"))
                changed.save(folder / "edits" / f"{photograph.stem}-{edit}.jpg", quality=55)
    raw = place / "disk.raw"
    subprocess.run(
        ["mkfs.ext4", "-q", "-d", folder, raw, "128M"], check=True, env={"PATH": "/usr/sbin:/sbin"}
    )
    acquire = ["ewfacquire", "-u", "-q", "-c", "fast", "-S", "2M", "-t", place / "disk", raw]
    subprocess.run(acquire, check=True, stdout=subprocess.DEVNULL)
    assert len(list(place.glob("disk.E0*"))) > 1, "the image is meant to have several segments"
    return place


def test_every_listed_picture_in_an_e01_is_found_and_no_other(
    disk: Path, photographs: list[Path], tmp_path: Path, tutela_scan: Callable[..., Run]
):
    listed = {path.stem: ours(path)[0] for path in photographs[::2]}
    known = tmp_path / "known.csv"
    with known.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["sha256", "pdq", "scheme", "code"])
        for path in photographs[::2]:
            sha256 = digests(path.read_bytes()).sha256
            assert sha256
            table.writerow([sha256.hex(), listed[path.stem].hex(), "test", "A"])
    run = tutela_scan(disk / "disk.E01", "--list", known)
    assert run.status == 0
    assert run.adds_up()
    (image,) = [row for row in run.of("file") if row["kind"] == "ewf"]
    assert image["detail"] == "the stored hash matches"

    found = {row["inside"][-1]: row for row in run.of("hit")}
    must = may = 0
    for file in sorted((disk / "files").rglob("*.jpg")):
        name = str(file.relative_to(disk / "files"))
        theirs, quality = reference(file)
        source = file.stem.partition("-")[0]
        best = {stem: min(distance(code, c) for c in ours(file)) for stem, code in listed.items()}
        by_ours = min(best.values()) <= PDQ_RADIUS_BITS
        assert (name in found) == by_ours, f"{name} at {best.get(source)} bits"
        if source not in listed:
            assert name not in found
            continue
        by_reference = min(distance(listed[source], code) for code in theirs)
        if quality >= 80 and by_reference <= PDQ_RADIUS_BITS - CONFORMANCE_BITS:
            must += 1
            assert name in found, f"{name}: the reference finds it at {by_reference} bits"
        may += by_reference <= PDQ_RADIUS_BITS + CONFORMANCE_BITS
        if name in found:
            assert by_reference <= PDQ_RADIUS_BITS + CONFORMANCE_BITS
    # Originals, and three of five edits at least, are within reach of the reference.
    assert must >= len(listed) * 4
    assert len(found) <= may
    exact = {row["inside"][-1] for row in run.of("hit") if row["strength"] == "exact"}
    assert exact == {f"pictures/{stem}.jpg" for stem in listed}


def test_a_damaged_e01_is_told_by_its_hash(
    disk: Path, tmp_path: Path, tutela_scan: Callable[..., Run]
):
    for segment in sorted(disk.glob("disk.E0*")):
        (tmp_path / segment.name).write_bytes(segment.read_bytes())
    second = tmp_path / "disk.E02"
    data = bytearray(second.read_bytes())
    data[len(data) // 2] ^= 0xFF
    second.write_bytes(bytes(data))
    run = tutela_scan(tmp_path / "disk.E01")
    assert run.adds_up()
    assert run.status in (1, 4)
    (image,) = [r for r in run.of("failed") if r["kind"] == "ewf"]
    assert image["reason"] in ("hash_mismatch", "damaged")
