"""Many graders at once over HTTP: is any vote lost or counted twice, and how long does one wait?

They are of two organisations and of one team. Each grades media of its own and media that all of
them grade; one save in ten is sent a second time, as a browser does that got no answer.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import numpy as np
from sqlalchemy import func, select

import casework_fill as filling
from casework_fill import Filled, Person
from casework_stage import Browser, Serving
from measure import Figure
from tutela.store import Database
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.grading import Grade, Vote

OWN = 40
SHARED = 10
RESENT = 10
CODES = ("A", "B", "C", "none")


@dataclass
class _Grader:
    """One person's connection, what was acknowledged (media, code), and what went wrong."""

    browser: Browser
    case: Filled
    media: list[int]
    acknowledged: dict[int, str] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def work(self, start: threading.Barrier) -> None:
        """Grade one after another."""
        start.wait()
        for place, media in enumerate(self.media):
            code = CODES[(media + place) % len(CODES)]
            for _ in range(2 if place % RESENT == 0 else 1):
                begin = time.perf_counter()
                try:
                    self._save(media, code)
                except (OSError, RuntimeError) as error:
                    self.errors.append(str(error))
                self.seconds.append(time.perf_counter() - begin)

    def _save(self, media: int, code: str) -> None:
        self.browser.post(
            f"/cases/{self.case.id}/grades",
            {"request": f"crowd {media}", "decisions": [{"media": media, "code": code}]},
        )
        self.acknowledged[media] = code


def needed(graders: int) -> int:
    """Return how many media a case must have for so many graders."""
    return graders * OWN + SHARED


def figures(url: str, kind: str, case: Filled, people: list[Person]) -> list[Figure]:
    """Let all people grade at once, then count in the database what came of it."""
    with Database(url) as database:
        before = _leaves(database)
    shared = list(range(case.first, case.first + SHARED))
    first = case.first + SHARED
    with Serving(url) as serving:
        graders = [
            _Grader(
                Browser(serving.port, one.token),
                case,
                # Everybody comes to the shared ones at about the same time.
                [*range(first + OWN * n, first + OWN * (n + 1)), *shared],
            )
            for n, one in enumerate(people)
        ]
        seconds = _together(graders)
    times = [one for grader in graders for one in grader.seconds]
    errors = [one for grader in graders for one in grader.errors]
    for error in errors[:3]:
        print(f"{kind}: {error}")
    with Database(url) as database:
        leaves = _leaves(database) - before
        lost, double = _counted(database, case, list(zip(people, graders, strict=True)), leaves)
    name = f"{kind}: {len(people)} graders at once"
    return [
        Figure(f"{name}: errors", len(errors), "", goal="0", holds=not errors),
        Figure(f"{name}: votes lost", lost, "", goal="0", holds=lost == 0),
        Figure(f"{name}: votes double", double, "", goal="0", holds=double == 0),
        Figure(f"{name}: saves", len(times) / seconds, "1/s"),
        Figure(f"{name}: one save, p95", float(np.percentile(times, 95)) * 1e3, "ms"),
    ]


def _together(graders: list[_Grader]) -> float:
    start = threading.Barrier(len(graders) + 1)
    threads = [threading.Thread(target=grader.work, args=[start]) for grader in graders]
    for thread in threads:
        thread.start()
    start.wait()
    begin = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin


def _leaves(database: Database) -> int:
    """Return how many grades the log tells of."""
    with database.read() as tx:
        told = select(func.count()).where(AuditEvent.action == "grade.given")
        count: int = tx.execute(told).scalar_one()
        return count


def _counted(
    database: Database, case: Filled, crowd: list[tuple[Person, _Grader]], leaves: int
) -> tuple[int, int]:
    """Return how many acknowledged votes are missing or others, and how many are too many.

    `leaves` is how many grades the log tells of since the crowd began.
    """
    with database.read() as tx:
        grades = tx.execute(
            select(Grade.media_id, Grade.account_id, Grade.code).where(Grade.case_id == case.id)
        ).all()
        votes = tx.execute(select(Vote.media_id, Vote.organisation_id, Vote.code)).all()
    asked = {
        (media, person.account_id, code)
        for person, grader in crowd
        for media, code in grader.acknowledged.items()
    }
    # The vote of an organisation is one of those that its people gave.
    office = {person.account_id: person.organisation_id for person, _ in crowd}
    standing = {(media, organisation): code for media, organisation, code in votes}
    given: dict[tuple[int, int], set[str]] = {}
    for media, account, code in asked:
        given.setdefault((media, office[account]), set()).add(code)
    wrong = sum(standing.get(key) not in codes for key, codes in given.items())
    kept = {tuple(row) for row in grades}
    lost = len(asked - kept) + wrong + max(len(grades) - leaves, 0)
    double = len(grades) - len(kept) + len(votes) - len(standing) + max(leaves - len(grades), 0)
    return lost, double


def people(database: Database, graders: int) -> list[Person]:
    """Insert graders of two organisations."""
    return [
        *filling.staff(database, graders // 2),
        *filling.staff(database, graders - graders // 2),
    ]
