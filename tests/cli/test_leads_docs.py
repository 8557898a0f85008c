"""The guide to leads runs as written, and its commands give rows to programs."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

_HERE = Path(__file__).parent
sys.path[:0] = [str(_HERE.with_name("actors")), str(_HERE.with_name("casework"))]

import leads_support  # noqa: E402 found by the path above

from tutela.cli.main import run  # noqa: E402 likewise
from tutela.cli.open import opened  # noqa: E402 likewise
from tutela.core.time import now  # noqa: E402 likewise
from tutela.evidence.vault import Vault, master_key  # noqa: E402 likewise
from tutela.observation.sealing import Words  # noqa: E402 likewise
from tutela.store.tables.access import Account, Approval  # noqa: E402 likewise
from tutela.store.tables.casework import Case  # noqa: E402 likewise

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "work-on-leads.md"
WARRANT = ["--legal-basis", "Test Act", "--reference", "W 1", "--granted-by", "Test Court"]


def commands() -> list[list[str]]:
    text = GUIDE.read_text("utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    found = [shlex.split(line)[2:] for block in blocks for line in block.splitlines()]
    assert len(found) >= 12
    return found


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A case OP-17 with the two invented sites, in an installation of its own."""
    monkeypatch.chdir(tmp_path)
    words = ["init", "--organisation", "Example Force", "--country", "DE", "--admin", "first.one"]
    assert run([*words, "--role", "supervisor"]) == 0
    assert run(["case", "new", "OP-17", *WARRANT]) == 0
    Path("left-alone.txt").write_text("# invented\nhandle kingfisher\n")
    with opened() as office:
        with office.database.read() as tx:
            made = tx.execute(select(Case.id)).scalar_one()
        chosen = office.settings.vault
        with Vault(chosen.path, master_key(chosen)) as vault:
            leads_support.fill(office.database, made, Words(vault))
    return made


def _grant() -> None:
    """Grant what was asked, as another person does in the browser."""
    with opened() as office, office.database.write() as tx:
        other = tx.execute(
            insert(Account)
            .values(
                organisation_id=1,
                name="ann.lee",
                display_name="Ann Lee",
                kind="person",
                state="active",
                created_at=now(),
            )
            .returning(Account.id)
        ).scalar_one()
        tx.execute(
            update(Approval)
            .where(Approval.kind == "lead.release")
            .values(state="granted", decided_by=other, decided_at=now())
        )


def test_the_commands_of_the_guide_run_one_after_the_other(
    case: int, capfd: pytest.CaptureFixture[str]
):
    assert case == 1
    for words in commands():
        if words[:2] == ["leads", "release"] and "--reason" not in words:
            assert run(words) == 2, "nobody has granted it"
            _grant()
        assert run(words) == 0, (words, capfd.readouterr().err)
    out = capfd.readouterr().out
    for said in (
        "1 added, 1 are there",
        "7 accounts seen, 2 ranked",
        "heron (forum.test)",
        "against: private messages",
        "number of things",
        "what ranks",
        "approval 1; another person grants it",
        "released until",
        "lead 1: taken back",
    ):
        assert said in out, said
    assert Path("lead.pdf").read_bytes().startswith(b"%PDF")


def test_rows_for_programs(case: int, capfd: pytest.CaptureFixture[str]):
    for words in commands()[:2]:
        assert run(words) == 0
    capfd.readouterr()
    assert run(["leads", "rank", "OP-17", "--format", "jsonl"]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [row["type"] for row in rows] == ["ranking", "account", "account"]
    assert rows[0]["seen"] == rows[0]["ranked"] + sum(rows[0]["withheld"].values())
    assert (rows[1]["handle"], rows[1]["place"]) == ("heron", 1)
    account = str(rows[1]["account"])
    assert run(["leads", "explain", "OP-17", account, "--format", "csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    kinds = {row["type"] for row in table}
    assert kinds == {"account", "term", "counter", "sensitivity"}
    assert run(["leads", "link", "OP-17", "--format", "jsonl"]) == 0
    links = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert {row["tier"] for row in links} <= {"A", "B", "C"}
    for wrong in (
        ["leads", "explain", "OP-17", "999"],
        ["leads", "link", "OP-17", account, "--confirm"],
        ["leads", "export", "OP-17", account, "x"],
        ["leads", "rank", "OP-99"],
        ["leads", "deconflict", "left-alone.txt"],
    ):
        assert run(wrong) == 2, wrong
    assert case == 1
    assert "error:" in capfd.readouterr().err
