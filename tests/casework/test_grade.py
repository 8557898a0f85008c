from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from casework_office import MadeCase, Office, case_row, join
from sqlalchemy import func, select, update

from tutela.audit.merkle import Frontier, leaf_hash
from tutela.casework import grade
from tutela.casework.grade import Decision, Given
from tutela.core.errors import AccessError, ConflictError, UsageError
from tutela.core.ids import MediaId
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.store.tables.access import Account
from tutela.store.tables.audit import AuditEvent, AuditHead
from tutela.store.tables.casework import Authority, Case, Stack
from tutela.store.tables.grading import Agreement, Grade, GradingAct, Vote


def give(office: Office, who: Principal, case: MadeCase, *decisions: Decision, **more: Any):
    with office.database.write() as tx:
        return grade.give(tx, who, case.id, decisions, **more)


def standing(office: Office, case: MadeCase) -> list[tuple[str, str | None]]:
    with office.database.read() as tx:
        rows = [case_row(tx, case.id, media_id) for media_id in case.media_ids]
    return [(row.state, row.code) for row in rows]


def votes(office: Office) -> dict[tuple[int, int], str]:
    with office.database.read() as tx:
        rows = tx.execute(select(Vote.media_id, Vote.organisation_id, Vote.code)).all()
    return {(media_id, organisation): code for media_id, organisation, code in rows}


def history(office: Office, media_id: MediaId) -> list[tuple[str, str | None]]:
    with office.database.read() as tx:
        rows = tx.execute(
            select(Grade.basis, Grade.code).where(Grade.media_id == media_id).order_by(Grade.id)
        ).all()
    return [(basis, code) for basis, code in rows]


def actions(office: Office, *but: str) -> list[tuple[str, str]]:
    with office.database.read() as tx:
        rows = tx.execute(select(AuditEvent.action, AuditEvent.subject).order_by(AuditEvent.seq))
        return [(action, subject) for action, subject in rows if action not in but]


def assert_log_is_whole(office: Office) -> None:
    with office.database.read() as tx:
        head = tx.execute(select(AuditHead)).one()
        bodies = tx.execute(select(AuditEvent.body).order_by(AuditEvent.seq)).scalars().all()
    frontier = Frontier()
    for body in bodies:
        frontier.push(leaf_hash(body))
    assert (head.size, head.root) == (len(bodies), frontier.root())


def test_a_grade_is_history_a_vote_a_state_and_a_leaf(office: Office) -> None:
    grader = office.person("grader")
    case = office.make_case(3)
    first, second, _ = case.media_ids
    given = give(
        office,
        grader,
        case,
        Decision(first, "A", facets={"generation": "real"}, law="Test Act"),
        Decision(second, "none"),
    )
    assert given == [Given(first, "A", "viewed"), Given(second, "none", "viewed")]
    assert standing(office, case) == [("graded", "A"), ("graded", "none"), ("open", None)]
    mine = office.organisations[0]
    assert votes(office) == {(first, mine): "A", (second, mine): "none"}
    assert actions(office) == [("grade.given", f"media:{m}") for m in (first, second)]
    with office.database.read() as tx:
        row = tx.execute(select(Grade).where(Grade.media_id == first)).one()
        agreed = tx.execute(select(Agreement.state, Agreement.code, Agreement.votes)).all()
        generation = tx.execute(select(Case.generation)).scalar_one()
        body = tx.execute(select(AuditEvent.body).order_by(AuditEvent.seq)).scalars().first()
    assert (row.facets, row.law, row.account_id) == (
        {"generation": "real"},
        "Test Act",
        grader.account_id,
    )
    assert sorted(agreed) == [("indicative", "A", 1), ("indicative", "none", 1)]
    assert generation == 1
    assert b'"code":"A"' in body
    assert b'"scheme":"uk-abc"' in body
    assert_log_is_whole(office)


def test_an_organisation_has_one_vote_and_its_last_grade_is_it(office: Office) -> None:
    case = office.make_case(1)
    (media_id,) = case.media_ids
    give(office, office.person("grader"), case, Decision(media_id, "A"))
    give(office, office.person("grader2"), case, Decision(media_id, "B"))
    # Twice in one save: both are history, the last one counts.
    give(office, office.person("grader"), case, Decision(media_id, "A"), Decision(media_id, "C"))
    assert votes(office) == {(media_id, office.organisations[0]): "C"}
    assert history(office, media_id) == [("viewed", code) for code in "ABAC"]
    assert standing(office, case) == [("graded", "C")]


def test_a_decision_on_a_stack_infers_what_was_not_displayed(office: Office) -> None:
    case = office.make_case(6, stacks=[5])
    lead, shown, *hidden, own, single = case.media_ids
    grader = office.person("grader")
    give(office, grader, case, Decision(own, "C"))
    given = give(
        office, grader, case, Decision(lead, "B", stack=True, displayed=frozenset({shown}))
    )
    assert sorted((one.media_id, one.basis) for one in given) == [
        (lead, "viewed"),
        (shown, "viewed"),
        *((one, "inferred") for one in hidden),
    ]
    assert standing(office, case) == [
        ("graded", "B"),
        ("graded", "B"),
        ("inferred", "B"),
        ("inferred", "B"),
        ("graded", "C"),
        ("open", None),
    ]
    mine = office.organisations[0]
    # An inferred grade is no vote; what is displayed must be of the stack to count.
    assert votes(office) == {(lead, mine): "B", (shown, mine): "B", (own, mine): "C"}
    give(office, grader, case, Decision(lead, "A", stack=True, displayed=frozenset({single})))
    assert standing(office, case)[2:] == [
        ("inferred", "A"),
        ("inferred", "A"),
        ("graded", "C"),
        ("open", None),
    ]


def test_a_member_taken_out_has_a_stack_of_its_own_and_is_open(office: Office) -> None:
    grader = office.person("grader")
    case = office.make_case(4, stacks=[4])
    lead, second, third, fourth = case.media_ids
    give(office, grader, case, Decision(lead, "B", stack=True))
    with office.database.write() as tx:
        made = grade.stack_out(tx, grader, case.id, third)
    with office.database.read() as tx:
        old = tx.execute(select(Stack).where(Stack.id == case.stack_ids[0])).one()
        new = tx.execute(select(Stack).where(Stack.id == made)).one()
        assert case_row(tx, case.id, third).stack_id == made
    assert (old.size, new.size, new.lead_media_id, new.cutoff_bits) == (3, 1, third, 16)
    assert standing(office, case)[2] == ("open", None)
    assert history(office, third) == [("inferred", "B"), ("cleared", None)]
    # The lead leaves: what was inferred from it was seen by nobody.
    with office.database.write() as tx:
        grade.stack_out(tx, grader, case.id, lead)
        with pytest.raises(UsageError, match="no stack with others"):
            grade.stack_out(tx, grader, case.id, lead)
    with office.database.read() as tx:
        old = tx.execute(select(Stack).where(Stack.id == case.stack_ids[0])).one()
    assert (old.size, old.lead_media_id) == (2, second)
    assert standing(office, case) == [
        ("graded", "B"),
        ("open", None),
        ("open", None),
        ("open", None),
    ]
    assert [action for action, _ in actions(office)][-4:] == [
        "grade.cleared",
        "stack.split",
        "grade.cleared",
        "grade.cleared",
    ]
    assert fourth in case.media_ids


def test_a_grade_shows_in_the_organisations_own_open_cases_of_the_scheme(office: Office) -> None:
    case = office.make_case(1)
    (media_id,) = case.media_ids
    same = office.make_case(case.media_ids)
    other_scheme = office.make_case(case.media_ids, scheme="vics-us")
    closed = office.make_case(case.media_ids)
    other_force = office.make_case(case.media_ids, organisation=1)
    with office.database.write() as tx:
        tx.execute(update(Case).where(Case.id == closed.id).values(state="closed"))
    grader = office.person("grader")
    give(office, grader, case, Decision(media_id, "A"))
    assert standing(office, same) == [("graded", "A")]
    for untouched in (other_scheme, closed, other_force):
        assert standing(office, untouched) == [("open", None)]
    with office.database.write() as tx:
        grade.undo(tx, grader, case.id)
    assert standing(office, same) == [("open", None)]


def test_undo_goes_back_one_decision_at_a_time_and_brings_the_former_vote_back(
    office: Office,
) -> None:
    grader, colleague = office.person("grader"), office.person("grader2")
    case = office.make_case(4, stacks=[3])
    lead, *members, single = case.media_ids
    mine = office.organisations[0]
    give(office, colleague, case, Decision(single, "C"))
    give(office, grader, case, Decision(lead, "A", stack=True), Decision(single, "B"))
    with office.database.write() as tx:
        back = grade.undo(tx, grader, case.id)
    assert back == [Given(single, "C", "undone")]
    assert votes(office) == {(lead, mine): "A", (single, mine): "C"}
    assert standing(office, case)[3] == ("graded", "C")
    with office.database.write() as tx:
        back = grade.undo(tx, grader, case.id)
        assert grade.undo(tx, grader, case.id) == []
    assert sorted(one.media_id for one in back) == [lead, *members]
    assert standing(office, case) == [("open", None)] * 3 + [("graded", "C")]
    assert votes(office) == {(single, mine): "C"}
    assert history(office, single) == [("viewed", "C"), ("viewed", "B"), ("undone", "C")]
    assert actions(office).count(("grade.undone", f"media:{lead}")) == 1
    with office.database.read() as tx:
        assert tx.execute(select(Agreement.media_id)).scalars().all() == [single]
    assert_log_is_whole(office)


def test_undo_leaves_alone_what_somebody_changed_since(office: Office) -> None:
    grader, colleague = office.person("grader"), office.person("grader2")
    case = office.make_case(1)
    (media_id,) = case.media_ids
    give(office, grader, case, Decision(media_id, "A"))
    give(office, colleague, case, Decision(media_id, "A"))
    with office.database.write() as tx:
        assert grade.undo(tx, grader, case.id) == []
    assert standing(office, case) == [("graded", "A")]
    with office.database.write() as tx:
        assert grade.undo(tx, colleague, case.id) == [Given(media_id, "A", "undone")]


def test_clearing_opens_a_media_and_what_was_inferred_from_it(office: Office) -> None:
    grader = office.person("grader")
    case = office.make_case(4, stacks=[3])
    lead, *members, single = case.media_ids
    give(office, grader, case, Decision(lead, "A", stack=True), Decision(single, "B"))
    with office.database.write() as tx:
        cleared = grade.clear(tx, grader, case.id, [lead])
        assert grade.clear(tx, grader, case.id, [lead]) == []
    assert sorted(one.media_id for one in cleared) == [lead, *members]
    assert standing(office, case) == [("open", None)] * 3 + [("graded", "B")]
    assert votes(office) == {(single, office.organisations[0]): "B"}
    with office.database.write() as tx:
        grade.undo(tx, grader, case.id)
    assert standing(office, case) == [
        ("graded", "A"),
        ("inferred", "A"),
        ("inferred", "A"),
        ("graded", "B"),
    ]
    assert votes(office)[lead, office.organisations[0]] == "A"
    with office.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(Agreement)).scalar_one() == 2


def test_a_retry_is_answered_alike_and_writes_nothing(office: Office) -> None:
    grader = office.person("grader")
    case = office.make_case(2)
    first, second = case.media_ids
    wanted = Decision(first, "A", facets={"act": "sexual_act"}, displayed=frozenset({first}))
    answer = give(office, grader, case, wanted, request="one")
    before = actions(office)
    assert give(office, grader, case, wanted, request="one") == answer
    with office.database.write() as tx:
        cleared = grade.clear(tx, grader, case.id, [first], request="two")
        assert grade.clear(tx, grader, case.id, [first], request="two") == cleared
        undone = grade.undo(tx, grader, case.id, request="three")
        assert grade.undo(tx, grader, case.id, request="three") == undone
    assert [a for a, _ in actions(office)[len(before) :]] == ["grade.cleared", "grade.undone"]
    with pytest.raises(ConflictError, match="something else"):
        give(office, grader, case, Decision(second, "A"), request="one")
    # The key is the account's own.
    assert give(office, office.person("grader2"), case, Decision(second, "B"), request="one")
    assert standing(office, case) == [("graded", "A"), ("graded", "B")]
    with office.database.write() as tx:
        # Also after the case was closed: it was saved, and the client must come to know.
        tx.execute(update(Case).values(state="closed"))
        assert grade.give(tx, grader, case.id, [wanted], request="one") == answer


def test_all_decisions_or_none(office: Office) -> None:
    grader = office.person("grader")
    case, elsewhere = office.make_case(2), office.make_case(1)
    good = Decision(case.media_ids[0], "A")
    bad = [
        Decision(case.media_ids[1], "D"),
        Decision(elsewhere.media_ids[0], "A"),
        Decision(case.media_ids[1], "A", facets={"mood": "x"}),
        Decision(case.media_ids[1], "A", law="x" * 500),
        Decision(elsewhere.media_ids[0], "A", stack=True),
    ]
    for one in bad:
        with pytest.raises(UsageError):
            give(office, grader, case, good, one)
    assert standing(office, case) == [("open", None)] * 2
    assert actions(office) == []
    with office.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(GradingAct)).scalar_one() == 0


def test_only_persons_of_the_team_grade_and_only_under_a_valid_authority(
    small_office: Office,
) -> None:
    office = small_office
    grader = office.person("grader")
    case = office.make_case(1)
    wanted = [Decision(case.media_ids[0], "A")]
    with office.database.write() as tx:
        program = office.hire(tx, "robot", Role.GRADER)
        tx.execute(update(Account).where(Account.id == program.account_id).values(kind="program"))
        join(tx, case.id, [program])
        for who in (
            office.person("examiner"),
            office.person("supervisor"),
            office.person("administrator"),
            office.person("grader", 1),
        ):
            with pytest.raises(AccessError):
                grade.give(tx, who, case.id, wanted)
            with pytest.raises(AccessError):
                grade.clear(tx, who, case.id, case.media_ids)
            with pytest.raises(AccessError):
                grade.undo(tx, who, case.id)
            with pytest.raises(AccessError):
                grade.stack_out(tx, who, case.id, case.media_ids[0])
        nobody = Principal(None, None, "root", frozenset(), Via.BREAK_GLASS)
        for who in (program, nobody):
            with pytest.raises(UsageError, match="person"):
                grade.give(tx, who, case.id, wanted)
        for change in ("closed", "deleted"):
            tx.execute(update(Case).values(state=change))
            for act in (
                lambda: grade.give(tx, grader, case.id, wanted),
                lambda: grade.clear(tx, grader, case.id, case.media_ids),
                lambda: grade.undo(tx, grader, case.id),
                lambda: grade.stack_out(tx, grader, case.id, case.media_ids[0]),
            ):
                with pytest.raises(UsageError, match=change):
                    act()
        tx.execute(update(Case).values(state="open"))
        tx.execute(update(Authority).values(valid_until=now() - timedelta(days=1)))
        with pytest.raises(UsageError, match="authority"):
            grade.give(tx, grader, case.id, wanted)
    assert standing(office, case) == [("open", None)]


def test_a_profile_without_numbers_cannot_be_graded_under(small_office: Office) -> None:
    case = small_office.make_case(1, scheme="vics-uk")
    with pytest.raises(UsageError) as refused:
        give(small_office, small_office.person("grader"), case, Decision(case.media_ids[0], "1"))
    assert "administrator" in refused.value.hint
