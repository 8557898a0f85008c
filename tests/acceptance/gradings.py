"""One case that graders of three organisations work on at once, and what must be true of it."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import httpx
from casework_office import MadeCase, Office
from installed import Installed
from sqlalchemy import Connection, func, select

from tutela.casework.agreement import agree
from tutela.casework.policy import Policy
from tutela.core.principal import Principal, Role
from tutela.store.tables.casework import CaseMedia
from tutela.store.tables.grading import Agreement, Grade, GradingAct, Vote

ORGANISATIONS = 3
# More often the first, so that agreements of all kinds come about.
CODES = ("A", "A", "A", "B", "C")


@dataclass(frozen=True)
class Save:
    """One save of the grid: a request key and decisions. `path` is where it goes."""

    who: Principal
    token: str
    path: str
    request: str
    decisions: tuple[tuple[int, str], ...]

    def send(self, client: httpx.Client) -> httpx.Response:
        asked = [{"media": media, "code": code} for media, code in self.decisions]
        return client.post(
            self.path,
            json={"request": self.request, "decisions": asked},
            headers={"cookie": f"tutela={self.token}"},
        )


def graders(office: Office, count: int) -> list[Principal]:
    """Hire graders, turn by turn in each organisation."""
    with office.database.write() as tx:
        return [
            office.hire(tx, f"hand{number}", Role.GRADER, number % ORGANISATIONS)
            for number in range(count)
        ]


def rounds(
    installed: Installed, case: MadeCase, people: Sequence[Principal], saves: int, each: int
) -> list[list[Save]]:
    """Return what each of some people saves; nobody grades a media twice."""
    made = []
    for number, who in enumerate(people):
        draw = random.Random(number)
        media = draw.sample(case.media_ids, saves * each)
        token = installed.session(who.account_id)
        made.append(
            [
                Save(
                    who,
                    token,
                    f"/cases/{case.id}/grades",
                    f"{number}-{at}",
                    tuple((one, draw.choice(CODES)) for one in media[at * each : (at + 1) * each]),
                )
                for at in range(saves)
            ]
        )
    return made


def assert_all_there(tx: Connection, case: MadeCase, saves: Iterable[Save]) -> None:
    """Every save is there exactly once, and votes, agreements and items follow from them."""
    wanted = sorted(
        (save.who.account_id, media, code) for save in saves for media, code in save.decisions
    )
    grades = tx.execute(
        select(
            Grade.id,
            Grade.account_id,
            Grade.media_id,
            Grade.organisation_id,
            Grade.code,
            Grade.basis,
        ).order_by(Grade.id)
    ).all()
    assert {row.basis for row in grades} == {"viewed"}
    assert sorted((row.account_id, row.media_id, row.code) for row in grades) == wanted
    acts = tx.execute(select(func.count()).select_from(GradingAct)).scalar_one()
    assert acts == len({row.request for row in saves})
    last = {(row.media_id, row.organisation_id): (row.id, row.code) for row in grades}
    votes = tx.execute(select(Vote.media_id, Vote.organisation_id, Vote.grade_id, Vote.code)).all()
    assert sorted((row[:2], row[2:]) for row in votes) == sorted(last.items())
    _assert_agreed(tx, case, last)


def _assert_agreed(
    tx: Connection, case: MadeCase, last: dict[tuple[int, int], tuple[int, str]]
) -> None:
    codes: dict[int, list[str]] = {}
    for (media, _), (_, code) in last.items():
        codes.setdefault(media, []).append(code)
    agreed = {
        row.media_id: (row.state, row.code, row.votes)
        for row in tx.execute(
            select(Agreement.media_id, Agreement.state, Agreement.code, Agreement.votes)
        )
    }
    expected = {media: agree(one, Policy().votes_to_trust) for media, one in codes.items()}
    assert agreed == {
        media: (one.state.value, one.code, one.votes) for media, one in expected.items()
    }
    states = dict(
        tx.execute(
            select(CaseMedia.media_id, CaseMedia.state).where(CaseMedia.case_id == case.id)
        ).all()
    )
    assert states == {media: "graded" if media in codes else "open" for media in case.media_ids}
