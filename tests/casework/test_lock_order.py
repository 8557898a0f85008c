"""Nobody waits in a circle: each call meets a grader who holds media and goes on to the case.

On PostgreSQL alone, with connections of their own: SQLite has one writer.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from casework_office import MadeCase, Office, join
from casework_scans import picture, session
from sqlalchemy import select, text

import databases
from tutela.access import approvals
from tutela.audit.verify import verify
from tutela.casework import arrange, case, deletion, grade, intake, notes, standing, tags
from tutela.casework.grade import Decision
from tutela.casework.intake import Source
from tutela.core.errors import ServiceError, UsageError
from tutela.core.ids import ApprovalId, MediaId
from tutela.core.principal import Role
from tutela.observation import retention
from tutela.store import Database
from tutela.store.tables.casework import Case, CaseMedia, Media, Note, Tag
from tutela.store.tables.grading import Vote

sys.path.insert(0, str(Path(__file__).parent / "formats"))

from test_vics_case_read import imported_at
from vics_cases import case as vics_case
from vics_cases import document, medium, written

PATIENCE_S = 30
MEDIA = 12


@pytest.fixture
def office(postgresql_server: databases.Server) -> Iterator[Office]:
    factory = databases.postgresql_factory(postgresql_server)
    with Database(factory.url()) as opened:
        yield Office(opened)
    factory.close()


def somebody_waits(office: Office) -> None:
    """Return when a session of this database waits for a lock of another, or nobody does long."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        with office.database.read() as tx:
            if tx.execute(waiting).scalar_one():
                return
        time.sleep(0.01)


class Meeting:
    """A grader who stops with the media locked, until the other call waits for somebody.

    With `early` it stops before that, with the stacks locked.
    """

    def __init__(
        self, office: Office, monkeypatch: pytest.MonkeyPatch, *, early: bool = False
    ) -> None:
        self.office = office
        self.errors: list[BaseException] = []
        self._holds = threading.Event()
        self._goes_on = threading.Event()
        where, name = (standing, "lock_media") if early else (standing.Standing, "write")
        going_on = getattr(where, name)

        def stopping(*given: object) -> object:
            self._holds.set()
            assert self._goes_on.wait(PATIENCE_S)
            return going_on(*given)

        monkeypatch.setattr(where, name, stopping)

    def of(self, grading: Callable[[], object], other: Callable[[], object]) -> None:
        grader = self._thread(grading)
        assert self._holds.wait(PATIENCE_S)
        second = self._thread(other)
        somebody_waits(self.office)
        self._goes_on.set()
        for thread in (grader, second):
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def _thread(self, do: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                do()
            except BaseException as error:  # noqa: BLE001 told by the test
                self.errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread


def grading(office: Office, made: MadeCase) -> Callable[[], object]:
    def give() -> None:
        with office.database.write() as tx:
            decisions = [Decision(one, "A") for one in made.media_ids]
            grade.give(tx, office.person("grader"), made.id, decisions)

    return give


def granted(office: Office, made: MadeCase) -> ApprovalId:
    supervisor = office.person("supervisor")
    with office.database.write() as tx:
        second = office.hire(tx, "supervisor2", Role.SUPERVISOR)
        join(tx, made.id, [second])
        asked = deletion.ask(tx, supervisor, made.id, "the warrant was lifted")
        approvals.decide(tx, second, asked, granted=True)
    return asked


def test_the_wrong_order_is_a_deadlock(office: Office, monkeypatch: pytest.MonkeyPatch):
    """What these tests are for: the case before its media, and one of the two is thrown out."""
    made = office.make_case(MEDIA)
    meeting = Meeting(office, monkeypatch)

    def case_first() -> None:
        with office.database.write() as tx:
            tx.execute(select(Case.id).where(Case.id == made.id).with_for_update())
            tx.execute(select(Media.id).where(Media.id.in_(made.media_ids)).with_for_update())

    meeting.of(grading(office, made), case_first)
    (error,) = meeting.errors
    assert isinstance(error, ServiceError)
    assert "deadlock" in str(error.__cause__)


def test_deletion_waits_for_graders(office: Office, monkeypatch: pytest.MonkeyPatch):
    made = office.make_case(MEDIA)
    asked = granted(office, made)
    meeting = Meeting(office, monkeypatch)
    supervisor = office.person("supervisor")
    meeting.of(
        grading(office, made),
        lambda: deletion.delete_case(
            office.database, supervisor, made.id, asked, None, retention.forget_case
        ),
    )
    assert meeting.errors == []
    with office.database.read() as tx:
        assert tx.execute(select(Case.state).where(Case.id == made.id)).scalar_one() == "deleted"
        assert len(tx.execute(select(Vote.media_id)).all()) == MEDIA, "the grades were first"
        assert tx.execute(select(CaseMedia.media_id)).all() == []
        assert verify(tx).sound


def test_an_import_waits_for_graders(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """Both about the same media: the ones that are graded come again in a file, in other order."""
    names = [f"n{number}" for number in range(MEDIA)]
    media = [medium(name, Category=None) for name in names]
    first = imported_at(office, written(tmp_path, document(vics_case(*media)), "first.json"))
    with office.database.write() as tx:
        ids = tx.execute(select(CaseMedia.media_id)).scalars().all()
        join(tx, first.case_id, [office.person("grader")])
    made = MadeCase(first.case_id, 0, [MediaId(one) for one in ids], [])  # type: ignore[arg-type]
    again = [medium(name, Category=2, Tags="again") for name in reversed(names)]
    path = written(tmp_path, document(vics_case(*again)), "second.json")
    meeting = Meeting(office, monkeypatch)

    def give() -> None:
        with office.database.write() as tx:
            decisions = [Decision(one, "1") for one in made.media_ids]
            grade.give(tx, office.person("grader"), made.id, decisions)

    meeting.of(give, lambda: imported_at(office, path))
    assert meeting.errors == []
    with office.database.read() as tx:
        assert len(tx.execute(select(Tag.media_id)).all()) == MEDIA
        assert set(tx.execute(select(CaseMedia.code)).scalars()) == {"1"}, "a person looked"
        assert verify(tx).sound


def test_arranging_and_adding_wait_for_graders(office: Office, monkeypatch: pytest.MonkeyPatch):
    """A stack is locked before its media by whoever grades it, and by whoever lets it grow."""
    examiner = office.person("examiner")
    made = office.make_case(0)
    looks = bytes(range(32))
    near = [picture(f"p{n}", looks[:31] + bytes([n])) for n in range(3)]
    intake.add(office.database, examiner, made.id, Source("FIRST"), session(near))
    with office.database.read() as tx:
        ids = [MediaId(one) for one in tx.execute(select(CaseMedia.media_id)).scalars()]
    more = [picture("p3", looks[:31] + bytes([3])), *near]
    meeting = Meeting(office, monkeypatch, early=True)

    def give() -> None:
        with office.database.write() as tx:
            grade.give(tx, office.person("grader"), made.id, [Decision(ids[0], "A", stack=True)])

    def add() -> None:
        intake.add(office.database, examiner, made.id, Source("SECOND"), session(more))
        arrange.arrange(office.database, examiner, made.id)

    meeting.of(give, add)
    assert meeting.errors == []
    with office.database.read() as tx:
        states = tx.execute(select(CaseMedia.state)).scalars().all()
    assert sorted(states) == ["graded", "inferred", "inferred", "inferred"]


@pytest.mark.parametrize("word", ["tag", "note"])
def test_no_word_is_left_in_a_case_that_is_deleted_meanwhile(
    office: Office, monkeypatch: pytest.MonkeyPatch, word: str
):
    made = office.make_case(MEDIA)
    asked = granted(office, made)
    supervisor, grader = office.person("supervisor"), office.person("grader")
    holds, goes_on = threading.Event(), threading.Event()
    staying = case.stay_open

    def stay_open(*given: object) -> None:
        holds.set()
        assert goes_on.wait(PATIENCE_S)
        staying(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(case, "stay_open", stay_open)
    errors: list[BaseException] = []

    def say() -> None:
        try:
            with office.database.write() as tx:
                if word == "tag":
                    tags.add(tx, grader, made.id, made.media_ids, "garden")
                else:
                    notes.write(tx, grader, made.id, f"case:{made.id}", "a word")
        except UsageError as error:
            errors.append(error)

    saying = threading.Thread(target=say)
    saying.start()
    assert holds.wait(PATIENCE_S)
    deleting = threading.Thread(
        target=lambda: deletion.delete_case(
            office.database, supervisor, made.id, asked, None, retention.forget_case
        )
    )
    deleting.start()
    somebody_waits(office)
    goes_on.set()
    for thread in (saying, deleting):
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    with office.database.read() as tx:
        assert tx.execute(select(Case.state).where(Case.id == made.id)).scalar_one() == "deleted"
        assert tx.execute(select(Tag.name)).all() == tx.execute(select(Note.text)).all() == []


def test_evidence_that_comes_while_a_case_is_deleted(
    office: Office, monkeypatch: pytest.MonkeyPatch
):
    """What is added after the media were locked and before the case was is locked too, or not."""
    made = office.make_case(MEDIA)
    asked = granted(office, made)
    supervisor, examiner = office.person("supervisor"), office.person("examiner")
    monkeypatch.setattr(intake, "BATCH", 1)
    locked = deletion.objects.lock_of_case
    calls: list[int] = []

    def lock_of_case(*given: object) -> list[int]:
        found = locked(*given)  # type: ignore[arg-type]
        calls.append(len(found))
        if len(calls) == 1:
            late = session([picture("late")] * 2, stops_after=1)
            with pytest.raises(KeyboardInterrupt):
                intake.add(office.database, examiner, made.id, Source("LATE"), late)
        return found

    monkeypatch.setattr(deletion.objects, "lock_of_case", lock_of_case)
    done = deletion.delete_case(
        office.database, supervisor, made.id, asked, None, retention.forget_case
    )
    assert calls[:2] == [MEDIA, MEDIA + 1]
    assert done.media == MEDIA + 1
    with office.database.read() as tx:
        assert tx.execute(select(CaseMedia.media_id)).all() == []
        assert set(tx.execute(select(Media.sha256)).scalars()) == {None}
