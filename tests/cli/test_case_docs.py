"""The guide to running a case runs as written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from sqlalchemy import insert

from tutela.cli.demo import draw
from tutela.cli.main import run
from tutela.cli.open import opened
from tutela.core.time import now
from tutela.store.tables.access import Account, AccountRole

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "run-a-case.md"


def commands() -> list[list[str]]:
    text = GUIDE.read_text("utf-8").replace("\\\n", " ")
    found = [
        shlex.split(line)[1:]
        for block in re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        for line in block.splitlines()
    ]
    assert len(found) >= 6
    return found


def test_the_commands_of_the_guide_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUTELA_SCAN_JOBS", "1")
    Path("phone").mkdir()
    for seed in range(2):
        draw.landscape(seed).resize((320, 240)).save(f"phone/{seed}.jpg")
    words = ["init", "--organisation", "Example Force", "--country", "DE", "--admin", "first.one"]
    assert run(words) == 0
    with opened() as office, office.database.write() as tx:
        made = tx.execute(
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
        tx.execute(insert(AccountRole).values(account_id=made, role="grader"))
    for words in commands():
        assert run(words) == 0, (words, capfd.readouterr().err)
    assert Path("op-17.json").stat().st_size > 500
    assert Path("op-17.pdf").read_bytes().startswith(b"%PDF")
    assert "2 decisions" in capfd.readouterr().out
