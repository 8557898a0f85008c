"""Who the second person is: never whom it is about, and of the organisation that it concerns."""

from __future__ import annotations

import access_support as support
import pytest
from sqlalchemy import select, update

from tutela.access import accounts, approvals, changes, teams
from tutela.access.approvals import KINDS
from tutela.core.errors import AccessError
from tutela.core.ids import ApprovalId
from tutela.core.principal import Principal, Role, Via
from tutela.store.tables.access import Account, Approval

OF_A_CASE = (
    *("case.export_media", "case.delete", "case.release"),
    *("crawl.authorise", "lead.release"),
)
OF_AN_ACCOUNT = ("account.roles", "account.close", "account.reset")


def may(home: support.Force, who: Principal, number: ApprovalId) -> bool:
    """Tell whether somebody may decide, which the list and the decision must agree on."""
    with home.database.read() as tx:
        offered = [one for one in approvals.pending(tx, who) if one.may_decide]
    listed = number in [one.id for one in offered]
    try:
        with home.database.write() as tx:
            approvals.decide(tx, who, number, granted=True)
            tx.execute(update(Approval).where(Approval.id == number).values(state="asked"))
    except AccessError:
        assert not listed
        return False
    assert listed
    return True


def ask(home: support.Force, who: Principal, kind: str, subject: str) -> ApprovalId:
    with home.database.write() as tx:
        body = {"roles": ["grader"]} if kind == "account.roles" else {}
        return approvals.ask(tx, who, kind, subject, body, "a reason")


def closed(home: support.Force, who: Principal) -> None:
    with home.database.write() as tx:
        tx.execute(update(Account).where(Account.id == who.account_id).values(state="closed"))


def test_these_are_all_kinds_there_are() -> None:
    assert set(KINDS) == {*OF_A_CASE, *OF_AN_ACCOUNT, "audit.erase"}


def test_about_the_log_a_colleague_of_the_asker_grants(home: support.Force) -> None:
    away = support.force(home.database, "Elsewhere")
    asker = home.person(Role.AUDITOR, Role.ADMINISTRATOR)
    number = ask(home, asker, "audit.erase", "log")
    assert may(home, home.person(Role.SUPERVISOR), number)
    assert may(home, home.person(Role.ADMINISTRATOR), number)
    assert not may(home, asker, number)
    assert not may(home, home.person(Role.AUDITOR), number), "who only reads grants nothing"
    assert not may(home, away.person(Role.SUPERVISOR), number)


@pytest.mark.parametrize("kind", OF_A_CASE)
def test_about_a_case_its_own_organisation_grants(home: support.Force, kind: str) -> None:
    away = support.force(home.database, "Elsewhere")
    asker, second = home.person(Role.SUPERVISOR), home.person(Role.SUPERVISOR)
    both = home.person(Role.GRADER, Role.ADMINISTRATOR)
    guest = away.person(Role.SUPERVISOR)
    case = home.case(asker, both, guest)
    number = ask(home, asker, kind, f"case:{case}")
    assert may(home, second, number), "a supervisor of the organisation, not of the team"
    assert may(home, both, number), "one of the team who may approve"
    assert not may(home, asker, number)
    assert not may(home, guest, number), "a guest of the team answers for another organisation"
    assert not may(home, away.person(Role.SUPERVISOR), number)
    assert not may(home, home.person(Role.ADMINISTRATOR), number), "has nothing to do with it"
    # What a guest asks is for the case's organisation to grant.
    asked = ask(home, guest, kind, f"case:{case}")
    assert may(home, second, asked)
    assert not may(home, away.person(Role.SUPERVISOR), asked)


@pytest.mark.parametrize("kind", OF_AN_ACCOUNT)
def test_about_an_account_its_own_organisation_grants_and_not_itself(
    home: support.Force, kind: str
) -> None:
    away = support.force(home.database, "Elsewhere")
    asker, second = home.person(Role.ADMINISTRATOR), home.person(Role.SUPERVISOR)
    concerned = home.person(Role.ADMINISTRATOR, Role.SUPERVISOR)
    number = ask(home, asker, kind, f"account:{concerned.account_id}")
    assert not may(home, concerned, number), "nobody grants what is about themselves"
    assert not may(home, asker, number)
    assert not may(home, away.person(Role.SUPERVISOR, Role.ADMINISTRATOR), number)
    assert may(home, second, number)


@pytest.mark.parametrize("kind", OF_AN_ACCOUNT)
def test_an_administrator_of_one_organisation_needs_the_other_one(
    home: support.Force, kind: str
) -> None:
    """Who may change all accounts asks; who is of the account's organisation grants."""
    away = support.force(home.database, "Elsewhere")
    asker, near = home.person(Role.ADMINISTRATOR), home.person(Role.SUPERVISOR)
    there, concerned = away.person(Role.SUPERVISOR), away.person(Role.GRADER)
    number = ask(home, asker, kind, f"account:{concerned.account_id}")
    assert not may(home, near, number)
    assert may(home, there, number)
    # Closing the one who could, which takes one administrator, opens no way around them.
    closed(home, there)
    assert not may(home, near, number)


def test_first_accounts_of_an_organisation_are_granted_where_they_are_asked_for(
    home: support.Force,
) -> None:
    asker, near = home.person(Role.ADMINISTRATOR), home.person(Role.SUPERVISOR)
    other = support.force(home.database, "Neighbours").person(Role.SUPERVISOR)
    new = support.force(home.database, "Newcomers")
    with home.database.write() as tx:
        first, _ = accounts.invite(
            tx, asker, new.organisation_id, "first", "First", [Role.ADMINISTRATOR]
        )
        (waiting,) = approvals.pending(tx, asker)
    assert not may(home, other, waiting.id), "a third organisation has no part in it"
    assert may(home, near, waiting.id)
    with home.database.write() as tx:
        approvals.decide(tx, near, waiting.id, granted=True)
        changes.carry_out(tx, near, waiting.id, "account.roles", first)
        tx.execute(update(Account).where(Account.id == first).values(state="active"))
        chief = accounts.principal(tx, first, Via.WEB)
    # From now on the newcomers have somebody of their own; about that one it is not yet so.
    grader = new.person(Role.GRADER)
    number = ask(home, asker, "account.roles", f"account:{grader.account_id}")
    assert may(home, chief, number)
    assert not may(home, near, number)
    number = ask(home, asker, "account.reset", f"account:{first}")
    assert may(home, near, number)
    assert not may(home, chief, number)


def test_where_two_organisations_have_nobody_else_anybody_elses_grants(
    home: support.Force,
) -> None:
    """An administrator who is alone at home is not alone in the installation."""
    asker = home.person(Role.ADMINISTRATOR)
    away = support.force(home.database, "Elsewhere").person(Role.SUPERVISOR)
    grader = home.person(Role.GRADER)
    with home.database.write() as tx:
        number = changes.change_roles(tx, asker, grader.account_id, [Role.EXAMINER], "moved")
        assert number is not None, "there is no bootstrap once somebody could grant"
    assert may(home, away, number)
    assert not may(home, asker, number)


def test_alone_in_the_installation_one_is_enough_and_break_glass_never_grants(
    home: support.Force,
) -> None:
    alone, grader = home.person(Role.ADMINISTRATOR), home.person(Role.GRADER)
    with home.database.write() as tx:
        roles = [Role.EXAMINER]
        assert changes.change_roles(tx, alone, grader.account_id, roles, "moved") is None
    assert ("account.bootstrap", f"account:{grader.account_id}") in support.actions(home.database)
    second = home.person(Role.SUPERVISOR)
    with home.database.write() as tx:
        number = changes.change_roles(tx, alone, grader.account_id, [Role.GRADER], "back")
        assert number is not None
        with pytest.raises(AccessError):
            approvals.decide(tx, support.GLASS, number, granted=True)
        # Direct use of the database makes roles, and the log says so.
        assert changes.change_roles(tx, support.GLASS, second.account_id, roles, "gone") is None


def test_who_answers_for_a_program_does_not_grant_it_roles(home: support.Force) -> None:
    asker, responsible = home.person(Role.ADMINISTRATOR), home.person(Role.SUPERVISOR)
    program = home.program(answers=responsible.account_id)
    number = ask(home, asker, "account.roles", f"account:{program.account_id}")
    assert not may(home, responsible, number)
    assert may(home, home.person(Role.SUPERVISOR), number)


def test_the_account_concerned_may_ask_for_itself(home: support.Force) -> None:
    asker, second = home.person(Role.ADMINISTRATOR), home.person(Role.ADMINISTRATOR)
    number = ask(home, asker, "account.roles", f"account:{asker.account_id}")
    assert not may(home, asker, number)
    assert may(home, second, number)


def test_what_is_about_nothing_that_there_is_nobody_grants(home: support.Force) -> None:
    asker, second = home.person(Role.ADMINISTRATOR), home.person(Role.SUPERVISOR)
    for subject in ("account:999", "account:x", "case:999"):
        number = ask(home, asker, "account.roles", subject)
        assert not may(home, second, number)


def test_a_case_needs_its_team_to_ask(home: support.Force) -> None:
    asker = home.person(Role.SUPERVISOR)
    case = home.case(asker)
    stranger = home.person(Role.SUPERVISOR)
    with home.database.write() as tx:
        for kind in OF_A_CASE:
            with pytest.raises(AccessError):
                approvals.ask(tx, stranger, kind, f"case:{case}", {}, "a reason")
        teams.add(tx, asker, case, stranger.account_id)
        assert approvals.ask(tx, stranger, "case.delete", f"case:{case}", {}, "a reason")
        assert len(tx.execute(select(Approval.id)).all()) == 1
