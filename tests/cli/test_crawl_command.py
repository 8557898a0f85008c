"""`tutela crawl`: the guide runs as written, rows add up, and nothing goes past two persons."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from tutela.access import approvals
from tutela.casework import case as cases
from tutela.casework.model import NewAuthority
from tutela.cli.main import run
from tutela.cli.open import opened
from tutela.core import settings as core_settings
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.crawl import frontier, leases, signal_file
from tutela.crawl.model import Finished, Link, Outcome, Pace, State
from tutela.hashlist.library import Library
from tutela.store.tables.access import Account, AccountRole, CaseMember

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "crawl-a-site.md"
ASK = ["crawl", "authorise", "2026/17", "http://a.test/b/", "--legal-basis", "Act", "--reference"]
ASK += ["CR-1", "--issued-by", "Court", "--reason", "needed"]


@pytest.fixture(autouse=True)
def second() -> Principal:
    """Make an installation with a case of an investigator; return who grants."""
    words = ["init", "--organisation", "Example Force", "--country", "DE", "--admin", "first.one"]
    assert run(words) == 0
    with opened() as office, office.database.write() as tx:
        tx.execute(
            insert(AccountRole), {"account_id": office.who.account_id, "role": "investigator"}
        )
        made = tx.execute(
            insert(Account)
            .values(
                organisation_id=office.who.organisation_id,
                name="ann.lee",
                display_name="Ann Lee",
                kind="person",
                state="active",
                created_at=now(),
            )
            .returning(Account.id)
        ).scalar_one()
        tx.execute(insert(AccountRole).values(account_id=made, role="supervisor"))
    with opened() as office, office.database.write() as tx:
        authority = NewAuthority(
            legal_basis="Act",
            reference="W-1",
            scope="all",
            granted_by="Court",
            valid_from=now() - timedelta(days=1),
            valid_until=now() + timedelta(days=9),
        )
        case_id = cases.create(tx, office.who, "2026/17", "Invented", authority, "uk-abc")
        tx.execute(
            insert(CaseMember).values(
                case_id=case_id, account_id=made, added_at=now(), added_by=made
            )
        )
    return Principal(
        made, office.who.organisation_id, "ann.lee", frozenset({Role.SUPERVISOR}), Via.WEB
    )


def grant(second: Principal) -> None:
    with opened() as office, office.database.write() as tx:
        for one in approvals.pending(tx, second):
            if one.may_decide:
                approvals.decide(tx, second, one.id, granted=True)


def commands() -> list[list[str]]:
    text = GUIDE.read_text("utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.split(line.removeprefix("$ "))[1:] for line in lines]


def test_the_commands_of_the_guide_run_one_after_the_other(second, capfd):
    Library.create(core_settings.load().library.path)
    found = commands()
    assert len(found) >= 15
    for words in found:
        if words[1] == "work":
            continue  # it asks the network: see tests/acceptance/test_crawl_to_lead.py
        assert run(words) == 0, (words, capfd.readouterr().err)
        grant(second)


def test_rows_add_up_in_every_format(second, capfd):
    assert run(ASK) == 0
    grant(second)
    assert run(["crawl", "authorise", "2026/17", "--carry-out", "1"]) == 0
    assert run(["crawl", "start", "1", "--seed", "http://a.test/b/more"]) == 0
    done = Outcome(state=State.DONE, reason="ok", status=200, size_bytes=7)
    with opened() as office:
        with office.database.write() as tx:
            (lease,) = leases.lease(tx, "w", 9, Pace())
        with office.database.write() as tx:
            links = (Link("http://a.test/b/c"), Link("http://elsewhere.test/"))
            frontier.finish_many(tx, [Finished(lease, done, links)])
    capfd.readouterr()
    assert run(["crawl", "status", "--format", "jsonl"]) == 0
    row = json.loads(capfd.readouterr().out)
    assert (row["found"], row["done"], row["waits"]) == (3, 1, {"politeness": 2})
    assert row["outside_hosts"] == 1
    assert run(["crawl", "report", "1", "--format", "jsonl"]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [one["type"] for one in rows] == [
        *["crawl_host", "crawl_outcome", "crawl_outcome", "crawl_left", "crawl_outside"]
    ]
    assert rows[0]["host"] == "a.test"
    assert "elsewhere" not in json.dumps(rows)
    assert run(["crawl", "report", "1", "--format", "csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capfd.readouterr().out)))
    assert (table[0]["size_bytes"], table[3]["reason"], table[4]["count"]) == ("7", "outside", "1")
    assert run(["crawl", "status"]) == 0
    assert "2 wait: their host was asked a moment ago" in capfd.readouterr().out


def test_without_another_person_there_is_no_order(capfd):
    assert run(ASK) == 0
    assert run(["crawl", "authorise", "2026/17", "--carry-out", "1"]) == 2
    assert "two persons" in capfd.readouterr().err
    assert run(["crawl", "authorise", "2026/17"]) == 2
    assert run(["crawl", "authorise", "2026/18", "http://a.test/"]) == 2
    assert run(["crawl", "start", "1"]) == 2
    assert "no such crawl order" in capfd.readouterr().err


def test_a_stop_holds_until_it_is_released(second, capfd):
    assert run(ASK) == 0
    grant(second)
    assert run(["crawl", "authorise", "2026/17", "--carry-out", "1"]) == 0
    path = core_settings.load().crawl.signal_file
    assert run(["crawl", "stop"]) == 0
    assert signal_file.is_raised(path)
    assert run(["crawl", "start", "1"]) == 2
    assert "kill switch" in capfd.readouterr().err
    assert run(["crawl", "status"]) == 0
    assert "the kill switch is raised" in capfd.readouterr().out
    assert run(["crawl", "release", "--reason", "cleared up"]) == 0
    assert not signal_file.is_raised(path)
    assert run(["crawl", "start", "1"]) == 0


def test_a_stop_of_somebody_without_a_role_stops_this_machine_only(capfd):
    with opened() as office, office.database.write() as tx:
        tx.execute(AccountRole.__table__.delete().where(AccountRole.role.in_(["investigator"])))
        assert tx.execute(select(AccountRole.role)).scalars().all()
    assert run(["crawl", "stop"]) == 2
    assert signal_file.is_raised(core_settings.load().crawl.signal_file)
    assert "may not do this" in capfd.readouterr().err
