"""`tutela list create|add|...`: a hotline's list, from its first entry to a member's feedback."""

from __future__ import annotations

import hashlib
import json

import pytest
from sqlalchemy import insert

from tutela.cli import list_entries, list_feedback
from tutela.cli import list_owned as command
from tutela.cli.init import init
from tutela.cli.open import opened
from tutela.core.entry import Role as ListRole
from tutela.core.errors import AccessError, UsageError
from tutela.core.media import Digests
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.exchange import entries, feedback, lists
from tutela.exchange.candidate import Candidate
from tutela.exchange.model import Coded, MemberPermission, Verdict
from tutela.hashlist.library import Library
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
    return list_entries.add("known", file, **words)


def _rows(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_list_is_made_filled_given_and_answered_for(tmp_path, capsys):
    assert _create() == 0
    assert _add(_file(tmp_path, 5)) == 0
    assert "5 rows: 5 added" in capsys.readouterr().out
    assert _add(_file(tmp_path, 6, "not a hash")) == 1
    assert "7 rows: 1 added, 0 changed, 5 as before, 0 wait for a decision, 0 stay withdrawn, " in (
        capsys.readouterr().out
    )
    member = _member("Example Platform")
    assert command.members("known", set_="Example Platform", jurisdiction=["gb"]) == 0
    assert "Example Platform" in capsys.readouterr().out
    assert list_entries.withdraw("known", [1, 2], reason="a mistake") == 0
    capsys.readouterr()
    assert command.diff("known", format_="jsonl") == 0
    assert [row["entry"] for row in _rows(capsys)] == [3, 4, 5, 6]
    with opened() as found, found.database.write() as tx:
        view = lists.view(tx, member, "known")
        feedback.submit(tx, member, view.id, 3, Verdict.FALSE_POSITIVE, note="a landscape")
    assert list_feedback.feedback("known") == 0
    assert "a landscape" in capsys.readouterr().out
    assert list_feedback.feedback("known", accept=1, reason="indeed") == 0
    capsys.readouterr()
    assert list_feedback.feedback("known", counts=True, format_="jsonl") == 0
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
    for words in (
        {"jurisdiction": ""},
        {"jurisdiction": "gbr"},
        {"grades": "uk-abc"},
        {"library": "set"},
        {"scheme": ""},
    ):
        with pytest.raises(UsageError):
            _add(file, **words)
    with pytest.raises(UsageError):
        command.members("known", set_="Nobody")
    with pytest.raises(UsageError):
        command.members("known", set_="Coast Hotline")
    with pytest.raises(UsageError):
        list_entries.withdraw("known", [1], reason="x", restore=True, delete=True)
    with pytest.raises(AccessError):
        command.diff("unknown")


def test_grades_that_nobody_trusts_yet_add_nothing(capsys):
    _create()
    assert list_entries.add("known", grades="uk-abc", jurisdiction="GB") == 0
    assert "0 added" in capsys.readouterr().out


def _library(folder, monkeypatch, text: str) -> None:
    """Import a CSV file as the list `set` of the library."""
    file = folder / "set.csv"
    file.write_text(text)
    monkeypatch.setenv("TUTELA_LIBRARY_PATH", str(folder / "library"))
    library = Library.create(folder / "library")
    library.add(file, name="set", role=ListRole.ALERT, by_code={"0": ListRole.IGNORABLE})


def test_a_list_of_the_library_is_taken_as_a_scheme_of_ours(tmp_path, monkeypatch, capsys):
    hashes = [hashlib.sha256(b"%d" % number).hexdigest() for number in range(4)]
    rows = [
        f"{one},somebody,{code}" for one, code in zip(hashes, ("1", "2", "0", "9"), strict=True)
    ]
    _library(tmp_path, monkeypatch, "\n".join(["sha256,scheme,code", *rows]) + "\n")
    _create()
    words = {"library": "set", "jurisdiction": "US", "scheme": "vics-us", "tag": ["of 2026"]}
    assert list_entries.add("known", **words) == 1
    said = capsys.readouterr()
    assert "4 rows: 1 added" in said.out
    assert "3 refused" in said.out
    assert "a code that is none of its scheme: 1" in said.err
    assert "it has another role than the list: 1" in said.err
    assert command.diff("known", format_="jsonl") == 0
    rows = _rows(capsys)
    assert [(row["codes"], row["tags"]) for row in rows] == [(["US vics-us 1"], ["of 2026"])]
    with pytest.raises(UsageError):
        list_entries.add("known", **words, algorithm="sha256")


def test_proposals_are_shown_and_lists_named(tmp_path, capsys):
    _create()
    _add(_file(tmp_path, 3))
    member = _member("Other Hotline")
    supervisor = Principal(
        member.account_id, member.organisation_id, "other", frozenset({Role.SUPERVISOR}), Via.WEB
    )
    command.members("known", set_="Other Hotline", permission=MemberPermission.CONTRIBUTE)
    with opened() as found, found.database.write() as tx:
        view = lists.view(tx, supervisor, "known")
        code = Coded("GB", "uk-abc", "A")
        proposed = Candidate(digests=Digests(sha256=bytes(32)), codes=(code,), reference="R-1")
        entries.add(tx, supervisor, view.id, [proposed])
    capsys.readouterr()
    assert list_entries.proposals("known", format_="jsonl") == 0
    (row,) = _rows(capsys)
    assert (row["source"], row["reference"], row["sha256"]) == ("Other Hotline", "R-1", "00" * 32)
    assert command.published(format_="jsonl") == 0
    (row,) = _rows(capsys)
    assert (row["list"], row["entries"], row["proposals"]) == ("known", 3, 1)
    assert command.published() == 0
    assert list_entries.proposals("known") == 0
    assert "Other Hotline" in capsys.readouterr().out
    assert command.close("known") == 0
    with pytest.raises(UsageError):
        _add(_file(tmp_path, 4))
