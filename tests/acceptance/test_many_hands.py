"""Fifty people grade one case at once, over HTTP: nobody waits for an error, no vote is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from casework_office import Office
from gradings import Save, assert_all_there, graders, rounds
from installed import Installed
from sqlalchemy import select

from tutela.store import Database
from tutela.store.tables.grading import Agreement

PEOPLE = 50
SAVES = 3
DECISIONS = 2
MEDIA = 24


def test_fifty_people_at_once_lose_no_vote_and_give_none_twice(installed: Installed):
    begin = threading.Barrier(PEOPLE)

    def work(saves: list[Save]) -> list[int]:
        with installed.client() as client:
            begin.wait(60)
            # The last one twice: an impatient finger, or a browser that asks again.
            return [save.send(client).status_code for save in [*saves, saves[-1]]]

    with Database(installed.url) as database:
        office = Office(database)
        people = graders(office, PEOPLE)
        case = office.make_case(MEDIA, team=people)
        wanted = rounds(installed, case, people, SAVES, DECISIONS)
        with installed.serving(), ThreadPoolExecutor(PEOPLE) as pool:
            answers = list(pool.map(work, wanted))
        assert answers == [[200] * (SAVES + 1)] * PEOPLE
        with database.read() as tx:
            assert_all_there(tx, case, [save for saves in wanted for save in saves])
            states = set(tx.execute(select(Agreement.state)).scalars())
    assert states == {"trusted", "disputed"}
    installed.assert_sound()
