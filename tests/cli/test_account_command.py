from __future__ import annotations

import json

import pytest

from tutela.access import accounts
from tutela.cli import account
from tutela.cli.init import init
from tutela.cli.open import opened
from tutela.core.errors import AccessError, UsageError
from tutela.core.principal import Role, Via

WHY = "a test"


pytestmark = pytest.mark.usefixtures("installed")


@pytest.fixture
def installed(capsys):
    init(organisation="Example Force", country="DE", admin="ann.lee")
    capsys.readouterr()


def listed(capsys) -> dict[str, dict]:
    capsys.readouterr()
    account.list_(format_="jsonl", break_glass=WHY)
    return {row["name"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}


def test_people_are_invited_listed_and_closed(capsys):
    assert account.invite("bo.day", role=[Role.GRADER], display_name="Bo", break_glass=WHY) == 0
    first = capsys.readouterr()
    assert first.out.startswith("http://localhost:8470/welcome/")
    assert "shown this once" in first.err
    assert account.invite("bo.day", again=True, break_glass=WHY) == 0
    assert capsys.readouterr().out not in ("", first.out)
    row = listed(capsys)["bo.day"]
    assert (row["state"], row["roles"], row["kind"]) == ("invited", ["grader"], "person")
    assert (row["v"], row["type"], row["organisation"]) == (1, "account", "Example Force")

    assert account.roles("bo.day", role=[Role.AUDITOR], reason="moved", break_glass=WHY) == 0
    assert listed(capsys)["bo.day"]["roles"] == ["auditor"]
    assert account.close("bo.day", reason="left", break_glass=WHY) == 0
    assert listed(capsys)["bo.day"]["state"] == "closed"
    with pytest.raises(UsageError, match="no account bo"):
        account.close("bo.day", reason="left", break_glass=WHY)
    account.list_(break_glass=WHY)
    assert "ann.lee" in capsys.readouterr().out


def test_programs_get_tokens_and_the_command_line_its_file(capsys):
    account.invite("nightly", program=True, role=[Role.EXAMINER], break_glass=WHY)
    first = capsys.readouterr().out.strip()
    account.token("nightly", break_glass=WHY)
    second = capsys.readouterr().out.strip()
    with opened(break_glass=WHY) as office, office.database.read() as tx:
        assert accounts.by_token(tx, second, Via.API).name == "nightly"
        with pytest.raises(AccessError):
            accounts.by_token(tx, first, Via.API)
    account.token("cli", break_glass=WHY)
    assert "the new token is in" in capsys.readouterr().out
    with opened() as office:
        assert office.who.name == "cli"
    with pytest.raises(UsageError, match="no active program"):
        account.token("ann.lee", break_glass=WHY)


def test_an_account_that_may_not_is_refused():
    for act in (
        account.list_,
        lambda: account.invite("bo.day"),
        lambda: account.token("cli"),
        lambda: account.close("ann.lee", reason="no"),
        lambda: account.roles("ann.lee", role=[], reason="no"),
        lambda: account.reset("ann.lee", reason="no"),
    ):
        with pytest.raises(AccessError, match="may not"):
            act()


def test_an_organisation_that_is_not_there_is_named():
    with pytest.raises(UsageError, match="no organisation Elsewhere"):
        account.invite("bo.day", organisation="Elsewhere", break_glass=WHY)


def test_a_subject_of_the_agency_is_bound_where_there_is_one(monkeypatch):
    with pytest.raises(UsageError, match="needs an agency"):
        account.invite("bo.day", subject="officer-7", break_glass=WHY)
    monkeypatch.setenv("TUTELA_WEB_OIDC_ISSUER", "https://agency.example")
    assert account.invite("bo.day", subject="officer-7", break_glass=WHY) == 0
    with pytest.raises(UsageError, match="bound to an account already"):
        account.invite("cy.fox", subject="officer-7", break_glass=WHY)
