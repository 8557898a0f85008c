"""How far a large case is: counted once for many who ask, and never from another time."""

from __future__ import annotations

import pytest
from casework_office import Office
from sqlalchemy import update

from tutela.casework import case as cases
from tutela.casework.model import CaseInfo
from tutela.core.ids import CaseId
from tutela.store import Database
from tutela.store.tables.casework import CaseMedia
from tutela.web import counts
from tutela.web.counts import Counts


@pytest.fixture
def office(embedded: Database) -> Office:
    return Office(embedded)


def grade(office: Office, case_id: CaseId, media_id: int, *, told: bool = True) -> CaseInfo:
    """Set one state, and count the generation up as all do that grade; return the case."""
    with office.database.write() as tx:
        tx.execute(
            update(CaseMedia)
            .where(CaseMedia.case_id == case_id, CaseMedia.media_id == media_id)
            .values(state="graded")
        )
        if told:
            cases.touch(tx, case_id)
        return cases.info(tx, office.person("grader"), case_id)


def graded(office: Office, shared: Counts, case: CaseInfo) -> int:
    with office.database.read() as tx:
        return shared.states(tx, office.person("grader"), case)["graded"]


def test_a_large_case_is_counted_again_when_it_has_changed(office: Office, monkeypatch):
    monkeypatch.setattr(counts, "SHARED_S", 0)
    made = office.make_case(4)
    shared = Counts(large=4)
    assert graded(office, shared, grade(office, made.id, made.media_ids[0])) == 1
    unchanged = grade(office, made.id, made.media_ids[1], told=False)
    assert graded(office, shared, unchanged) == 1
    assert graded(office, shared, grade(office, made.id, made.media_ids[2])) == 3
    monkeypatch.setattr(counts, "UNCHANGED_S", 0)
    last = grade(office, made.id, made.media_ids[3], told=False)
    assert graded(office, shared, last) == 4


def test_those_who_grade_at_once_share_a_count_for_a_moment(office: Office, monkeypatch):
    made = office.make_case(4)
    shared = Counts(large=4)
    monkeypatch.setattr(counts, "SHARED_S", 600)
    assert graded(office, shared, grade(office, made.id, made.media_ids[0])) == 1
    assert graded(office, shared, grade(office, made.id, made.media_ids[1])) == 1
    monkeypatch.setattr(counts, "SHARED_S", 0)
    assert graded(office, shared, grade(office, made.id, made.media_ids[2])) == 3


def test_a_small_case_is_counted_each_time(office: Office):
    made = office.make_case(4)
    shared = Counts(large=5)
    for number, media_id in enumerate(made.media_ids, 1):
        assert graded(office, shared, grade(office, made.id, media_id, told=False)) == number
