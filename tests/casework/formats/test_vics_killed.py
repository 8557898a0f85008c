"""An import whose process is killed in the middle of a transaction loses nothing it had said."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from casework_office import Office
from test_vics_case_read import counts, imported_at, rows
from vics_cases import case, document, medium, place, written

from tutela.casework.formats import equal, vics_import
from tutela.store import Database
from tutela.store.tables.casework import Case

PROGRAM = """
import os, signal, sys
sys.path[:0] = {paths!r}
from test_vics_case_read import authority
from tutela.casework.formats import vics_case_read, vics_import
from tutela.core.principal import Principal, Role, Via
from tutela.store import Database

vics_import.BATCH_ENTRIES = 7
appended = vics_import.log.record_many
calls = []

def record_many(*given):
    calls.append(1)
    number = appended(*given)
    if len(calls) == 4:  # the case, two batches, and in the third
        os.kill(os.getpid(), signal.SIGKILL)  # all is written, and nothing is committed
    return number

vics_import.log.record_many = record_many
who = Principal({account}, {organisation}, "examiner.0", frozenset((Role.EXAMINER,)), Via.CLI)
vics_case_read.import_vics(Database({url!r}), who, __import__("pathlib").Path({file!r}),
    authority=authority(), arranged=False)
"""


def test_a_killed_import_goes_on_behind_its_last_batch(
    office: Office, databases_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(vics_import, "BATCH_ENTRIES", 7)
    media = [
        medium(f"m{n % 20}", MediaID=n, Category=n % 3, Comments=f"{n % 4}", Tags="t",
               MediaFiles=[place(f"m{n}")])
        for n in range(40)
    ]  # fmt: skip
    path = written(tmp_path, document(case(*media)))
    here = Path(__file__).parent
    who = office.person("examiner")
    program = PROGRAM.format(
        paths=[str(here), str(here.parent), str(here.parent.parent)],
        account=who.account_id,
        organisation=who.organisation_id,
        url=office.database.url.render_as_string(hide_password=False),
        file=str(path),
    )
    killed = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    (kept,) = rows(office, Case)
    assert [one["done"] for one in kept.extra["vics"]["imports"].values()] == [14]

    done = imported_at(office, path)
    assert (done.cases[0].entries, done.cases[0].counts["places"]) == (40, 40)
    with Database(databases_of.url()) as undisturbed:
        calm = Office(undisturbed)
        whole = imported_at(calm, path)
        with office.database.read() as one, undisturbed.read() as other:
            mine, theirs = equal.portrait(one, done.case_id), equal.portrait(other, whole.case_id)
        assert len(mine["media"]) == 20
        for portrait in (mine, theirs):
            for said in portrait["media"].values():
                said["notes"] = [note for _, note in said["notes"]]
                said["records"] = len(said["records"])
        assert equal.differences(mine, theirs) == []
        assert counts(office) == counts(calm)
