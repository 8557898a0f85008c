"""Invented conversations in the case of an installation of pages: a harbour, and boats."""

from __future__ import annotations

from datetime import timedelta

import web_support
from conversing import FIRST, MEASURE, origin, score, spoken
from observed import MONDAY

from tutela.access import accounts
from tutela.core.ids import CaseId
from tutela.core.principal import Principal, Via
from tutela.observation import conversations
from tutela.observation.conversation_model import FileNamed, Spoken
from tutela.observation.sealing import Words

QUIET, LOUD = "quiet", "loud"


def person(place: web_support.Installation, role: str) -> Principal:
    with place.database.read() as tx:
        return accounts.principal(tx, place.accounts[role], Via.WEB)


def talk() -> list[Spoken]:
    """Return a conversation of 120 messages with all that a line may have."""
    some = [spoken(number, LOUD) for number in range(120)]
    some[49] = spoken(49, LOUD, text="<b>no</b> https://harbour.test \u202eturned\u202c", at=None)
    some[50] = spoken(50, LOUD, text="the boat is yours, can you send me a picture of it?")
    some[51] = spoken(
        51, LOUD, replies_to="m50", files=(FileNamed(name="my boat.jpg", kind="picture"),)
    )
    some[52] = Spoken(conversation=LOUD, id="s", author="", text="Cat joined", system=True)
    some[53] = spoken(53, LOUD, author="cat", deleted=True, text="", age_band="minor")
    return some


def fill(place: web_support.Installation, others: int = 3) -> None:
    """Keep one conversation with signs, and `others` with fewer."""
    words, who = Words(place.office.vault), person(place, "investigator")
    case = CaseId(place.case_id)
    names = [f"{QUIET} {number}" for number in range(others)]
    with place.database.write() as tx:
        kept = conversations.begin(tx, words, who, case, origin(keep=timedelta(days=30)), MONDAY)
        kept.messages(tx, talk())
        for name in names:
            kept.messages(tx, [spoken(number, name, at=FIRST) for number in range(6)])
        scores = [score(LOUD, 14.5, 50, 90)]
        scores += [score(name, 4.0 - place_, 2) for place_, name in enumerate(names)]
        kept.scores(tx, scores, MEASURE, MONDAY)
        kept.end(tx, who, {"malformed": 2}, MEASURE, MONDAY)
