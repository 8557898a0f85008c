"""Blindness across cases: a grade shows in all cases of its organisation, and so does its reading.

The first grader works in the case that asks; the second reader in a sibling case of the same
organisation and scheme, and is not on the asking case's team.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from casework_office import MadeCase, Office, case_row
from casework_scans import hit, picture, session
from sqlalchemy import Connection, event, func, select, update

from tutela.access import approvals
from tutela.casework import (
    adjudicate,
    agreement,
    blind,
    deletion,
    derive,
    detail,
    grade,
    intake,
    links,
    notes,
    overview,
    policy,
    review,
    second,
    similar,
    takeback,
    timeline,
    workload,
)
from tutela.casework import case as cases
from tutela.casework.formats import export
from tutela.casework.grade import Decision, Given
from tutela.casework.intake import Source
from tutela.casework.model import CaseState, MediaState
from tutela.casework.view import Filter
from tutela.core.errors import ConflictError, UsageError
from tutela.core.ids import MediaId
from tutela.core.principal import Principal, Role
from tutela.observation import retention
from tutela.store.tables.casework import Case, CaseMedia, Media, MediaHit
from tutela.store.tables.grading import Grade, SecondReading, Vote

CODES = ("A", "B")


@dataclass
class Siblings:
    """Two cases with the same two media, in one stack each; `asking` was graded by `first`."""

    office: Office
    asking: MadeCase
    sibling: MadeCase
    first: Principal
    reader: Principal
    supervisor: Principal

    @property
    def media(self) -> MediaId:
        return self.asking.media_ids[0]

    def give(self, tx: Connection, who: Principal, case: MadeCase, code: str) -> list[Given]:
        return grade.give(tx, who, case.id, [Decision(self.media, code)])

    def states(self, tx: Connection) -> list[str]:
        rows = select(SecondReading.state).order_by(SecondReading.id)
        return list(tx.execute(rows).scalars())


def siblings(office: Office, *, later: bool = False) -> Siblings:
    """Make them; `later`: the sibling comes when the grade is there, which it does not show."""
    with office.database.write() as tx:
        policy.change(tx, office.person("administrator"), second_reading_permille=1000)
        chief = office.hire(tx, "chief", Role.SUPERVISOR)
    first, reader = office.person("grader"), office.person("grader2")
    asking = office.make_case(2, stacks=[2], team=[first, office.person("supervisor")])
    team = [reader, office.person("victims"), office.person("examiner"), chief]

    def sibling() -> MadeCase:
        return office.make_case(asking.media_ids, stacks=[2], team=team)

    made = None if later else sibling()
    with office.database.write() as tx:
        grade.give(tx, first, asking.id, [Decision(asking.media_ids[0], "A")])
    return Siblings(office, asking, made or sibling(), first, reader, chief)


@pytest.fixture
def two(office: Office) -> Siblings:
    return siblings(office)


@pytest.fixture
def late(office: Office) -> Siblings:
    return siblings(office, later=True)


def told(tx: Connection, who: Principal, case: MadeCase) -> bytes:
    """Return all that somebody can ask about a case, whatever the answer is made of."""
    media = case.media_ids
    info = cases.info(tx, who, case.id)
    (item, *_) = review.items(tx, who, case.id, media)
    answers: list[Any] = [
        review.items(tx, who, case.id, media),
        review.stack(tx, who, case.id, case.stack_ids[0]),
        [review.ids(tx, who, case.id, Filter(codes=(code,), members=True)) for code in CODES],
        detail.detail(tx, who, case.id, media[0]),
        derive.of_item(tx, who, case.id, item, info.scheme),
        similar.similar(tx, who, case.id, media[1], 80),
        agreement.seen(tx, who, case.id, media),
        cases.totals(tx, who, case.id),
        overview.case_hits(tx, who, case.id, 100),
        workload.workload(tx, who, case.id),
        timeline.timeline(tx, who, case.id),
        links.links(tx, who, case.id),
        notes.list_(tx, who, case.id),
    ]
    return msgspec.json.encode(answers, enc_hook=lambda value: value.tolist())


def test_what_a_second_reader_is_told_does_not_depend_on_the_first_grade(two: Siblings) -> None:
    with two.office.database.write() as tx:
        tx.execute(update(Media).values(pdq=bytes(32)))
        assert two.states(tx) == ["open"]
        who = (two.reader, two.office.person("victims"), two.supervisor)
        before = [told(tx, one, two.sibling) for one in who[:2]]
        graded = review.items(tx, who[2], two.sibling.id, [two.media])
        two.give(tx, two.first, two.asking, "B")
        assert [told(tx, one, two.sibling) for one in who[:2]] == before
        assert review.items(tx, who[2], two.sibling.id, [two.media]) == graded
        assert graded[0].code is None, "who may have to settle it is not told either"
        assert graded[0].state is MediaState.GRADED
        row = case_row(tx, two.sibling.id, two.media)
        assert (row.state, row.code) == ("graded", "B"), "the code is there, and only withheld"


def test_what_was_inferred_from_a_withheld_grade_does_not_tell_it(two: Siblings) -> None:
    with two.office.database.write() as tx:
        policy.change(tx, two.office.person("administrator"), second_reading_permille=1000)
        whole = two.office.make_case
    case = whole(3, stacks=[3], team=[two.first, two.reader, two.office.person("supervisor")])

    def give(tx: Connection, code: str) -> None:
        grade.give(tx, two.first, case.id, [Decision(case.media_ids[0], code, stack=True)])

    with two.office.database.write() as tx:
        give(tx, "A")
        before = told(tx, two.reader, case)
        give(tx, "B")
        assert case_row(tx, case.id, case.media_ids[1]).code == "B"
        assert told(tx, two.reader, case) == before
        assert b'"B"' in told(tx, two.first, case), "the first grader sees their own"


@pytest.mark.parametrize("form", ["vics", "case-uco", "jsonl", "csv", "html"])
def test_no_export_of_a_sibling_tells_a_second_reader(
    two: Siblings, tmp_path: Path, form: export.Format
) -> None:
    office, officer = two.office, two.office.person("victims")
    with pytest.raises(UsageError) as caught:
        export.write(office.database, officer, two.sibling.id, form, tmp_path / "out")
    assert caught.value.code == "blind"
    assert not (tmp_path / "out").exists()
    examiner = office.person("examiner")  # who does not grade may have it
    assert export.write(office.database, examiner, two.sibling.id, form, tmp_path / "out").counts
    with office.database.write() as tx:
        two.give(tx, officer, two.sibling, "A")
    export.write(office.database, officer, two.sibling.id, form, tmp_path / "again")


def test_an_export_that_tells_nothing_is_not_held_up(late: Siblings, tmp_path: Path) -> None:
    officer, out = late.office.person("victims"), tmp_path / "out"
    assert export.write(late.office.database, officer, late.sibling.id, "jsonl", out).counts
    assert b'"code":"A"' not in out.read_bytes()


def test_a_reading_is_given_in_a_sibling_and_closes_there(two: Siblings) -> None:
    with two.office.database.write() as tx:
        (waiting,) = second.queue(tx, two.reader, two.sibling.id)
        assert waiting.media_id == two.media
        only = Filter(second=True)
        assert review.ids(tx, two.reader, two.sibling.id, only).tolist() == [two.media]
        assert second.read(tx, two.reader, two.sibling.id, waiting.id, "A").agreed
        assert two.states(tx) == ["agreed"]
        assert second.queue(tx, two.reader, two.sibling.id) == []
        (item,) = review.items(tx, two.reader, two.sibling.id, [two.media])
        assert (item.code, item.second_reading) == ("A", False)
        assert tx.execute(select(Vote.code)).scalars().all() == ["A"]
        # It was read once: nobody is asked again, in neither case.
        two.give(tx, two.first, two.asking, "B")
        two.give(tx, two.reader, two.sibling, "B")
        assert two.states(tx) == ["agreed"]


def test_a_withheld_grade_cannot_be_changed_from_a_sibling(two: Siblings) -> None:
    with two.office.database.write() as tx:
        with pytest.raises(ConflictError, match="second reading"):
            takeback.clear(tx, two.reader, two.sibling.id, [two.media])
        assert two.give(tx, two.reader, two.sibling, "B") == [Given(two.media, "B", "second")]
        assert two.states(tx) == ["differed"]
        assert tx.execute(select(Vote.code)).scalars().all() == ["A"]
        for case in (two.asking, two.sibling):
            assert case_row(tx, case.id, two.media).code == "A"
        assert takeback.undo(tx, two.reader, two.sibling.id) == []


def test_what_differs_is_settled_from_any_case_of_the_organisation(two: Siblings) -> None:
    with two.office.database.write() as tx:
        two.give(tx, two.reader, two.sibling, "B")
        for who, case in ((two.first, two.asking), (two.reader, two.sibling)):
            with pytest.raises(ConflictError) as caught:
                two.give(tx, who, case, "B")
            assert caught.value.code == "differed"
            with pytest.raises(ConflictError):
                takeback.clear(tx, who, case.id, [two.media])
        with pytest.raises(ConflictError):
            takeback.undo(tx, two.first, two.asking.id)
        both = (two.office.person("supervisor"), two.asking), (two.supervisor, two.sibling)
        for who, case in both:
            assert review.items(tx, who, case.id, [two.media])[0].code is None
            assert review.ids(tx, who, case.id, Filter(codes=("A",))).tolist() == []
            assert cases.totals(tx, who, case.id).by_code == {}
        numbers = [[one.id for one in adjudicate.differed(tx, who, at.id)] for who, at in both]
        assert numbers[0] == numbers[1]
        (number,) = numbers[1]
        done = adjudicate.settle(tx, two.supervisor, two.sibling.id, number, "none", "A dog")
        assert (done.first_code, done.second_code) == ("A", "B")
        assert two.states(tx) == ["settled"]
        for case in (two.asking, two.sibling):
            assert case_row(tx, case.id, two.media).code == "none"
        with pytest.raises(ConflictError):
            adjudicate.settle(tx, both[0][0], two.asking.id, number, "A", "again")


def test_the_first_grader_corrects_and_takes_back_from_a_sibling(two: Siblings) -> None:
    office = two.office
    own = office.make_case(two.asking.media_ids, team=[two.first])
    with office.database.write() as tx:
        two.give(tx, two.first, own, "B")
        assert two.states(tx) == ["open"]
        assert tx.execute(select(SecondReading.first_code)).scalar_one() == "B"
        grade.clear(tx, two.first, own.id, [two.media])
        assert two.states(tx) == ["withdrawn"]
        assert second.queue(tx, two.reader, two.sibling.id) == []
        two.give(tx, two.first, own, "A")
        assert two.states(tx) == ["withdrawn", "open"]


def test_a_later_case_does_not_tell_of_the_grade_and_takes_the_reading(late: Siblings) -> None:
    with late.office.database.write() as tx:
        assert second.queue(tx, late.reader, late.sibling.id) == []
        for wanted in (True, False):
            shown = review.ids(tx, late.reader, late.sibling.id, Filter(second=wanted))
            assert shown.tolist() == ([] if wanted else [late.media])
        (item,) = review.items(tx, late.reader, late.sibling.id, [late.media])
        assert (item.state, item.code, item.second_reading) == ("open", None, False)
        given = late.give(tx, late.reader, late.sibling, "A")
        assert given == [Given(late.media, "A", "second")]
        assert late.states(tx) == ["agreed"]
        row = case_row(tx, late.sibling.id, late.media)
        assert (row.state, row.code) == ("graded", "A"), "both say so: nothing is left to do here"
        assert tx.execute(select(func.count()).select_from(Vote)).scalar_one() == 1


def test_a_later_case_waits_for_the_supervisor_where_readers_differ(late: Siblings) -> None:
    with late.office.database.write() as tx:
        late.give(tx, late.reader, late.sibling, "B")
        row = case_row(tx, late.sibling.id, late.media)
        assert (row.state, row.code) == ("open", None)
        with pytest.raises(ConflictError) as caught:
            late.give(tx, late.reader, late.sibling, "B")
        assert caught.value.code == "differed"
        (waiting,) = adjudicate.differed(tx, late.supervisor, late.sibling.id)
        adjudicate.settle(tx, late.supervisor, late.sibling.id, waiting.id, "B", "Plain to see")
        for case in (late.asking, late.sibling):
            row = case_row(tx, case.id, late.media)
            assert (row.state, row.code) == ("graded", "B")


def test_undoing_what_was_inferred_takes_no_reading_back(late: Siblings) -> None:
    lead = late.sibling.media_ids[1]
    with late.office.database.write() as tx:
        grade.give(tx, late.reader, late.sibling.id, [Decision(lead, "C", stack=True)])
        assert case_row(tx, late.sibling.id, late.media).state == "inferred"
        takeback.undo(tx, late.reader, late.sibling.id)
        assert late.states(tx) == ["open", "withdrawn"]
        grade.give(tx, late.reader, late.sibling.id, [Decision(lead, "C", stack=True)])
        takeback.clear(tx, late.reader, late.sibling.id, [lead])
        assert case_row(tx, late.sibling.id, late.media).state == "open"
        assert late.states(tx) == ["open", "withdrawn", "withdrawn"]


def test_other_organisations_and_schemes_are_not_concerned(two: Siblings) -> None:
    office = two.office
    elsewhere = office.make_case(two.asking.media_ids, organisation=1)
    american = office.make_case(two.asking.media_ids, scheme="vics-us")
    with office.database.write() as tx:
        stranger = office.person("grader", 1)
        assert two.give(tx, stranger, elsewhere, "B") == [Given(two.media, "B", "viewed")]
        assert two.give(tx, two.reader, american, "1") == [Given(two.media, "1", "viewed")]
        assert [one.media_id for one in second.queue(tx, two.reader, american.id)] == []
        assert two.states(tx) == ["open"] * 3
        assert review.items(tx, two.reader, american.id, [two.media])[0].code == "1"


def test_a_guest_reads_for_their_own_organisation(office: Office) -> None:
    """A guest's vote is their own organisation's, and its cases show it."""
    with office.database.write() as tx:
        policy.change(tx, office.person("administrator"), second_reading_permille=1000)
    guest, colleague = office.person("grader", 1), office.person("grader2", 1)
    host = office.person("grader")
    joint = office.make_case(1, team=[host, guest])
    theirs = office.make_case(joint.media_ids, organisation=1)
    with office.database.write() as tx:
        grade.give(tx, guest, joint.id, [Decision(joint.media_ids[0], "A")])
        for who, case in ((host, joint), (colleague, theirs)):
            (item,) = review.items(tx, who, case.id, case.media_ids)
            assert (item.state, item.code) == ("graded", None)
        given = grade.give(tx, colleague, theirs.id, [Decision(theirs.media_ids[0], "A")])
        assert [one.basis for one in given] == ["second"]
        assert tx.execute(select(SecondReading.state)).scalars().all() == ["agreed"]


def test_a_closed_case_withholds_and_its_reading_goes_on(two: Siblings) -> None:
    with two.office.database.write() as tx:
        tx.execute(update(Case).where(Case.id == two.asking.id).values(state=CaseState.CLOSED))
        (item,) = review.items(tx, two.reader, two.sibling.id, [two.media])
        assert item.code is None
        assert two.give(tx, two.reader, two.sibling, "A")[0].basis == "second"
        assert two.states(tx) == ["agreed"]


@pytest.mark.parametrize("shared", [True, False])
def test_the_reading_of_a_deleted_case_lives_on_where_its_grade_shows(
    office: Office, *, shared: bool
) -> None:
    two = siblings(office)
    with office.database.write() as tx:
        if not shared:
            tx.execute(
                update(Case).where(Case.id == two.sibling.id).values(scheme="interpol-baseline")
            )
        supervisor = office.person("supervisor")
        asked = deletion.ask(tx, supervisor, two.asking.id, "the warrant was lifted")
        approvals.decide(tx, two.supervisor, asked, granted=True)
    deletion.delete_case(
        office.database, supervisor, two.asking.id, asked, None, retention.forget_case
    )
    with office.database.write() as tx:
        assert two.states(tx) == (["open"] if shared else [])
        if shared:
            assert review.items(tx, two.reader, two.sibling.id, [two.media])[0].code is None
            two.give(tx, two.reader, two.sibling, "B")
            (waiting,) = adjudicate.differed(tx, two.supervisor, two.sibling.id)
            adjudicate.settle(tx, two.supervisor, two.sibling.id, waiting.id, "B", "Plain")


def test_what_both_cases_know_is_sampled_once_and_lists_do_not_tell_it(office: Office) -> None:
    examiner, admin = office.person("examiner"), office.person("administrator")
    trust = {"trusted_lists": {"national": "uk-abc"}, "known_sample_permille": 1000}
    with office.database.write() as tx:
        policy.change(tx, admin, **trust)
    first, sibling = office.make_case(0), office.make_case(0)
    for case in (first, sibling):
        evidence = [picture("known", hits=[hit()])]
        intake.add(office.database, examiner, case.id, Source("X"), session(evidence))
    reader, supervisor = office.person("grader"), office.person("supervisor")
    with office.database.write() as tx:
        (reading,) = tx.execute(select(SecondReading.__table__)).all()
        for case in (first, sibling):
            (item,) = review.items(tx, reader, case.id, [reading.media_id])
            assert (item.state, item.code, item.reasons) == ("known", None, ())
            assert overview.case_hits(tx, reader, case.id, 10) == []
            assert detail.detail(tx, reader, case.id, reading.media_id).hits == ()
            assert len(second.queue(tx, reader, case.id)) == 1
        given = grade.give(tx, reader, sibling.id, [Decision(reading.media_id, "none")])
        assert given[0].basis == "second"
        assert len(overview.case_hits(tx, reader, sibling.id, 10)) == 1
        # The list has said what the supervisor is about to judge.
        assert overview.case_hits(tx, supervisor, first.id, 10) == []
        assert detail.detail(tx, supervisor, first.id, reading.media_id).hits == ()
        assert tx.execute(select(func.count()).select_from(MediaHit)).scalar_one() == 2


def test_numbers_of_other_cases_are_not_read_through_ones_own(two: Siblings) -> None:
    """A reading about a media that the case does not have is not open there."""
    office = two.office
    with office.database.write() as tx:
        (number,) = tx.execute(select(SecondReading.id)).scalars()
    apart = office.make_case(1, team=[two.reader, two.supervisor])
    with office.database.write() as tx:
        assert second.queue(tx, two.reader, apart.id) == []
        with pytest.raises(ConflictError):
            second.read(tx, two.reader, apart.id, number, "A")
        two.give(tx, two.reader, two.sibling, "B")
        assert adjudicate.differed(tx, two.supervisor, apart.id) == []
        with pytest.raises(ConflictError):
            adjudicate.settle(tx, two.supervisor, apart.id, number, "A", "guessed")


def test_the_history_says_in_which_case_it_was_read(two: Siblings) -> None:
    with two.office.database.write() as tx:
        two.give(tx, two.reader, two.sibling, "A")
        rows = tx.execute(select(Grade.case_id, Grade.basis).order_by(Grade.id)).all()
        assert [tuple(row) for row in rows] == [
            (two.asking.id, "viewed"),
            (two.sibling.id, "second"),
        ]
        asked = tx.execute(select(SecondReading.case_id)).scalar_one()
        assert asked == two.asking.id


def test_a_page_of_the_review_reads_no_whole_case(small_office: Office) -> None:
    """SQLite has no statistics here: the conditions alone have to lead it to the media."""
    case, who = small_office.make_case(3, stacks=[3]), small_office.person("supervisor")
    plans: list[str] = []
    with small_office.database.write() as tx:
        tx.execute(update(CaseMedia).values(state="inferred", code="A"))
        raw = tx.connection.driver_connection

        def explain(*given: Any) -> None:
            _, _, statement, parameters, *_ = given
            rows = raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.append("\n".join(row[3] for row in rows))

        event.listen(tx, "before_cursor_execute", explain)
        blind.withheld(tx, who, case.id, case.media_ids)
        second.withheld(tx, who, case.id, case.media_ids)
    readings, inferred, stacks, own = plans
    for plan in (readings, stacks, own):
        assert "second_readings USING INDEX ix_second_readings_media (media_id=? AND" in plan
    assert "case_media USING INDEX ix_case_media_media_id (media_id=?)" in inferred
    assert "case_media USING INDEX ix_case_media_stack (stack_id=?)" in stacks
