"""A desk at which conversations are kept, with invented messages about boats and their scores."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / "observation"), str(_TESTS / "casework")]

from casework_office import Office  # noqa: E402 found by the path above
from observed import MONDAY, Desk, page  # noqa: E402 likewise

from tutela.chat import keeping  # noqa: E402 likewise
from tutela.chat.model import (  # noqa: E402 likewise
    ConversationScore,
    Message,
    PairScore,
    Reason,
    Shown,
    Sign,
)
from tutela.observation.conversation_model import Measure, Origin  # noqa: E402 likewise

__all__ = ["FIRST", "MEASURE", "MONDAY", "Desk", "Office", "message", "origin", "page", "place"]
__all__ += ["rows", "score"]

FIRST = datetime(2026, 2, 1, 20, tzinfo=UTC)
MEASURE = Measure(sha256=b"p" * 32, point=10.0)


def place(desk) -> keeping.Desk:
    return keeping.Desk(desk.database, desk.words, desk.investigator, desk.case.id)


def origin(sha256: bytes = bytes(32), form: str = "telegram") -> Origin:
    return Origin(name="boats.json", format=form, sha256=sha256, keep=timedelta(days=30))


def message(number: int, **more) -> Message:
    values = {
        "conversation": "harbour",
        "id": str(number),
        "author": ("ann", "bob")[number % 2],
        "text": f"is the boat {number} yours?",
        "time": FIRST + timedelta(minutes=number),
    }
    return Message(**(values | more))


def score(points: float = 12.0, *, alert: bool = True, author: str = "ann") -> ConversationScore:
    shown = (Shown(sign=Sign.MEETING, message="2", number=2, rule="en.meeting.1", start=7, end=11),)
    pair = PairScore(
        author=author,
        other="bob",
        points=points,
        reasons=(
            Reason(sign=Sign.MEETING, points=8.0, count=1, shown=shown),
            Reason(sign=Sign.PERSISTENCE, points=4.0, count=2),
        ),
        against=("one_line",),
        may_alert=alert,
        crossed_at=3,
        probability=0.25,
    )
    return ConversationScore(
        conversation="harbour", points=points, pairs=(pair,), messages=4, speakers=2, alert=alert
    )


def rows(desk, table):
    with desk.database.read() as tx:
        key = table.__table__.primary_key.columns
        return tx.execute(select(table.__table__).order_by(*key)).all()
