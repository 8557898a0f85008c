"""`tutela list create|add|...`: a hotline's list, from its first entry to a member's feedback."""

from __future__ import annotations

import hashlib
import json

import pytest
from sqlalchemy import insert

from tutela.cli import list_owned as command
from tutela.cli.init import init
from tutela.cli.open import opened
from tutela.core.entry import Role as ListRole
from tutela.core.errors import AccessError, UsageError
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.exchange import feedback, lists
from tutela.exchange.model import Verdict
from tutela.store.tables.access import Account, AccountRole, Organisation


@pytest.fixture(autouse=True)
def office(own_home):
    init(organisation="Coast Hotline", country="GB", admin="ann.lee", role=[Role.SUPERVISOR])
    with opened() as found, found.database.write() as tx:
        tx.execute(
            insert(AccountRole).prefix_with("OR IGNORE"),
            [{"account_id": found.who.account_id, "role": Role.SUPERVISOR.value}],
        )
    return own_home


def _member(name: str) -> Principal:
    """Make an organisation with a program that syncs."""
    with opened() as office, office.database.write() as tx:
        home = tx.execute(
            insert(Organisation)
            .values(name=name, country="DE", created_at=now())
            .returning(Organisation.id)
        ).scalar_one()
        account = tx.execute(
            insert(Account)
            .values(
                organisation_id=home,
                name=f"sync.{home}",
                display_name="sync",
                kind="program",
                state="active",
                created_at=now(),
            )
            .returning(Account.id)
        ).scalar_one()
    return Principal(account, home, f"sync.{home}", frozenset({Role.LIST_MEMBER}), Via.API)


def _file(folder, count: int, *bad: str):
    lines = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(count)]
    path = folder / "set.txt"
    path.write_text("\n".join([*lines, *bad]) + "\n")
    return path


def _create(role=ListRole.ALERT):
    return command.create("known", title="Known", purpose="Matching of uploads", role=role)


def _add(file, **more):
    words = {"scheme": "uk-abc", "code": "A", "jurisdiction": "gb", "algorithm": "sha256"} | more
    return command.add("known", file, **words)


def _rows(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_list_is_made_filled_given_and_answered_for(tmp_path, capsys):
    assert _create() == 0
    assert _add(_file(tmp_path, 5)) == 0
    assert "5 rows: 5 added" in capsys.readouterr().out
    assert _add(_file(tmp_path, 6, "not a hash")) == 1
    assert "7 rows: 1 added, 0 changed, 5 as before, 0 stay withdrawn, 0 refused, 1 not read" in (
        capsys.readouterr().out
    )
    member = _member("Example Platform")
    assert command.members("known", set_="Example Platform", jurisdiction=["gb"]) == 0
    assert "Example Platform" in capsys.readouterr().out
    assert command.withdraw("known", [1, 2], reason="a mistake") == 0
    capsys.readouterr()
    assert command.diff("known", format_="jsonl") == 0
    assert [row["entry"] for row in _rows(capsys)] == [3, 4, 5, 6]
    with opened() as found, found.database.write() as tx:
        view = lists.view(tx, member, "known")
        feedback.submit(tx, member, view.id, 3, Verdict.FALSE_POSITIVE, note="a landscape")
    assert command.feedback("known") == 0
    assert "a landscape" in capsys.readouterr().out
    assert command.feedback("known", accept=1, reason="indeed") == 0
    capsys.readouterr()
    assert command.feedback("known", counts=True, format_="jsonl") == 0
    assert [(r["organisation"], r["said"], r["waiting"]) for r in _rows(capsys)] == [
        ("Example Platform", 1, 0)
    ]
    assert command.members("known", remove="Example Platform") == 0
    with opened() as found, found.database.read() as tx, pytest.raises(AccessError):
        lists.view(tx, member, "known")


def test_a_harmless_code_is_refused_on_an_alert_list(tmp_path, capsys):
    _create()
    assert _add(_file(tmp_path, 2), code="none") == 1
    said = capsys.readouterr()
    assert "2 refused" in said.out
    assert "no code by which it is illegal: 2" in said.err


def test_what_does_not_fit_together_is_refused_before_anything_is_read(tmp_path):
    _create()
    file = _file(tmp_path, 1)
    for words in ({"jurisdiction": ""}, {"grades": "uk-abc"}):
        with pytest.raises(UsageError):
            _add(file, **words)
    with pytest.raises(UsageError):
        command.members("known", set_="Nobody")
    with pytest.raises(UsageError):
        command.members("known", set_="Coast Hotline", permission="everything")
    with pytest.raises(UsageError):
        command.withdraw("known", [1], reason="x", restore=True, delete=True)
    with pytest.raises(AccessError):
        command.diff("unknown")


def test_grades_that_nobody_trusts_yet_add_nothing(capsys):
    _create()
    assert command.add("known", grades="uk-abc", jurisdiction="GB") == 0
    assert "0 added" in capsys.readouterr().out
