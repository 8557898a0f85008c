"""Every role against every permission, from a table that a person can read."""

from __future__ import annotations

import pytest

from tutela.access import teams
from tutela.access.authorise import allows, require
from tutela.access.model import ALLOWED, OF_A_CASE, Permission
from tutela.core.errors import AccessError
from tutela.core.ids import CaseId
from tutela.core.principal import SYSTEM, Principal, Role, Via

# Columns: examiner, grader, victim identification, supervisor, administrator, auditor, list
# member, investigator.
TABLE = """
                e g v s a u l i
case.list       x x x x . . . x
case.read       x x x x . . . x
case.create     x . . x . . . x
case.change     x . . x . . . x
evidence.add    x . . . . . . .
grade           . x x . . . . .
view.clear      . x x x . . . .
adjudicate      . . . x . . . .
series          . . x . . . . .
export          x . x x . . . x
export.media    x . . x . . . .
case.delete     . . . x . . . .
approve         . . . x x . . .
lists.read      x x x x x . x x
lists.publish   . . . x . . . .
lists.sync      . . . x . . x .
lists.feedback  . . . x . . x .
match           . . . x . . x .
chat.score      . . . x . . x .
nodes           . . . . x . . .
nodes.ask       x . x x . . . .
crawl           . . . x . . . x
conversations.read x . . x . . . x
conversations.work x . . . . . . x
leads           . . . x . . . x
accounts        . . . . x . . .
policy          . . . . x . . .
audit.read      . . . . . x . .
own             x x x x x x x x
"""
ROWS = [line.split() for line in TABLE.strip().splitlines()[1:]]


def test_the_table_names_everything_there_is():
    assert {row[0] for row in ROWS} == {one.value for one in Permission}
    assert set(ALLOWED) == set(Role)
    assert all(len(row) == 1 + len(Role) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_each_role_may_what_the_table_says_and_nothing_else(row):
    permission = Permission(row[0])
    for role, mark in zip(Role, row[1:], strict=True):
        # `allows` asks about an account; the table is about roles.
        assert allows(Principal(1, 1, "somebody", frozenset({role}), Via.WEB), permission) == (
            mark == "x"
        ), role


def test_without_a_role_only_the_own_account_is_left_and_the_system_may_nothing(small):
    nobody = small.person()
    with small.database.read() as tx:
        for permission in Permission:
            assert allows(nobody, permission) == (permission is Permission.OWN)
            assert not allows(SYSTEM, permission)
            with pytest.raises(AccessError):
                require(tx, SYSTEM, permission, CaseId(1))


def test_a_case_is_its_teams_only_whatever_the_role(home):
    member, stranger = home.person(*Role), home.person(*Role)
    case = home.case(member)
    with home.database.read() as tx:
        for permission in OF_A_CASE:
            require(tx, member, permission, case)
            refusals = []
            for who, where in ((stranger, case), (stranger, CaseId(999)), (member, CaseId(999))):
                with pytest.raises(AccessError) as caught:
                    require(tx, who, permission, where)
                refusals.append((caught.value.code, caught.value.hint))
            with pytest.raises(AccessError):
                require(tx, member, permission)  # a case must be named
            # That a case is there is not told to those who are not of its team.
            assert len(set(refusals)) == 1


def test_a_team_is_changed_by_its_own_and_never_empty(home):
    examiner, grader, stranger = (
        home.person(Role.EXAMINER),
        home.person(Role.GRADER),
        home.person(Role.SUPERVISOR),
    )
    case = home.case(examiner)
    with home.database.write() as tx:
        with pytest.raises(AccessError):
            teams.add(tx, stranger, case, stranger.account_id)
        teams.add(tx, examiner, case, grader.account_id)
        teams.add(tx, examiner, case, grader.account_id)
        assert [one.name for one in teams.members(tx, grader, case)] == sorted(
            [examiner.name, grader.name]
        )
        with pytest.raises(AccessError):
            teams.remove(tx, grader, case, examiner.account_id)
        teams.remove(tx, examiner, case, grader.account_id)
        for wrong, words in ((grader, "not on this team"), (examiner, "one active member")):
            with pytest.raises(Exception, match=words):
                teams.remove(tx, examiner, case, wrong.account_id)
        with pytest.raises(AccessError):
            teams.members(tx, grader, case)
