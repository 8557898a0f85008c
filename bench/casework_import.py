"""Import of a large VICS case: media a second beside a bare parser, and how much memory it takes.

    python bench/casework_import.py DATABASE_URL FILE

imports in a process of its own, whose peak is its own, and prints what it took as JSON.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import ijson

import casework_fill as filling
import casework_stage as stage
from casework_fill import MOMENT
from measure import Figure
from tutela.access import accounts
from tutela.casework.arrange import arrange
from tutela.casework.formats.vics_case_read import import_vics
from tutela.casework.model import NewAuthority
from tutela.core.principal import Via
from tutela.store import Database

GOAL_MIB = 1024
ROOT = "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/US/$metadata#Cases"
# Of five media one lay in two places.
TWICE = 5
RECORD = (
    '{"MediaID":%d,"Category":%s,"MD5":"%s","SHA1":"%s","MimeType":"image/jpeg","MediaSize":%d,'
    '"RelativeFilePath":"Files\\\\%d.jpg","AlternativeHashes":[{"MD5":"%s","HashName":"SHA256",'
    '"HashValue":"%s"}],"MediaFiles":[%s]}'
)
PLACE = (
    '{"MD5":"%s","FileName":"IMG_%d.jpg","FilePath":"EXH01\\\\%s\\\\%d\\\\IMG_%d.jpg",'
    '"Created":"2026-01-01T09:00:00.0000000Z","Written":"2026-01-01T09:00:00.0000000Z",'
    '"Accessed":"2026-01-01T09:00:00.0000000Z","Unallocated":false,"Deleted":false,'
    '"SourceID":"EXH01","PhysicalLocation":%d}'
)


def figures(media: int) -> list[Figure]:
    """Measure the import of a case of so many media into SQLite, beside `ijson` alone."""
    with tempfile.TemporaryDirectory(prefix="tutela-bench-") as folder:
        file = Path(folder) / "case.json"
        _write(file, media)
        with stage.opened("sqlite") as database:
            took = _child(database.url.render_as_string(hide_password=False), file)
        alone = _parsed(file, media)
    rate, bare = media / took["import_s"], media / alone
    size = f"VICS 2.0 case of {media:,} media"
    goal = f"<= {GOAL_MIB} MiB"
    return [
        Figure(f"{size}, SQLite: import", rate, "media/s", "ijson alone", bare, rate / bare),
        Figure(
            f"{size}: most memory of its own while importing",
            took["import_mib"],
            "MiB",
            goal=goal,
            holds=took["import_mib"] <= GOAL_MIB,
        ),
        Figure(
            f"{size}: most memory of its own while arranging",
            took["arrange_mib"],
            "MiB",
            goal=goal,
            holds=took["arrange_mib"] <= GOAL_MIB,
        ),
        Figure(f"{size}: arranging afterwards", took["arrange_s"], "s"),
        Figure(
            f"{size}: most memory, mapped pages of the database included", took["all_mib"], "MiB"
        ),
    ]


def _write(file: Path, media: int) -> None:
    with file.open("w") as stream:
        stream.write(f'{{"@odata.context":"{ROOT}","value":[{{"CaseNumber":"BENCH/VICS",')
        stream.write(f'"TotalMediaFiles":{media},"Media":[\n')
        for number in range(media):
            stream.write(",\n" if number else "")
            stream.write(_record(number))
        stream.write("\n]}]}\n")


def _record(number: int) -> str:
    made = hashlib.sha512(b"%d" % number).hexdigest().upper()
    md5, sha1, sha256 = made[:32], made[32:72], made[64:128]
    places = ",".join(
        PLACE % (md5, number, folder, number // 1000, number, number * 4096)
        for folder in (("DCIM", "Copies") if number % TWICE == 0 else ("DCIM",))
    )
    # One in ten was graded where it came from.
    category = str(number // 10 % 4) if number % 10 == 0 else "null"
    return RECORD % (
        *(number + 1, category, md5, sha1, 100_000 + number % 5000, number),
        *(md5, sha256, places),
    )


def _parsed(file: Path, media: int) -> float:
    begin = time.perf_counter()
    with file.open("rb") as stream:
        found = sum(1 for _ in ijson.items(stream, "value.item.Media.item", buf_size=1 << 18))
    assert found == media
    return time.perf_counter() - begin


def _child(url: str, file: Path) -> dict[str, float]:
    answer = subprocess.run(
        [sys.executable, __file__, url, str(file)], stdout=subprocess.PIPE, check=True
    )
    took: dict[str, float] = json.loads(answer.stdout)
    return took


class _Memory:
    """Looks at this process's memory ten times a second; peaks in MiB."""

    def __init__(self) -> None:
        self.own = self.all = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            self._look()
            time.sleep(0.1)

    def _look(self) -> None:
        lines = Path("/proc/self/status").read_text().splitlines()
        sizes = {key: value for key, _, value in (line.partition(":") for line in lines)}
        own, everything = (int(sizes[key].split()[0]) / 1024 for key in ("RssAnon", "VmRSS"))
        self.own, self.all = max(self.own, own), max(self.all, everything)


def _main(url: str, file: Path) -> dict[str, Any]:
    with Database(url) as database:
        (person,) = filling.staff(database, 1, role="examiner")
        with database.read() as tx:
            who = accounts.principal(tx, person.account_id, Via.CLI)
        until = MOMENT + timedelta(days=36500)
        authority = NewAuthority(
            legal_basis="bench",
            reference="bench",
            scope="bench",
            granted_by="bench",
            valid_from=MOMENT,
            valid_until=until,
        )
        memory = _Memory()
        begin = time.perf_counter()
        done = import_vics(database, who, file, authority=authority, arranged=False)
        took = {"import_s": time.perf_counter() - begin, "import_mib": memory.own}
        memory.own = 0.0
        begin = time.perf_counter()
        arrange(database, who, done.case_id)
        took |= {"arrange_s": time.perf_counter() - begin, "arrange_mib": memory.own}
        return took | {"all_mib": memory.all}


if __name__ == "__main__":
    print(json.dumps(_main(sys.argv[1], Path(sys.argv[2]))))
