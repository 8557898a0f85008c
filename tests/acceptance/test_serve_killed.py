"""`kill -9` of the server while people grade: what they were told is saved is there, once."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
from casework_office import Office
from gradings import Save, assert_all_there, graders, rounds
from installed import Installed, Served, until

from tutela.store import Database

PEOPLE = 6
SAVES = 20
KILLS = 3


@dataclass
class Desk:
    """Where graders save; it counts what they were told, and they wait while it is dark."""

    installed: Installed
    open: threading.Event = field(default_factory=threading.Event)
    told: list[Save] = field(default_factory=list)
    sent_again: int = 0

    def work(self, saves: list[Save]) -> None:
        """Save one after another; what was not answered is sent again, under the same key."""
        with self.installed.client() as client:
            for save in saves:
                while not self._saved(client, save):
                    self.sent_again += 1
                self.told.append(save)

    def _saved(self, client: httpx.Client, save: Save) -> bool:
        assert self.open.wait(60)
        try:
            answer = save.send(client)
        except httpx.TransportError:
            return False
        assert answer.status_code == 200, answer.text
        items = answer.json()["items"]
        assert {items[str(media)]["state"] for media, _ in save.decisions} == {"graded"}
        return True


def kill_now_and_then(desk: Desk, served: Served, working: list[Future[None]]) -> None:
    """Kill the server as often as `KILLS`, each time after some saves, in the middle of others."""
    draw = random.Random(3)
    whole = PEOPLE * SAVES
    for number in range(KILLS):
        enough = whole * (number + 1) // (KILLS + 2)
        until(lambda enough=enough: len(desk.told) >= enough or any(map(Future.done, working)))
        for one in working:
            assert not one.done() or one.result() is None
        # Anywhere within the time that a save takes.
        time.sleep(draw.random() / 20)
        desk.open.clear()
        served.kill()
        served.start()
        desk.open.set()


def test_a_killed_server_loses_no_grade_that_it_acknowledged(installed: Installed):
    with Database(installed.url) as database:
        office = Office(database)
        people = graders(office, PEOPLE)
        case = office.make_case(SAVES * 4, team=people)
        wanted = rounds(installed, case, people, SAVES, 2)
        desk = Desk(installed)
        with installed.serving() as served, ThreadPoolExecutor(PEOPLE) as pool:
            desk.open.set()
            working = [pool.submit(desk.work, saves) for saves in wanted]
            kill_now_and_then(desk, served, working)
            for one in working:
                one.result()
            # A person's browser may not have heard what the server had said already.
            with installed.client() as client:
                again = [saves[at].send(client) for saves in wanted for at in (0, -1)]
        assert {answer.status_code for answer in again} == {200}
        assert len(desk.told) == PEOPLE * SAVES
        assert desk.sent_again >= KILLS
        with database.read() as tx:
            assert_all_there(tx, case, [save for saves in wanted for save in saves])
    installed.assert_sound()
