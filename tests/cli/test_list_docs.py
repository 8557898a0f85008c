"""The guide to keeping a list runs as written."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from tutela.cli.main import run
from tutela.cli.open import opened
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.exchange import feedback, lists
from tutela.exchange.model import Verdict
from tutela.store.tables.access import Account, Organisation

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "keep-a-list.md"


def commands() -> list[list[str]]:
    text = GUIDE.read_text("utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    found = [
        shlex.split(line)[2:]
        for block in blocks
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    assert len(found) >= 14
    return found


def _organisations() -> None:
    """Make those that an administrator makes under Administration."""
    with opened() as office, office.database.write() as tx:
        for name in ("Example Platform", "Other Hotline"):
            tx.execute(insert(Organisation).values(name=name, country="GB", created_at=now()))


def _say() -> None:
    """Let the platform's program say something of an entry that it got."""
    with opened() as office, office.database.write() as tx:
        row = tx.execute(
            select(Account.id, Account.organisation_id).where(Account.name == "sync.platform")
        ).one()
        who = Principal(*row, "sync.platform", frozenset({Role.LIST_MEMBER}), Via.API)
        view = lists.view(tx, who, "known")
        feedback.submit(tx, who, view.id, 1, Verdict.FALSE_POSITIVE, note="a landscape")


def test_the_commands_of_the_guide_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    hashes = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(8)]
    Path("set.csv").write_text("\n".join(["sha256", *hashes[:4]]) + "\n")
    coded = [f"{one},vics,1" for one in hashes[4:]]
    Path("vic.csv").write_text("\n".join(["sha256,scheme,code", *coded]) + "\n")
    words = ["init", "--organisation", "Coast Hotline", "--country", "GB", "--admin", "first.one"]
    assert run([*words, "--role", "supervisor"]) == 0
    assert run(["list", "import", "vic.csv", "--name", "vic-2026-11", "--role", "alert"]) == 0
    _organisations()
    said = False
    for words in commands():
        if words[:2] == ["list", "feedback"] and not said:
            said = True
            _say()
        assert run(words) == 0, (words, capfd.readouterr().err)
    out = capfd.readouterr().out
    assert "4 rows: 4 added" in out
    assert "a landscape" in out
    assert "1 of 1 withdrawn" in out
    assert run(["list", "diff", "known", "--format", "jsonl"]) == 0
    assert capfd.readouterr().out.count("\n") == 6
