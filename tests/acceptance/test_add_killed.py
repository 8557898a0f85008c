"""`kill -9` of `tutela case add`, again and again: resumed, the case is that of a calm day."""

from __future__ import annotations

import csv
import hashlib
import io
import random
import time
from pathlib import Path
from typing import Any

import pytest
from installed import Installed, kill, until
from portraits import portrait, written

import databases
from tutela.cli.demo import draw
from tutela.store import Database

TEXTS = 2100
PICTURES = 24
LISTED = range(0, TEXTS, 13)
# When more than so many sightings are written.
KILLS = (-1, 0, 1000)


def evidence(folder: Path) -> Path:
    """Write texts, of which every tenth is there twice, and pictures with copies."""
    for number in range(TEXTS):
        file = folder / "texts" / f"{number % 7}" / f"{number:04}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text(number))
    for number in range(PICTURES):
        file = folder / "DCIM" / f"{number:04}.jpg"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(picture(number // 2, quality=90 - 20 * (number % 2)))
    return folder


def text(number: int) -> bytes:
    return b"invented line %d\n" % (number - number % 10 if number % 10 == 9 else number)


def picture(number: int, quality: int) -> bytes:
    stream = io.BytesIO()
    draw.landscape(number).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


def list_of(file: Path) -> Path:
    with file.open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["sha256", "scheme", "code"])
        for number in LISTED:
            table.writerow([hashlib.sha256(text(number)).hexdigest(), "invented", "A"])
    return file


def begun(installed: Installed, folder: Path, listed: Path) -> list[object]:
    """Make a case that keeps media, and return the words that add the evidence to it."""
    authority = ["--legal-basis", "Test Act", "--reference", "W1", "--granted-by", "Court"]
    installed.run("case", "new", "OP-1", *authority, "--keep-media")
    return ["case", "add", "OP-1", folder, "--label", "E1", "--device", "phone", "--list", listed]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("material")
    return evidence(folder / "evidence"), list_of(folder / "partner.csv")


@pytest.fixture(scope="module")
def calm(
    material: tuple[Path, Path], sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What the rows are where nothing is killed."""
    folder = tmp_path_factory.mktemp("calm")
    url = databases.sqlite_factory(sqlite_template, folder).url()
    installed = Installed.new(folder / "home", url)
    installed.run(*begun(installed, *material))
    with Database(url) as database:
        return portrait(database)


def test_a_killed_adding_goes_on_to_the_same_rows(
    installed: Installed, material: tuple[Path, Path], calm: dict[str, Any]
):
    words = begun(installed, *material)
    chance = random.Random(7)
    with Database(installed.url) as database:
        for number, enough in enumerate(KILLS):
            adding = installed.begin(*words, *["--resume"] * bool(number))
            until(lambda enough=enough: written(database) > enough)
            time.sleep(chance.random() / 10)
            kill(adding)
        done = installed.run(*words, "--resume")
        killed = portrait(database)
    assert f"{TEXTS + PICTURES:,} files seen" in done.stdout
    for name, rows in calm.items():
        assert killed[name] == rows, name
    counted = {name: len(rows) for name, rows in killed.items()}
    contents = TEXTS - TEXTS // 10 + PICTURES
    assert counted == {
        "cases": 1,
        "exhibits": 1,
        "media": contents,
        "media_facts": 0,
        "sightings": TEXTS + PICTURES,
        "media_hits": len(LISTED),
        "case_media": contents,
        "stacks": PICTURES // 2,
        "grades": 0,
        "notes": 0,
        "kept": 2 * PICTURES,
        "in the log": 3,
    }
    installed.assert_sound()
    installed.run("vault", "check")
