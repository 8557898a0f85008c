"""From `tutela init` to a graded, exported, audited case, and on to another installation."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from installed import PASSWORD, TUTELA, Installed, accept, link
from sqlalchemy import select, update

from tutela.casework.formats import equal
from tutela.store import Database
from tutela.store.migrations import dialect
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import Case

STEP_S = 30
AUTHORITY = ["--legal-basis", "Invented Act", "--reference", "W 1", "--granted-by", "A Court"]


def sign_in(client: httpx.Client, name: str, authenticator: pyotp.TOTP) -> None:
    """Sign in; the code of the moment was used up by accepting, so it is the next one."""
    form = {"name": name, "password": PASSWORD, "code": authenticator.at(time.time() + STEP_S)}
    wrong = client.post("/sign-in", data=form | {"password": "five calm grey herons"})
    assert wrong.status_code == 401
    assert client.get("/cases").status_code != 200
    answer = client.post("/sign-in", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def invite(client: httpx.Client, name: str, role: str) -> str:
    """Invite somebody on the administrator's page, and return the path of the link."""
    page = client.get("/administration").text
    organisation = re.search(r'<option value="(\d+)"[^>]*>Northshire Police', page)[1]
    form = {"name": name, "display_name": name, "organisation": organisation, "roles": role}
    answer = client.post("/administration/invite", data=form)
    assert answer.status_code == 200, answer.text
    return link(answer.text)


def grade_all(client: httpx.Client) -> dict[int, str]:
    """Look at one picture, and grade every stack of the one case; return what was given."""
    (case,) = set(re.findall(r'href="/cases/(\d+)"', client.get("/cases").text))
    items = client.get(f"/cases/{case}/review/items").json()["items"]
    seen = client.post(f"/cases/{case}/media/{items[0]['media']}/clear")
    assert (seen.status_code, seen.headers["content-type"]) == (200, "image/jpeg")
    given = {item["media"]: "ABC"[number % 3] for number, item in enumerate(items)}
    for media, code in given.items():
        decision = {"media": media, "code": code, "stack": True}
        wanted = {"request": f"r{media}", "decisions": [decision]}
        assert client.post(f"/cases/{case}/grades", json=wanted).status_code == 200
    progress = client.get(f"/cases/{case}/review/progress").json()
    assert progress["done"] == progress["all"] >= len(given) > 3
    assert progress["meter"]["views"] == 1
    return given


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration's drawn evidence and its list, as the command line makes them."""
    folder = tmp_path_factory.mktemp("whole") / "demo"
    subprocess.run([TUTELA, "demo", folder], check=True, capture_output=True)
    return folder


def worked_on(installed: Installed, folder: Path) -> None:
    """Go from the first link to a case whose every picture is graded."""
    with installed.serving():
        with installed.client() as administrator:
            accept(administrator, installed.first_link)
            invited = invite(administrator, "bo.ray", "grader")
            # Whoever administers sees no case.
            assert administrator.get("/cases").status_code == 403
        with installed.client() as invitee:
            authenticator = accept(invitee, invited)
        installed.run("case", "new", "OP-1", *AUTHORITY, "--keep-media", "--team", "bo.ray")
        # One file of the demonstration is broken, and said to be.
        added = installed.run("case", "add", "OP-1", folder / "evidence", "--label", "E1", status=1)
        assert ", 1 failed." in added.stdout
        with installed.client() as grader:
            sign_in(grader, "bo.ray", authenticator)
            grade_all(grader)
            assert grader.post("/sign-out").status_code == 303
            assert grader.get("/cases").status_code != 200


def portrait(installed: Installed) -> dict[str, Any]:
    with Database(installed.url) as database, database.read() as tx:
        return equal.portrait(tx, tx.execute(select(Case.id)).scalar_one())


def with_keys_of_others(file: Path) -> str:
    """Add keys that nobody here knows to an exported case; return what they say."""
    said = "what another tool says 9f3"
    document = json.loads(file.read_text(encoding="utf-8"))
    case = document["value"][0]
    case["x_invented_case"] = {"said": said}
    case["Media"][0]["x_invented_media"] = [1, {"said": said}]
    case["Media"][0]["MediaFiles"][0]["x_invented_place"] = said
    file.write_text(json.dumps(document), encoding="utf-8")
    return said


def tampered(installed: Installed) -> int:
    """Change one event as an intruder who holds the database would; return its number."""
    with Database(installed.url) as database, database.write() as tx:
        dialect.unguard(tx)
        grades = select(AuditEvent.seq, AuditEvent.body).where(AuditEvent.action == "grade.given")
        seq, body = tx.execute(grades.order_by(AuditEvent.seq)).first()
        changed = body.replace(b'"code":"A"', b'"code":"C"')
        assert changed != body
        tx.execute(update(AuditEvent).where(AuditEvent.seq == seq).values(body=changed))
    return int(seq)


def test_the_whole_way(install: Callable[[str], Installed], demonstration: Path, tmp_path: Path):
    first, second = install("first"), install("second")
    words = ["--name", "partner", "--role", "alert", "--from", "Invented Hotline"]
    first.run("list", "import", demonstration / "known.csv", *words)
    worked_on(first, demonstration)
    vics, pdf = tmp_path / "out" / "case.json", tmp_path / "out" / "case.pdf"
    vics.parent.mkdir()
    first.run("case", "export", "OP-1", "--format", "vics", "-o", vics)
    first.run("case", "export", "OP-1", "--format", "pdf", "-o", pdf)
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert "events are whole" in first.run("audit", "verify").stdout

    second.run("case", "import", vics, *AUTHORITY)
    assert equal.differences(portrait(first), portrait(second)) == []

    said = with_keys_of_others(vics)
    again = tmp_path / "out" / "again.json"
    second.run("case", "import", vics, *AUTHORITY, "--number", "OP-2")
    second.run("case", "export", "OP-2", "--format", "vics", "-o", again)
    assert again.read_text(encoding="utf-8").count(said) == 3

    broken = tampered(first)
    refused = first.run("audit", "verify", status=4)
    assert refused.stdout.startswith(f"event {broken}: ")
    assert f"error: the log is broken: event {broken}: " in refused.stderr
    assert "trigger audit_events_no_update is missing" in first.run("db", "check", status=4).stdout
