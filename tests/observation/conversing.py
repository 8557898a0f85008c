"""Invented conversations for tests, kept in the case of a desk. All of them are harmless."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from observed import MONDAY, Desk

from tutela.core.principal import Principal
from tutela.observation import conversations
from tutela.observation.conversation_model import (
    Counted,
    Measure,
    Origin,
    PairKept,
    ReasonKept,
    ScoreKept,
    Spoken,
)
from tutela.observation.conversations import Keeping

FIRST = datetime(2026, 2, 1, 20, tzinfo=UTC)
MEASURE = Measure(sha256=b"p" * 32, point=10.0)


def origin(name: str = "boats.txt", keep: timedelta = timedelta(days=30)) -> Origin:
    digest = hashlib.sha256(name.encode()).digest()
    return Origin(name=name, format="whatsapp", sha256=digest, keep=keep)


def spoken(number: int, conversation: str = "harbour", **more) -> Spoken:
    """Return a message of Ann or Bob about boats."""
    author = more.pop("author", ("ann", "bob")[number % 2])
    values = {
        "conversation": conversation,
        "id": f"m{number}",
        "author": author,
        "name": author.title(),
        "text": f"the boat number {number} is blue",
        "at": FIRST + timedelta(minutes=number),
    }
    return Spoken(**(values | more))


def talk(count: int, conversation: str = "harbour", **more) -> list[Spoken]:
    return [spoken(number, conversation, **more) for number in range(count)]


def score(conversation: str = "harbour", points: float = 14.5, *numbers: int) -> ScoreKept:
    """Return a score whose heaviest pair showed a question for a picture in some lines."""
    places = tuple(
        Counted(number=one, start=4, end=8, rule="en.picture.3") for one in numbers or (50,)
    )
    picture = ReasonKept(sign="picture", stage="approach", points=9.5, count=3, shown=places)
    secrecy = ReasonKept(
        sign="secrecy",
        stage="isolation",
        points=5.0,
        count=1,
        shown=(Counted(number=places[0].number, start=6, end=12, rule="en.secrecy.1"),),
    )
    pair = PairKept(
        author="ann",
        other="bob",
        points=points,
        reasons=(picture, secrecy),
        against=("both_ask",),
        may_alert=True,
        crossed_at=40,
    )
    return ScoreKept(
        conversation=conversation, points=points, pairs=(pair,), alert=points >= MEASURE.point
    )


def keep(
    desk: Desk,
    some: Sequence[Spoken],
    scores: Sequence[ScoreKept] = (),
    *,
    name: str = "boats.txt",
    who: Principal | None = None,
    moment: datetime = MONDAY,
    end: bool = True,
) -> Keeping | None:
    """Keep a source as one does who reads it, and return what kept it."""
    actor = who or desk.investigator
    with desk.database.write() as tx:
        kept = conversations.begin(tx, desk.words, actor, desk.case.id, origin(name), moment)
    desk.words.committed()
    if kept is None:
        return None
    with desk.database.write() as tx:
        kept.messages(tx, some)
    with desk.database.write() as tx:
        kept.scores(tx, scores, MEASURE, moment)
    if end:
        with desk.database.write() as tx:
            kept.end(tx, actor, {"malformed": 2}, MEASURE, moment)
    return kept
