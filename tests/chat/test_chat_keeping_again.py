"""What is kept already is met again: a crawl that read on, a reader that broke, other parts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from chat_desk import (
    FIRST,
    MEASURE,
    MONDAY,
    message,
    origin,
    page,
    place,
    rows,
    score,
)
from sqlalchemy import select

from tutela.chat import keeping, run
from tutela.chat.keeping import Keeper
from tutela.chat.model import Left, Message
from tutela.chat.scorer import Parts, Scorer
from tutela.core.errors import ConflictError, UsageError
from tutela.observation import (
    conversation_decide,
    conversation_find,
    conversation_show,
    conversations_observed,
    retention,
)
from tutela.observation.conversation_model import Measure, Origin, State, Verdict
from tutela.observation.model import Author, PostSeen
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.chat import ChatFeedback, ChatImport, Conversation, ConversationMessage

PARTS = Parts.shipped(encoder=False)
OTHER = Measure(sha256=b"q" * 32, point=20.0)
TALK = (
    ("kit", "hello"),
    ("mo", "im 12"),
    ("kit", "send me a pic of you"),
    ("kit", "the boat is blue"),
)


def post(number: int, who: str, text: str, **more) -> PostSeen:
    moment = MONDAY - timedelta(hours=50 - number)
    return PostSeen(
        **(
            {"key": str(number), "author": Author(who, who), "posted_at": moment, "text": text}
            | more
        )
    )


TALKED = [post(number, *one) for number, one in enumerate(TALK)]


def events(desk, action: str) -> list[dict]:
    with desk.database.read() as tx:
        row = AuditEvent.__table__
        some = tx.execute(select(row).where(row.c.action == action).order_by(row.c.seq)).all()
    return [json.loads(one.body) | {"subject": one.subject} for one in some]


class _Posts:
    """Reads posts in pieces while a keeper writes them, as one does who scores a case."""

    def __init__(self, desk, measure: Measure = MEASURE, together: int = 2) -> None:
        self.desk, self.measure, self.together = desk, measure, together
        self.posts: list[int] = []

    def read(self, _source: str) -> Iterator[Sequence[Message | Left]]:
        with self.desk.database.read() as tx:
            some = []
            for one in keeping.observed(tx, place(self.desk)):
                some.append(one)
                if len(some) == self.together:
                    yield self._given(some)
                    some = []
            if some:
                yield self._given(some)

    def _given(self, some) -> list[Message]:
        self.posts = [number for _, number in some]
        return [one for one, _ in some]

    def keep(self, _source: str) -> _Posts:
        self.keeper = Keeper(place(self.desk), observed_origin(self.desk), self.measure)
        self.scored, self.end = self.keeper.scored, self.keeper.end
        return self

    def take(self, some) -> None:
        self.keeper.take(some, self.posts)

    def run(self) -> Keeper:
        run.score(["site"], self.read, Scorer(PARTS), 50, keep=self.keep)
        return self.keeper


def observed_origin(desk) -> Origin:
    with desk.database.read() as tx:
        digest = conversations_observed.digest(tx, desk.investigator, desk.case.id)
    return origin(digest, keeping.OBSERVED)


def found(desk, number: int = 1):
    with desk.database.write() as tx:
        return conversation_show.show(tx, desk.words, desk.investigator, desk.case.id, number)


def texts(desk, number: int = 1) -> list[str]:
    return ["".join(part.text for part in line.parts) for line in found(desk, number).lines]


def counted(desk, number: int = 1) -> dict[str, set[str]]:
    marks: dict[str, set[str]] = {}
    for line in found(desk, number).lines:
        for one in line.signs:
            text = "".join(part.text for part in line.parts)
            marks.setdefault(one.sign, set()).add(text)
    return marks


def test_who_reads_posts_stands_in_the_log_before_a_word_is_given(desk):
    desk.keep(page(*TALKED))
    with desk.database.read() as tx:
        reading = keeping.observed(tx, place(desk))
        assert events(desk, "conversation.read") == []
        next(reading)
        (event,) = events(desk, "conversation.read")
        reading.close()
    assert event["data"] == {"case": desk.case.id, "posts": 4}
    assert event["subject"] == f"case:{desk.case.id}"
    for text in ("hello", "kit", "forum"):
        assert text not in json.dumps(event)


def test_a_crawl_that_read_on_goes_on_with_the_same_conversations(desk):
    desk.keep(page(*TALKED))
    keeper = _Posts(desk).run()
    assert (keeper.note, keeper.fresh, keeper.messages) == ("", True, 4)
    before = counted(desk)
    assert before["picture"] == {"send me a pic of you"}
    with desk.database.write() as tx:
        conversation_decide.judge(
            tx, desk.investigator, desk.case.id, 1, Verdict.FALSE, message=2, sign="picture"
        )
    # One stands between those that are there, one behind, one in another thread.
    more = [
        post(9, "zed", "what a nice boat", posted_at=MONDAY - timedelta(hours=50, minutes=-30)),
        post(10, "mo", "it is blue", replies_to=("3",)),
    ]
    desk.keep(page(*TALKED, *more, body=b"x"), page(post(20, "ann", "a boat"), thread="8"))
    keeper = _Posts(desk).run()
    assert (keeper.note, keeper.messages, keeper.conversations) == ("continued", 3, 2)
    (source,) = rows(desk, ChatImport)
    assert (source.messages, source.conversations, source.ended_at is None) == (7, 2, False)
    assert [(row.messages, row.speakers) for row in rows(desk, Conversation)] == [(6, 3), (1, 1)]
    assert texts(desk) == [*(text for _, text in TALK), "what a nice boat", "it is blue"]
    assert found(desk).lines[5].replies_to == 3
    assert counted(desk) == before, "signs stand at the lines that show them"
    (said,) = rows(desk, ChatFeedback)
    assert (said.message, said.sign) == (2, "picture")
    # Nothing new: nothing comes.
    assert _Posts(desk).run().messages == 0
    assert len(rows(desk, ConversationMessage)) == 7
    assert [one["data"].get("continued", False) for one in events(desk, "conversations.begun")] == [
        False,
        True,
        True,
    ]


def decided(desk) -> State:
    with desk.database.read() as tx:
        return conversation_find.one(tx, desk.investigator, desk.case.id, 1).state


def test_a_decided_one_is_open_again_only_where_posts_show_new_signs(desk):
    desk.keep(page(*TALKED))
    _Posts(desk).run()
    with desk.database.write() as tx:
        conversation_decide.dismiss(tx, desk.investigator, desk.case.id, 1, "a test")
    _Posts(desk).run()
    assert decided(desk) is State.DISMISSED, "nothing is new"
    _Posts(desk, OTHER).run()
    assert decided(desk) is State.DISMISSED, "other parts alone decide nothing"
    desk.keep(page(*TALKED, post(10, "mo", "a blue boat"), body=b"x"))
    _Posts(desk, OTHER).run()
    assert decided(desk) is State.DISMISSED, "what is new shows nothing"
    desk.keep(page(*TALKED, post(11, "kit", "don't tell your mum about us"), body=b"y"))
    _Posts(desk, OTHER).run()
    assert decided(desk) is State.OPEN
    (event,) = events(desk, "conversation.reopened")
    assert event["subject"] == "conversation:1"
    (row,) = rows(desk, Conversation)
    assert (row.decided_by, row.decided_at) == (None, None)


def test_posts_that_came_in_before_a_cut_open_a_decided_one_too(desk):
    desk.keep(page(*TALKED))
    _Posts(desk).run()
    with desk.database.write() as tx:
        conversation_decide.dismiss(tx, desk.investigator, desk.case.id, 1, "a test")
    desk.keep(page(*TALKED, post(11, "kit", "don't tell your mum about us"), body=b"y"))
    cut = _Posts(desk)
    cut.keep("site")
    for some in cut.read("site"):
        cut.take(some)
    assert decided(desk) is State.DISMISSED
    assert _Posts(desk).run().messages == 0
    assert decided(desk) is State.OPEN


def test_two_who_keep_what_was_observed_at_once_do_not_mix(desk):
    desk.keep(page(*TALKED))
    one, two = _Posts(desk), _Posts(desk)
    one.keep("site")
    two.keep("site")
    pieces, others = one.read("site"), two.read("site")
    one.take(next(pieces))
    two.take(next(others))  # it meets what the first kept
    one.take(next(pieces))
    with pytest.raises(ConflictError, match="somebody else"):
        two.take(next(others))
    pieces.close()
    others.close()
    assert _Posts(desk).run().messages == 0
    assert texts(desk) == [text for _, text in TALK]


def test_when_its_week_is_over_what_was_observed_is_begun_again(desk, monkeypatch):
    desk.keep(page(*TALKED))
    _Posts(desk).run()
    over = rows(desk, ChatImport)[0].begun_at + timedelta(days=60)
    retention.expire(desk.database, desk.investigator, desk.vault, over)
    monkeypatch.setattr("tutela.chat.keeping.now", lambda: over)
    assert _Posts(desk).run().note == ""
    first, second = rows(desk, ChatImport)
    assert (first.name, second.name is None) == (None, False)
    assert _Posts(desk).run().note == "continued"
    assert len(rows(desk, ChatImport)) == 2


@pytest.mark.parametrize("reason", ["silent", "memory", "crashed", "error", "protocol", "vanished"])
def test_a_source_whose_reader_broke_is_read_again(desk, reason):
    broke = Keeper(place(desk), origin(), MEASURE)
    broke.take([message(0), message(1), Left(reason=reason, place="boats.json")])
    broke.end()
    assert broke.broken == reason
    (source,) = rows(desk, ChatImport)
    assert (source.ended_at, source.left) == (None, {reason: 1})
    assert events(desk, "conversations.imported") == []
    again = Keeper(place(desk), origin(), MEASURE)
    assert (again.note, again.fresh) == ("continued", True)
    again.take([message(number) for number in range(4)])
    again.scored([score()])
    again.end()
    (source,) = rows(desk, ChatImport)
    assert (source.ended_at is None, source.left, source.messages) == (False, {}, 4)
    assert len(rows(desk, ConversationMessage)) == 4
    assert Keeper(place(desk), origin(), MEASURE).note == "already"


def kept(desk, measure: Measure = MEASURE, points: float = 12.0, *last: Left) -> Keeper:
    keeper = Keeper(place(desk), origin(), measure)
    keeper.take([*(message(number) for number in range(4)), *last])
    keeper.scored([score(points)])
    keeper.end()
    return keeper


def test_other_parts_or_another_point_put_scores_in_place_and_decisions_stay(desk):
    assert kept(desk).note == ""
    with desk.database.write() as tx:
        conversation_decide.dismiss(tx, desk.investigator, desk.case.id, 1, "a test")
    keeper = kept(desk, points=50.0)
    assert (keeper.note, keeper.fresh, keeper.conversations) == ("already", False, 0)
    assert [row.points for row in rows(desk, Conversation)] == [12.0]
    broke = kept(desk, OTHER, 3.0, Left(reason="silent"))
    assert broke.conversations == 0, "half a source does not stand for all of it"
    keeper = kept(desk, OTHER, 25.0)
    assert (keeper.note, keeper.fresh, keeper.conversations) == ("rescored", False, 1)
    (row,) = rows(desk, Conversation)
    assert (row.points, row.point, row.parts_sha256) == (25.0, 20.0, OTHER.sha256)
    assert row.state == State.DISMISSED.value
    assert kept(desk, OTHER).note == "already"
    assert len(events(desk, "conversations.scored")) == 2


def test_scores_of_what_is_destroyed_stay(desk):
    kept(desk)
    over = rows(desk, ChatImport)[0].begun_at + timedelta(days=60)
    retention.expire(desk.database, desk.investigator, desk.vault, over)
    assert kept(desk, OTHER).note == "already"
    with pytest.raises(UsageError):
        keeping.rescored(place(desk), bytes(32), [score()], OTHER)


def test_times_of_a_talk_are_those_of_its_posts(desk):
    desk.keep(page(*TALKED))
    _Posts(desk).run()
    (row,) = rows(desk, Conversation)
    assert FIRST < row.first_at < row.last_at == TALKED[-1].posted_at
