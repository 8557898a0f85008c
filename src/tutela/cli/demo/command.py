"""Makes the demonstration's evidence and list, scans, and says what to look at."""

from __future__ import annotations

import csv
import io
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import astuple
from PIL import Image, ImageEnhance, ImageOps

from tutela.cli import scan
from tutela.cli.demo import draw, fat
from tutela.core.errors import UsageError
from tutela.fingerprint import content
from tutela.fingerprint.digest import digests

LISTED = range(6)
UNLISTED = range(100, 106)
MARKER = ".tutela-demo"

Edit = Callable[[Image.Image], Image.Image]


def demo(folder: Path = Path("tutela-demo")) -> int:
    """Draw pictures, hide edited copies of some, and scan for them.

    Shows Tutela at work within a minute. Everything is drawn by code, nothing comes from elsewhere.

    Args:
        folder: Where to put the evidence, the list and the report. An earlier demonstration there
            is replaced.
    """
    _clear(folder)
    print(f"Drawing pictures into {folder} ...", file=sys.stderr)
    known = _make_list(folder / "known.csv")
    _make_evidence(folder / "evidence", known)
    report = folder / "report"
    print(f"$ tutela scan {folder}/evidence --list {folder}/known.csv --report {report}\n")
    scan.scan(
        str(folder / "evidence"),
        list_=[str(folder / "known.csv")],
        report=report,
        fresh=True,
        config=_own_settings(folder),
    )
    print(
        f"""
Six pictures are on the list. Edited copies of them were found in a folder, in a zip and in a disk
image; six other pictures were not taken for them, and one damaged file is accounted for.

Look at it:     xdg-open {report}/report.html
Every row:      less {report}/rows.jsonl
Your own data:  .venv/bin/tutela scan PATH --list {folder}/known.csv
Next:           docs/tutorial/first-scan.md"""
    )
    return 0


def _clear(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not (folder / MARKER).exists()):
        raise UsageError(
            f"{folder} is there already and is not an earlier demonstration",
            hint="name another folder: tutela demo FOLDER",
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARKER).touch()


def _own_settings(folder: Path) -> Path:
    """Keep the demonstration's list out of the real library."""
    file = folder / "tutela.toml"
    state, library = folder.resolve() / "state", folder.resolve() / "library"
    file.write_text(
        f'[scan]\nstate = "{state}"\n\n[library]\npath = "{library}"\n', encoding="utf-8"
    )
    return file


def _make_list(path: Path) -> list[bytes]:
    """Write the hash list; return the listed pictures as files."""
    pictures = [_encoded(draw.landscape(seed), "JPEG", quality=90) for seed in LISTED]
    with path.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["md5", "sha1", "sha256", "pdq", "scheme", "code"])
        for picture in pictures:
            values = [*astuple(digests(picture)), content.fingerprint(picture)[0].bits]
            table.writerow([*(value.hex() for value in values), "demo", "A"])
    return pictures


def _make_evidence(folder: Path, known: list[bytes]) -> None:
    phone = folder / "phone" / "DCIM"
    phone.mkdir(parents=True)
    (phone / "IMG_0001.jpg").write_bytes(known[0])
    edits = _edited(known)
    for name in ("small.jpg", "mirrored.png", "turned.jpg"):
        (phone / name).write_bytes(edits[name])
    for seed in UNLISTED[:3]:
        (phone / f"IMG_{seed:04}.jpg").write_bytes(_encoded(draw.landscape(seed), "JPEG"))
    (phone / "broken.jpg").write_bytes(known[1][: len(known[1]) // 3])
    (folder / "phone" / "notes.txt").write_text("Bring milk.\n", encoding="utf-8")
    with zipfile.ZipFile(folder / "backup.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("2026/holiday.jpg", known[3])
        archive.writestr("2026/grey.webp", edits["grey.webp"])
        archive.writestr("2026/hills.png", _encoded(draw.landscape(UNLISTED[3]), "PNG"))
    card = {
        "DARK.JPG": edits["dark.jpg"],
        "COPY.JPG": known[5],
        "VALLEY.JPG": _encoded(draw.landscape(UNLISTED[4]), "JPEG"),
        "HOUSES.JPG": _encoded(draw.landscape(UNLISTED[5]), "JPEG"),
    }
    (folder / "card.img").write_bytes(fat.image("DCIM", card))


def _edited(known: list[bytes]) -> dict[str, bytes]:
    def edit(number: int, change: Edit, kind: str, **options: object) -> bytes:
        with Image.open(io.BytesIO(known[number])) as picture:
            return _encoded(change(picture), kind, **options)

    return {
        "small.jpg": edit(1, lambda p: p.resize((480, 360)), "JPEG", quality=60),
        "mirrored.png": edit(2, ImageOps.mirror, "PNG"),
        "turned.jpg": edit(3, lambda p: p.transpose(Image.Transpose.ROTATE_90), "JPEG"),
        "grey.webp": edit(4, ImageOps.grayscale, "WEBP", quality=70),
        "dark.jpg": edit(5, lambda p: ImageEnhance.Brightness(p).enhance(0.6), "JPEG"),
    }


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()
