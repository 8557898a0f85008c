from __future__ import annotations

import msgspec
import pytest
from casework_office import MadeCase, Office, case_row
from sqlalchemy import insert, select, update

from tutela.casework import adjudicate, agreement, grade, policy, review, second
from tutela.casework.grade import Decision, Given
from tutela.casework.second import Outcome, sampled
from tutela.core.errors import AccessError, ConflictError, UsageError
from tutela.core.time import now
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import CaseMedia
from tutela.store.tables.grading import Grade, SecondReading, Vote


def read_everything_twice(office: Office) -> None:
    with office.database.write() as tx:
        policy.change(tx, office.person("administrator"), second_reading_permille=1000)


def graded_case(office: Office, media: int, code: str = "A") -> MadeCase:
    """A case graded by the first grader, all of which waits for a second reading."""
    read_everything_twice(office)
    case = office.make_case(media)
    with office.database.write() as tx:
        decisions = [Decision(one, code) for one in case.media_ids]
        grade.give(tx, office.person("grader"), case.id, decisions)
    return case


def state(office: Office, case: MadeCase) -> list[str]:
    with office.database.read() as tx:
        return list(
            tx.execute(
                select(SecondReading.state)
                .where(SecondReading.case_id == case.id)
                .order_by(SecondReading.id)
            ).scalars()
        )


def test_the_sample_is_drawn_by_number_so_that_anyone_can_check_it() -> None:
    drawn = [n for n in range(20_000) if sampled(n, 100)]
    assert 1_800 < len(drawn) < 2_200
    assert drawn == [n for n in range(20_000) if sampled(n, 100)]
    assert set(drawn) < {n for n in range(20_000) if sampled(n, 200)}
    assert not any(sampled(n, 0) for n in range(1000))
    assert all(sampled(n, 1000) for n in range(1000))


def test_a_second_reading_is_blind_and_no_vote(office: Office) -> None:
    case = graded_case(office, 2)
    first, other = case.media_ids
    grader, reader = office.person("grader"), office.person("grader2")
    with office.database.write() as tx:
        assert second.queue(tx, grader, case.id) == []
        waiting = second.queue(tx, reader, case.id)
        assert [(one.media_id, one.reason) for one in waiting] == [
            (first, "sample"),
            (other, "sample"),
        ]
        with pytest.raises(ConflictError):
            second.read(tx, grader, case.id, waiting[0].id, "A")
        with pytest.raises(AccessError):
            second.read(tx, office.person("grader", 1), case.id, waiting[0].id, "A")
        with pytest.raises(UsageError):
            second.read(tx, reader, case.id, waiting[0].id, "Z")
        same = second.read(tx, reader, case.id, waiting[0].id, "A")
        differs = second.read(tx, reader, case.id, waiting[1].id, "B", facets={"act": "none"})
        with pytest.raises(ConflictError):
            second.read(tx, reader, case.id, waiting[0].id, "A")
    assert (same, differs) == (Outcome(first, agreed=True), Outcome(other, agreed=False))
    assert state(office, case) == ["agreed", "differed"]
    with office.database.read() as tx:
        assert tx.execute(select(Vote.code)).scalars().all() == ["A", "A"]
        assert case_row(tx, case.id, other).code == "A"
        bases = tx.execute(select(Grade.basis, Grade.code).order_by(Grade.id)).all()
        actions = tx.execute(select(AuditEvent.action).order_by(AuditEvent.seq)).scalars().all()
    assert bases[2:] == [("second", "A"), ("second", "B")]
    assert actions[-4:] == [
        "grade.read_again",
        "reading.agreed",
        "grade.read_again",
        "reading.differed",
    ]


def test_a_grade_that_is_withheld_cannot_be_changed_only_read_again(office: Office) -> None:
    case = graded_case(office, 2)
    first, other = case.media_ids
    reader = office.person("grader2")
    with office.database.write() as tx:
        with pytest.raises(ConflictError, match="second reading"):
            grade.clear(tx, reader, case.id, [first])
        given = grade.give(tx, reader, case.id, [Decision(first, "C")])
        assert case_row(tx, case.id, first).code == "A"
        assert grade.undo(tx, reader, case.id) == []
    assert given == [Given(first, "C", "second")]
    assert state(office, case) == ["differed", "open"]
    # The first reader may still correct themselves; the reading is held against that.
    with office.database.write() as tx:
        grade.give(tx, office.person("grader"), case.id, [Decision(other, "B")])
        (waiting,) = second.queue(tx, reader, case.id)
        assert second.read(tx, reader, case.id, waiting.id, "B").agreed


def test_a_grade_taken_back_is_not_read_again(office: Office) -> None:
    case = graded_case(office, 2)
    grader = office.person("grader")
    with office.database.write() as tx:
        grade.undo(tx, grader, case.id)
        grade.clear(tx, grader, case.id, [case.media_ids[0]])
        assert second.queue(tx, office.person("grader2"), case.id) == []
    assert state(office, case) == ["withdrawn", "withdrawn"]
    with office.database.write() as tx:
        for _ in range(2):  # graded anew it is asked again, and once
            grade.give(tx, grader, case.id, [Decision(case.media_ids[0], "A")])
        assert len(second.queue(tx, office.person("grader2"), case.id)) == 1


def test_a_supervisor_settles_what_differed_without_knowing_what_was_said(
    office: Office,
) -> None:
    case = graded_case(office, 1)
    (media_id,) = case.media_ids
    reader, supervisor = office.person("grader2"), office.person("supervisor")
    with office.database.write() as tx:
        (waiting,) = second.queue(tx, reader, case.id)
        second.read(tx, reader, case.id, waiting.id, "B")
        for who in (reader, office.person("supervisor", 1), office.person("examiner")):
            with pytest.raises(AccessError):
                adjudicate.differed(tx, who, case.id)
        (listed,) = adjudicate.differed(tx, supervisor, case.id)
        with pytest.raises(UsageError, match="why"):
            adjudicate.settle(tx, supervisor, case.id, listed.id, "B", " ")
        resolved = adjudicate.settle(tx, supervisor, case.id, listed.id, "B", "As published")
        with pytest.raises(ConflictError):
            adjudicate.settle(tx, supervisor, case.id, listed.id, "B", "again")
        assert adjudicate.differed(tx, supervisor, case.id) == []
        assert case_row(tx, case.id, media_id).code == "B"
        assert tx.execute(select(Vote.code)).scalars().all() == ["B"]
        assert agreement.of(tx, [media_id], "uk-abc")[media_id].code == "B"
    assert (resolved.first_code, resolved.second_code) == ("A", "B")
    assert state(office, case) == ["settled"]


def test_what_was_known_on_arrival_is_read_again_by_anyone(small_office: Office) -> None:
    office = small_office
    case = office.make_case(1)
    (media_id,) = case.media_ids
    with office.database.write() as tx:
        tx.execute(update(CaseMedia).values(state="known", code="A", sampled=True))
        tx.execute(
            insert(SecondReading).values(
                case_id=case.id,
                media_id=media_id,
                first_code="A",
                reason="known_sample",
                state="open",
                asked_at=now(),
            )
        )
        (waiting,) = second.queue(tx, office.person("grader"), case.id)
        assert waiting.reason == "known_sample"
        assert not second.read(tx, office.person("grader"), case.id, waiting.id, "none").agreed
        assert case_row(tx, case.id, media_id).state == "known"
        (listed,) = adjudicate.differed(tx, office.person("supervisor"), case.id)
        adjudicate.settle(tx, office.person("supervisor"), case.id, listed.id, "none", "A cat")
        row = case_row(tx, case.id, media_id)
    assert (row.state, row.code) == ("graded", "none")


def test_nothing_a_grader_can_ask_tells_what_others_said(office: Office) -> None:
    case = graded_case(office, 1, code="C")
    (media_id,) = case.media_ids
    elsewhere = office.make_case(case.media_ids, organisation=1)
    reader, stranger = office.person("grader2"), office.person("grader", 1)
    adjudicator = office.person("supervisor", 1)
    with office.database.write() as tx:
        # The second reader of the same organisation, and a grader of another one.
        for who, at in ((reader, case), (stranger, elsewhere)):
            told = [
                review.items(tx, who, at.id, [media_id]),
                review.stack(tx, who, at.id, at.stack_ids[0]),
                second.queue(tx, who, at.id),
                grade.undo(tx, who, at.id),
                agreement.seen(tx, who, at.id, [media_id]),
            ]
            if who is stranger:
                told.append(grade.clear(tx, who, at.id, [media_id]))
            assert b'"C"' not in msgspec.json.encode(told)
        assert list(review.ids(tx, reader, case.id, review.Filter(codes=("C",)))) == []
        # What they give tells them nothing either.
        own = grade.give(tx, stranger, elsewhere.id, [Decision(media_id, "A")])
        assert own == [Given(media_id, "A", "viewed")]
        # Adjudicators see that votes differ, not how.
        (dispute,) = agreement.disputes(tx, adjudicator, "uk-abc")
        assert b'"C"' not in msgspec.json.encode(dispute)
