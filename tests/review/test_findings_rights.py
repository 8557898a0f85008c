"""Findings of a review about who may know or do what: each was a way around a rule."""

from __future__ import annotations

from datetime import timedelta

import access_support as support
import msgspec
import pytest
from casework_office import MadeCase, Office
from sqlalchemy import select, update

from tutela.access import accounts, approvals, changes
from tutela.casework import adjudicate, agreement, grade, policy, review, takeback, victims
from tutela.casework.case import touch
from tutela.casework.formats import export
from tutela.casework.grade import Decision
from tutela.casework.view import Filter
from tutela.core.errors import ConflictError, UsageError
from tutela.core.ids import ApprovalId
from tutela.core.principal import Role, Via
from tutela.core.time import now
from tutela.store import Database
from tutela.store.tables.access import Account, AccountRole
from tutela.store.tables.casework import Authority, Case


@pytest.fixture
def office(embedded: Database) -> Office:
    return Office(embedded)


def disputed_case(office: Office) -> MadeCase:
    """A case of the first organisation with one media, on which the second says otherwise."""
    case = office.make_case(1)
    other = office.make_case(case.media_ids, organisation=1)
    with office.database.write() as tx:
        grade.give(tx, office.person("grader"), case.id, [Decision(case.media_ids[0], "A")])
        grade.give(tx, office.person("grader", 1), other.id, [Decision(case.media_ids[0], "B")])
    return case


def test_who_closes_the_second_person_is_not_alone_again(embedded: Database) -> None:
    home = support.force(embedded)
    first, second = home.person(Role.ADMINISTRATOR), home.person(Role.SUPERVISOR)
    puppet = home.person(Role.GRADER)
    with embedded.write() as tx:
        assert changes.close(tx, first, second.account_id, "left the force") is None
        asked = changes.change_roles(tx, first, puppet.account_id, [Role.ADMINISTRATOR], "mine")
        assert asked is not None
        held = select(AccountRole.role).where(AccountRole.account_id == puppet.account_id)
        assert tx.execute(held).scalars().all() == ["grader"]


def test_who_never_came_was_no_second_person(embedded: Database) -> None:
    home = support.force(embedded)
    first = home.person(Role.ADMINISTRATOR)
    with embedded.write() as tx:
        typo, _ = accounts.invite(tx, first, home.organisation_id, "ane", "", [Role.SUPERVISOR])
        assert changes.close(tx, first, typo, "a slip of the pen") is None
        assert not approvals.another_could(tx, first)


def test_who_settles_a_difference_is_not_told_by_the_review(office: Office) -> None:
    with office.database.write() as tx:
        policy.change(tx, office.person("administrator"), second_reading_permille=1000)
    case, supervisor = office.make_case(2), office.person("supervisor")
    media, agreed = case.media_ids
    with office.database.write() as tx:
        both = [Decision(media, "A"), Decision(agreed, "A")]
        grade.give(tx, office.person("grader"), case.id, both)
        second = [Decision(media, "B"), Decision(agreed, "A")]
        grade.give(tx, office.person("grader2"), case.id, second)
        assert [one.media_id for one in adjudicate.differed(tx, supervisor, case.id)] == [media]
        codes = [one.code for one in review.items(tx, supervisor, case.id, case.media_ids)]
        assert codes == [None, "A"]
        told = review.ids(tx, supervisor, case.id, Filter(codes=("A",)))
        assert told.tolist() == [agreed]
        # A grader who has read sees what stands, as before.
        assert review.items(tx, office.person("grader"), case.id, [media])[0].code == "A"
        (waiting,) = adjudicate.differed(tx, supervisor, case.id)
        adjudicate.settle(tx, supervisor, case.id, waiting.id, "B", "read again")
        assert review.items(tx, supervisor, case.id, [media])[0].code == "B"


def test_who_settles_a_dispute_is_not_told_by_the_review(office: Office) -> None:
    case, supervisor = disputed_case(office), office.person("supervisor")
    (media,) = case.media_ids
    with office.database.write() as tx:
        assert review.items(tx, supervisor, case.id, [media])[0].code is None
        assert review.ids(tx, supervisor, case.id, Filter(codes=("A",))).tolist() == []
        assert review.items(tx, office.person("grader"), case.id, [media])[0].code == "A"
        agreement.settle(tx, supervisor, media, "uk-abc", "A", "read again")
        assert review.items(tx, supervisor, case.id, [media])[0].code == "A"


def test_a_program_settles_no_dispute(office: Office) -> None:
    case, supervisor = disputed_case(office), office.person("supervisor")
    program = msgspec.structs.replace(supervisor, via=Via.CLI)
    with office.database.write() as tx:
        here = Account.id == supervisor.account_id
        tx.execute(update(Account).where(here).values(kind="program"))
        with pytest.raises(UsageError) as refused:
            agreement.settle(tx, program, case.media_ids[0], "uk-abc", "A", "because")
    assert refused.value.code == "person"


def test_a_guessed_number_tells_of_no_victim_of_another_team(office: Office) -> None:
    here, there = office.make_case(1), office.make_case(1, organisation=1)
    officer, stranger = office.person("victims"), office.person("victims", 1)
    with office.database.write() as tx:
        child = victims.create(tx, officer, here.id, "V-17", "File 12/26")
        victims.add(tx, officer, here.id, child, here.media_ids)
        for pseudonym in ("", "V-1"):
            with pytest.raises(UsageError, match="no such victim"):
                victims.add(tx, stranger, there.id, child, there.media_ids, pseudonym=pseudonym)
        assert victims.list_(tx, stranger, there.id) == []
        victims.add(tx, stranger, there.id, child, there.media_ids, pseudonym="V-17")
        assert [one.pseudonym for one in victims.list_(tx, stranger, there.id)] == ["V-17"]


def test_nothing_is_added_to_a_case_that_was_deleted_meanwhile(office: Office) -> None:
    case = office.make_case(1)
    with office.database.write() as tx:
        tx.execute(update(Case).where(Case.id == case.id).values(state="deleted"))
        with pytest.raises(UsageError) as refused:
            touch(tx, case.id)
    assert refused.value.code == "case_closed"


def test_an_export_does_not_tell_who_is_to_read_a_second_time(office: Office, tmp_path) -> None:
    with office.database.write() as tx:
        policy.change(tx, office.person("administrator"), second_reading_permille=1000)
    case, officer = office.make_case(1), office.person("victims")
    with office.database.write() as tx:
        grade.give(tx, office.person("grader"), case.id, [Decision(case.media_ids[0], "A")])
    with pytest.raises(UsageError) as caught:
        export.write(office.database, officer, case.id, "jsonl", tmp_path / "rows.jsonl")
    assert caught.value.code == "blind"
    assert not (tmp_path / "rows.jsonl").exists()
    examiner = office.person("examiner")
    export.write(office.database, examiner, case.id, "jsonl", tmp_path / "rows.jsonl")
    with office.database.write() as tx:
        grade.give(tx, officer, case.id, [Decision(case.media_ids[0], "A")])
    export.write(office.database, officer, case.id, "jsonl", tmp_path / "again.jsonl")


def test_pictures_leave_only_under_a_valid_authority(office: Office, tmp_path) -> None:
    case, examiner = office.make_case(1), office.person("examiner")
    with office.database.write() as tx:
        past = now() - timedelta(days=1)
        tx.execute(update(Authority).values(valid_from=past - timedelta(days=1), valid_until=past))
    asked = export.Options(approval=ApprovalId(1), open_media=lambda _media: None)
    with pytest.raises(UsageError) as caught:
        export.write(office.database, examiner, case.id, "vics", tmp_path / "case.json", asked)
    assert caught.value.code == "authority"


def test_two_readers_who_differ_leave_it_to_a_supervisor(office: Office) -> None:
    with office.database.write() as tx:
        policy.change(tx, office.person("administrator"), second_reading_permille=1000)
    case, supervisor = office.make_case(1), office.person("supervisor")
    first, other = office.person("grader"), office.person("grader2")
    media = case.media_ids[0]
    with office.database.write() as tx:
        grade.give(tx, first, case.id, [Decision(media, "A")])
        grade.give(tx, other, case.id, [Decision(media, "B")])
    tries = (
        lambda tx: grade.give(tx, other, case.id, [Decision(media, "B")]),
        lambda tx: takeback.clear(tx, first, case.id, [media]),
        lambda tx: takeback.undo(tx, first, case.id),
    )
    for attempt in tries:
        with pytest.raises(ConflictError) as caught, office.database.write() as tx:
            attempt(tx)
        assert caught.value.code == "differed"
    with office.database.write() as tx:
        (waiting,) = adjudicate.differed(tx, supervisor, case.id)
        adjudicate.settle(tx, supervisor, case.id, waiting.id, "B", "read again")
        grade.give(tx, first, case.id, [Decision(media, "B")])
