from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from casework_office import MadeCase, Office
from sqlalchemy import func, select

from tutela.audit.merkle import Frontier, leaf_hash
from tutela.casework import agreement, grade
from tutela.casework.agreement import agree
from tutela.casework.grade import Decision
from tutela.store.tables.audit import AuditEvent, AuditHead
from tutela.store.tables.casework import Case, CaseMedia
from tutela.store.tables.grading import Agreement, Grade, Vote

GRADERS = 50
MEDIA = 200
CLIENT = Path(__file__).with_name("grading_client.py")


def assert_consistent(office: Office) -> None:
    """The log verifies, each vote is the last grade of its organisation, agreements follow."""
    with office.database.read() as tx:
        head = tx.execute(select(AuditHead)).one()
        bodies = tx.execute(select(AuditEvent.body).order_by(AuditEvent.seq)).scalars().all()
        grades = tx.execute(
            select(Grade.media_id, Grade.organisation_id, Grade.id, Grade.code).order_by(Grade.id)
        ).all()
        votes = tx.execute(
            select(Vote.media_id, Vote.organisation_id, Vote.grade_id, Vote.code)
        ).all()
        agreed = tx.execute(
            select(Agreement.media_id, Agreement.state, Agreement.code, Agreement.votes)
        ).all()
    frontier = Frontier()
    for body in bodies:
        frontier.push(leaf_hash(body))
    assert (head.size, head.root) == (len(bodies), frontier.root())
    given = Counter(msgspec.json.decode(body)["act"] for body in bodies)
    assert given["grade.given"] == len(grades)
    last = {(media, organisation): (number, code) for media, organisation, number, code in grades}
    assert {(m, o): (number, code) for m, o, number, code in votes} == last
    assert len(votes) == len(last)
    codes: dict[int, list[str]] = {}
    for media_id, _, _, code in votes:
        codes.setdefault(media_id, []).append(code)
    for media_id, state, code, count in agreed:
        expected = agree(codes.pop(media_id), 3)
        assert (state, code, count) == (expected.state, expected.code, expected.votes)
    assert codes == {}


def test_fifty_graders_at_once_lose_no_vote_and_give_none_twice(office: Office) -> None:
    first = office.make_case(MEDIA)
    cases = [first, *(office.make_case(first.media_ids, organisation=at) for at in (1, 2))]
    begin = threading.Barrier(GRADERS)

    def work(number: int) -> int:
        organisation = number % 3
        who = office.person(("grader", "grader2")[number % 2], organisation)
        media = list(first.media_ids)
        shuffle = random.Random(number)
        shuffle.shuffle(media)
        begin.wait()
        given = 0
        for start in range(0, MEDIA, 50):
            # Half of them differ on every fifth media.
            decisions = [
                Decision(one, "B" if one % 5 == 0 and organisation == 1 else "A")
                for one in media[start : start + 50]
            ]
            with office.database.write() as tx:
                given += len(
                    grade.give(
                        tx, who, cases[organisation].id, decisions, request=f"{number}:{start}"
                    )
                )
        return given

    with ThreadPoolExecutor(GRADERS) as pool:
        assert sum(pool.map(work, range(GRADERS))) == GRADERS * MEDIA
    with office.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(Grade)).scalar_one() == GRADERS * MEDIA
        assert tx.execute(select(func.count()).select_from(Vote)).scalar_one() == 3 * MEDIA
        found = agreement.of(tx, first.media_ids, "uk-abc")
        states = tx.execute(select(CaseMedia.state).distinct()).scalars().all()
        generations = tx.execute(select(Case.generation)).scalars().all()
    assert {media_id: one.state for media_id, one in found.items()} == {
        media_id: "disputed" if media_id % 5 == 0 else "trusted" for media_id in first.media_ids
    }
    assert states == ["graded"]
    assert sum(generations) == GRADERS * (MEDIA // 50)
    assert_consistent(office)


def test_a_save_sent_many_times_at_once_counts_once(office: Office) -> None:
    case = office.make_case(3)
    who = office.person("grader")
    wanted = [Decision(media_id, "A") for media_id in case.media_ids]
    begin = threading.Barrier(8)

    def send(_: int) -> list[grade.Given]:
        begin.wait()
        with office.database.write() as tx:
            return grade.give(tx, who, case.id, wanted, request="the same")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert all(answer == answers[0] for answer in answers)
    with office.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(Grade)).scalar_one() == 3
    assert_consistent(office)


def killed(office: Office, case: MadeCase, after: int) -> list[int]:
    """Grade in another process, kill it after some grades, and return those it was told of."""
    who = office.person("grader")
    command = [
        sys.executable,
        str(CLIENT),
        office.database.url.render_as_string(hide_password=False),
        msgspec.json.encode(who).decode(),
        str(case.id),
        msgspec.json.encode(case.media_ids).decode(),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        told = [int(client.stdout.readline()) for _ in range(after)]
        client.send_signal(signal.SIGKILL)
        rest, _ = client.communicate()
    assert client.returncode == -signal.SIGKILL
    # A line that was cut short was not told.
    return told + [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]


@pytest.mark.parametrize("after", [1, 40])
def test_a_killed_process_loses_no_grade_that_it_was_told_of(office: Office, after: int) -> None:
    case = office.make_case(2_000)
    told = killed(office, case, after)
    assert after <= len(told) < len(case.media_ids)
    with office.database.read() as tx:
        graded = set(tx.execute(select(Grade.media_id)).scalars())
        states = set(
            tx.execute(select(CaseMedia.media_id).where(CaseMedia.state == "graded")).scalars()
        )
    assert set(told) <= graded == states
    # At most the one that was under way is there without having been told.
    assert len(graded - set(told)) <= 1
    assert_consistent(office)
