"""Evidence is added to two cases and graded at the same time; nothing is lost and nothing waits."""

from __future__ import annotations

import threading
from collections.abc import Callable

from casework_office import Office
from casework_scans import code, digests, hit, picture, session
from sqlalchemy import func, select

from tutela.audit.verify import verify
from tutela.casework import arrange, grade, intake, policy, review
from tutela.casework.grade import Decision
from tutela.casework.intake import Source
from tutela.core.ids import MediaId
from tutela.store.tables.casework import CaseMedia, Media, Sighting
from tutela.store.tables.grading import Vote


def test_adding_arranging_and_grading_at_once(office: Office, monkeypatch):
    monkeypatch.setattr(intake, "BATCH", 7)
    with office.database.write() as tx:
        policy.change(tx, office.person("administrator"), trusted_lists={"national": "uk-abc"})
    cases = [office.make_case(0), office.make_case(0)]
    examiner = office.person("examiner")
    shared = [picture(f"p{n}", code(n // 3, n % 3)) for n in range(30)]
    intake.add(office.database, examiner, cases[0].id, Source("FIRST"), session(shared))
    errors: list[BaseException] = []

    def in_a_thread(do: Callable[[], object]) -> threading.Thread:
        def run() -> None:
            try:
                do()
            except BaseException as error:  # noqa: BLE001 told by the test
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def grading(name: str, letter: str) -> None:
        who = office.person(name)
        with office.database.read() as tx:
            wanted = review.ids(tx, who, cases[0].id).tolist()
        for media_id in wanted:
            with office.database.write() as tx:
                decision = Decision(MediaId(media_id), letter, stack=True)
                grade.give(tx, who, cases[0].id, [decision])

    def adding(place: int, label: str) -> None:
        backwards = [
            *reversed(shared),
            *[picture(f"{label}{n}", code(n, 2), hits=[hit("national")]) for n in range(10)],
        ]
        intake.add(office.database, examiner, cases[place].id, Source(label), session(backwards))

    threads = [
        in_a_thread(lambda: grading("grader", "A")),
        in_a_thread(lambda: grading("grader2", "B")),
        in_a_thread(lambda: adding(0, "SECOND")),
        in_a_thread(lambda: adding(1, "OTHER")),
        in_a_thread(lambda: arrange.arrange(office.database, examiner, cases[0].id)),
    ]
    for thread in threads:
        thread.join(120)
    assert errors == []
    with office.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(Media)).scalar_one() == 50
        assert tx.execute(select(func.count()).select_from(Sighting)).scalar_one() == 110
        for case, sightings in ((cases[0], 70), (cases[1], 40)):
            total = tx.execute(
                select(func.sum(CaseMedia.sightings)).where(CaseMedia.case_id == case.id)
            ).scalar_one()
            assert total == sightings
            places = tx.execute(
                select(CaseMedia.position)
                .where(CaseMedia.case_id == case.id)
                .order_by(CaseMedia.position)
            ).scalars()
            assert list(places) == list(range(40))
        known = {digests(f"SECOND{n}").sha256 for n in range(10)}
        states = dict(
            tx.execute(
                select(Media.sha256, CaseMedia.state)
                .join(Media, Media.id == CaseMedia.media_id)
                .where(CaseMedia.case_id == cases[0].id)
            ).all()
        )
        assert {states[sha256] for sha256 in known} == {"known"}
        assert set(states.values()) <= {"known", "graded", "inferred"}
        assert tx.execute(select(func.count()).select_from(Vote)).scalar_one() >= 10
        assert verify(tx).sound
