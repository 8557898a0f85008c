from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

import access_support as support
import msgspec
import pytest
from sqlalchemy import select, update

from tutela.access import accounts, approvals, changes, teams
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import ApprovalId, CaseId
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.store.tables.access import Account, Approval
from tutela.store.tables.audit import AuditEvent

EXPORT = "case.export_media"


@dataclass
class Office:
    home: support.Force
    asker: Principal
    second: Principal
    case: CaseId

    @property
    def subject(self) -> str:
        return f"case:{self.case}"

    def ask(self, who: Principal | None = None) -> ApprovalId:
        with self.home.database.write() as tx:
            body = {"profile": "Default"}
            return approvals.ask(tx, who or self.asker, EXPORT, self.subject, body, "for the court")

    def decide(self, who: Principal, number: ApprovalId, granted: bool = True) -> None:  # noqa: FBT001, FBT002 as the function it calls
        with self.home.database.write() as tx:
            approvals.decide(tx, who, number, granted)

    def carry_out(self, who: Principal, number: ApprovalId, kind=EXPORT, subject="") -> dict:
        with self.home.database.write() as tx:
            return approvals.carry_out(tx, who, number, kind, subject or self.subject)


@pytest.fixture
def office(home):
    asker, second = home.person(Role.EXAMINER), home.person(Role.SUPERVISOR)
    return Office(home, asker, second, home.case(asker))


def code_of(act, *given) -> str:
    with pytest.raises(UsageError) as caught:
        act(*given)
    return caught.value.code


def test_one_asks_another_grants_and_it_is_done_once(office):
    number = office.ask()
    with office.home.database.read() as tx:
        waiting = approvals.find(tx, office.second, number)
        assert (waiting.reason, waiting.may_decide) == ("for the court", True)
        assert approvals.find(tx, office.asker, number).may_decide is False
    assert code_of(office.carry_out, office.asker, number) == "second_person"
    office.decide(office.second, number)
    assert office.carry_out(office.asker, number) == {"profile": "Default"}
    assert code_of(office.carry_out, office.asker, number) == "second_person"
    said = [one for one in support.actions(office.home.database) if one[0].startswith("approval")]
    assert said == [
        (f"approval.{word}", f"approval:{number}") for word in ("asked", "granted", "used")
    ]


def test_nobody_who_is_not_another_person_in_the_browser_grants(office):
    home = office.home
    both = home.person(Role.EXAMINER, Role.SUPERVISOR)
    with home.database.write() as tx:
        teams.add(tx, office.asker, office.case, both.account_id)
    number = office.ask(both)
    assert code_of(office.decide, both, number) == "second_person"
    for via in (Via.CLI, Via.API, Via.BREAK_GLASS, Via.SYSTEM):
        other_way = msgspec.structs.replace(office.second, via=via)
        assert code_of(office.decide, other_way, number) == "second_person", via
    program = home.program(Role.SUPERVISOR, via=Via.WEB)
    assert code_of(office.decide, program, number) == "second_person"
    assert code_of(office.decide, support.GLASS, number) == "second_person"
    assert code_of(office.decide, home.person(Role.EXAMINER, Role.GRADER), number) == "refused"
    with home.database.read() as tx:
        assert tx.execute(select(Approval.state)).scalar_one() == "asked"


def test_what_a_program_asks_is_not_granted_by_who_answers_for_it(office):
    home = office.home
    program = home.program(Role.EXAMINER, answers=office.second.account_id)
    with home.database.write() as tx:
        teams.add(tx, office.asker, office.case, program.account_id)
    number = office.ask(program)
    assert code_of(office.decide, office.second, number) == "second_person"
    office.decide(home.person(Role.SUPERVISOR), number)
    assert office.carry_out(program, number)


def test_about_a_case_only_its_team_or_a_supervisor_of_its_organisation_grants(office):
    elsewhere = support.force(office.home.database, "Elsewhere")
    stranger = elsewhere.person(Role.SUPERVISOR)
    administrator = office.home.person(Role.ADMINISTRATOR)
    number = office.ask()
    for who in (stranger, administrator):
        assert code_of(office.decide, who, number) == "second_person"
        with office.home.database.read() as tx:
            assert approvals.pending(tx, who) == []
    both = office.home.person(Role.GRADER, Role.ADMINISTRATOR)
    with office.home.database.write() as tx:
        for who in (stranger, both):
            teams.add(tx, office.asker, office.case, who.account_id)
    assert code_of(office.decide, stranger, number) == "second_person"
    office.decide(both, number)


def test_a_grant_is_for_this_and_for_those_two_only(office):
    number = office.ask()
    office.decide(office.second, number)
    other = office.home.person(Role.EXAMINER)
    assert code_of(office.carry_out, other, number) == "second_person"
    assert code_of(office.carry_out, support.GLASS, number) == "second_person"
    assert code_of(office.carry_out, office.asker, number, "case.delete") == "second_person"
    assert code_of(office.carry_out, office.asker, number, EXPORT, "case:999") == "second_person"
    assert code_of(office.carry_out, office.asker, ApprovalId(999)) == "second_person"
    assert office.carry_out(office.second, number)


def test_what_was_refused_decided_or_is_too_old_is_over(office):
    refused, decided, old, granted = (office.ask() for _ in range(4))
    office.decide(office.second, refused, granted=False)
    office.decide(office.second, decided)
    office.decide(office.second, granted)
    assert code_of(office.carry_out, office.asker, refused) == "second_person"
    assert code_of(office.decide, office.second, decided) == "conflict"
    with office.home.database.write() as tx:
        late = Approval.id.in_((old, granted))
        tx.execute(update(Approval).where(late).values(expires_at=now() - timedelta(seconds=1)))
    assert code_of(office.decide, office.second, old) == "conflict"
    assert code_of(office.carry_out, office.asker, granted) == "second_person"
    office.ask()
    with office.home.database.read() as tx:
        states = tx.execute(select(Approval.state).order_by(Approval.id)).scalars().all()
        assert [one.id for one in approvals.pending(tx, office.second)] == [decided, granted + 1]
    assert states == ["refused", "granted", "expired", "expired", "asked"]


def test_a_grant_is_used_by_one_of_two_at_once(office):
    number = office.ask()
    office.decide(office.second, number)

    def use(who: Principal) -> bool:
        try:
            office.carry_out(who, number)
        except AccessError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(use, [office.asker, office.second] * 3)) == 1


def test_only_who_may_asks_and_says_why(office):
    with office.home.database.write() as tx:
        for who, kind, subject, reason in (
            (office.second, EXPORT, office.subject, "not of the team"),
            (office.asker, EXPORT, "case:999", "no such case"),
            (office.asker, "case.delete", office.subject, "not allowed"),
            (office.asker, "account.roles", "account:1", "not allowed"),
            (office.asker, "something.else", office.subject, "no such kind"),
            (office.asker, EXPORT, office.subject, "  "),
            (support.GLASS, EXPORT, office.subject, "nobody"),
        ):
            with pytest.raises(UsageError):
                approvals.ask(tx, who, kind, subject, {}, reason)
        assert tx.execute(select(Approval.id)).all() == []


def test_alone_one_is_enough_and_the_log_says_so(home):
    alone = home.person(Role.ADMINISTRATOR)
    with home.database.write() as tx:
        new, _ = accounts.invite(tx, alone, home.organisation_id, "bo.day", "Bo", [Role.SUPERVISOR])
        assert changes.roles_of(tx, new) == {Role.SUPERVISOR}
        assert changes.change_roles(tx, alone, new, [Role.GRADER], "moved") is None
    assert ("account.bootstrap", f"account:{new}") in support.actions(home.database)


def test_with_a_second_one_roles_wait_for_them(home):
    first, second = home.person(Role.ADMINISTRATOR), home.person(Role.SUPERVISOR)
    with home.database.write() as tx:
        new, _ = accounts.invite(tx, first, home.organisation_id, "bo.day", "Bo", [Role.GRADER])
        assert changes.roles_of(tx, new) == frozenset()
        waiting = approvals.pending(tx, second)[0]
        assert (waiting.kind, waiting.body) == ("account.roles", {"roles": ["grader"]})
        with pytest.raises(AccessError):
            changes.carry_out(tx, first, waiting.id, waiting.kind, new)
        with pytest.raises(AccessError):
            approvals.decide(tx, first, waiting.id, granted=True)
        approvals.decide(tx, second, waiting.id, granted=True)
        with pytest.raises(AccessError):  # granted for another account
            changes.carry_out(tx, first, waiting.id, waiting.kind, first.account_id)
        changes.carry_out(tx, second, waiting.id, waiting.kind, new)
        assert changes.roles_of(tx, new) == {Role.GRADER}
    assert "account.bootstrap" not in dict(support.actions(home.database))


def test_an_administrator_is_closed_by_two_and_others_by_one(home):
    first, second = home.person(Role.ADMINISTRATOR), home.person(Role.ADMINISTRATOR)
    grader, third = home.person(Role.GRADER), home.person(Role.SUPERVISOR)
    with home.database.write() as tx:
        assert changes.close(tx, first, grader.account_id, "left") is None
        number = changes.close(tx, first, second.account_id, "left")
        accounts.principal(tx, second.account_id, Via.WEB)
        with pytest.raises(AccessError):
            accounts.principal(tx, grader.account_id, Via.WEB)
        with pytest.raises(AccessError):
            approvals.decide(tx, second, number, granted=True)
        approvals.decide(tx, third, number, granted=True)
        changes.carry_out(tx, first, number, "account.close", second.account_id)
        with pytest.raises(AccessError):
            accounts.principal(tx, second.account_id, Via.WEB)
        with pytest.raises(UsageError):
            changes.close(tx, first, grader.account_id, "again")


def test_nobody_takes_an_account_over_alone(home):
    first, second = home.person(Role.ADMINISTRATOR), home.person(Role.SUPERVISOR)
    ann = support.come_in(home, Role.GRADER)
    with home.database.write() as tx:
        with pytest.raises(UsageError, match="accepted already"):
            changes.invite_again(tx, first, ann.account_id)
        number = changes.reset(tx, first, ann.account_id, "lost the telephone")
        assert number is not None
        approvals.decide(tx, second, number, granted=True)
        changes.carry_out(tx, first, number, "account.reset", ann.account_id)
        row = tx.execute(
            select(Account.state, Account.password_hash, Account.totp_secret).where(
                Account.id == ann.account_id
            )
        ).one()
        assert tuple(row) == ("invited", None, None)
        assert changes.invite_again(tx, first, ann.account_id)
        assert changes.roles_of(tx, ann.account_id) == {Role.GRADER}
    assert ("session.ended", f"account:{ann.account_id}") in support.actions(home.database)


def test_the_log_holds_ids_only(office):
    office.decide(office.second, office.ask())
    with office.home.database.read() as tx:
        bodies = b" ".join(tx.execute(select(AuditEvent.body)).scalars())
    for word in ("for the court", office.asker.name, office.second.name, "Example Force"):
        assert word.encode() not in bodies
