"""`kill -9` of `tutela case import`, again and again: run again, the case is that of a calm day."""

from __future__ import annotations

import hashlib
import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from installed import Installed, kill, until
from portraits import portrait, written

import databases
from tutela.store import Database

RECORDS = 6000
CONTENTS = 4000
AUTHORITY = ["--legal-basis", "Invented Act", "--reference", "W 1", "--granted-by", "A Court"]
# When more than so many places are written.
KILLS = (-1, 0, 2000)


def record(number: int) -> dict[str, Any]:
    """Return a record; the contents of some are there twice, and some are graded."""
    content = b"content %d" % (number % CONTENTS)
    md5 = hashlib.md5(content).hexdigest()
    sha256 = hashlib.sha256(content).hexdigest()
    return {
        "MediaID": number,
        "Category": number % CONTENTS % 4,
        "MD5": md5,
        "SHA1": hashlib.sha1(content).hexdigest(),
        "MediaSize": 1000,
        "Tags": "red, blue" if number % 10 == 0 else "",
        "Comments": f"note {number}" if number % 100 == 0 else None,
        "AlternativeHashes": [{"MD5": md5, "HashName": "SHA256", "HashValue": sha256}],
        "x_invented": {"number": number},
        "MediaFiles": [{"MD5": md5, "FileName": f"{number}.jpg", "FilePath": "DCIM"}],
    }


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    case = {"CaseNumber": "OP-9", "Media": [record(number) for number in range(RECORDS)]}
    context = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Cases"
    made = tmp_path_factory.mktemp("vics") / "case.json"
    made.write_text(json.dumps({"@odata.context": context, "value": [case]}), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def calm(
    file: Path, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What the rows are where nothing is killed."""
    folder = tmp_path_factory.mktemp("calm-import")
    url = databases.sqlite_factory(sqlite_template, folder).url()
    Installed.new(folder / "home", url).run("case", "import", file, *AUTHORITY)
    with Database(url) as database:
        return portrait(database)


def test_a_killed_import_goes_on_to_the_same_rows(
    installed: Installed, file: Path, calm: dict[str, Any]
):
    words = ["case", "import", file, *AUTHORITY]
    chance = random.Random(11)
    with Database(installed.url) as database:
        for enough in KILLS:
            importing = installed.begin(*words)
            until(lambda enough=enough: written(database) > enough)
            time.sleep(chance.random() / 20)
            kill(importing)
        installed.run(*words)
        killed = portrait(database)
    for name, rows in calm.items():
        assert killed[name] == rows, name
    counted = {name: len(killed[name]) for name in ("media", "sightings", "notes", "grades")}
    assert counted == {
        "media": CONTENTS,
        "sightings": RECORDS,
        "notes": RECORDS // 100,
        "grades": CONTENTS * 3 // 4,
    }
    installed.assert_sound()
