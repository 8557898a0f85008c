"""Conversations are taken into a case once, with words and names sealed, and go with their week."""

from __future__ import annotations

from datetime import timedelta

import conversing
import pytest
from conversing import MEASURE, keep, score, spoken, talk
from observed import MONDAY
from sqlalchemy import func, select, update
from sqlalchemy.exc import DBAPIError

from tutela.core.errors import AccessError, IntegrityError, UsageError
from tutela.core.principal import SYSTEM
from tutela.observation import (
    conversation_decide,
    conversation_find,
    conversation_show,
    conversations,
    retention,
)
from tutela.observation.conversation_lines import Fold, Line
from tutela.observation.conversation_model import FileNamed, Spoken, Verdict
from tutela.observation.conversation_show import Wanted
from tutela.store import schema
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import Case
from tutela.store.tables.chat import (
    ChatFeedback,
    ChatImport,
    Conversation,
    ConversationMessage,
    ConversationPair,
    ConversationSpeaker,
)

TABLES = (
    *(ChatImport, Conversation, ConversationSpeaker, ConversationMessage, ConversationPair),
    ChatFeedback,
)


def count(desk, table) -> int:
    with desk.database.read() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def rows(desk, table):
    with desk.database.read() as tx:
        key = table.__table__.primary_key.columns
        return tx.execute(select(table.__table__).order_by(*key)).all()


def show(desk, number: int = 1, **wanted):
    with desk.database.write() as tx:
        return conversation_show.show(
            tx, desk.words, desk.investigator, desk.case.id, number, Wanted(**wanted)
        )


def said(shown) -> list[str]:
    return [
        "".join(part.text for part in one.parts) if isinstance(one, Line) else f"{one.count} folded"
        for one in shown.lines
    ]


def test_a_source_is_kept_with_counts_and_scores_and_no_word_in_the_open(desk):
    some = talk(5)
    some[3] = spoken(
        3,
        replies_to="m1",
        files=(FileNamed(name="boat.jpg", kind="picture"),),
        troubles=("no_time",),
        at=None,
    )
    some.append(Spoken(conversation="harbour", id="s", author="", text="Bob left", system=True))
    keep(desk, some, [score("harbour", 14.5, 2)])
    (source,) = rows(desk, ChatImport)
    assert (source.conversations, source.messages, source.left) == (1, 6, {"malformed": 2})
    assert source.ended_at is not None
    (one,) = rows(desk, Conversation)
    assert (one.speakers, one.messages, one.points, one.alert, one.point) == (2, 6, 14.5, True, 10)
    assert (one.first_at, one.last_at) == (conversing.FIRST, some[4].at)
    assert (one.signs, one.troubles) == (["picture", "secrecy"], {"no_time": 1})
    messages = rows(desk, ConversationMessage)
    assert [row.speaker for row in messages] == [0, 1, 0, 1, 0, None]
    assert [row.replies_to for row in messages] == [None, None, None, 1, None, None]
    assert messages[3].files == 1
    (pair,) = rows(desk, ConversationPair)
    assert (pair.author, pair.other, pair.against) == (0, 1, ["both_ask"])
    for table in TABLES:
        for row in rows(desk, table):
            for value in row:
                data = value if isinstance(value, bytes) else repr(value).encode()
                for word in (b"boat", b"blue", b"harbour", b"ann", b"Bob"):
                    assert word not in data, (table.__tablename__, row)
    assert schema.check(desk.database) == []


def test_the_same_source_adds_nothing_and_one_that_was_cut_off_begins_anew(desk):
    keep(desk, talk(3), end=False)
    before = rows(desk, ConversationMessage)
    keep(desk, talk(5), [score("harbour", 3.0, 2)])
    assert rows(desk, ConversationMessage)[:3] == before
    assert [row.messages for row in rows(desk, Conversation)] == [5]
    assert count(desk, ConversationSpeaker) == 2
    assert keep(desk, talk(9)) is None
    assert count(desk, ConversationMessage) == 5
    keep(desk, talk(2), name="the same talk in another file.txt")
    assert count(desk, Conversation) == 2


def test_what_is_forgotten_in_memory_is_looked_up_again(desk, monkeypatch):
    monkeypatch.setattr(conversations, "MOST_OPEN", 2)
    with desk.database.write() as tx:
        kept = conversations.begin(
            tx, desk.words, desk.investigator, desk.case.id, conversing.origin(), MONDAY
        )
    for number in range(6):
        with desk.database.write() as tx:
            some = [spoken(number, f"talk {name}") for name in range(4)]
            kept.messages(tx, [*some, spoken(10 + number, "talk 0", author=f"guest {number}")])
            assert len(kept._open) <= 2
    with desk.database.write() as tx:
        kept.scores(tx, [score(f"talk {name}", 5.0, 1) for name in range(4)], MEASURE, MONDAY)
    found = rows(desk, Conversation)
    assert [(row.speakers, row.messages) for row in found] == [(8, 12)] + [(2, 6)] * 3
    assert [row.author for row in rows(desk, ConversationPair)] == [0] * 4
    numbers = [row.number for row in rows(desk, ConversationMessage) if row.conversation_id == 1]
    assert sorted(numbers) == list(range(12))


def test_a_group_of_ten_thousand_is_kept_and_shown(desk, monkeypatch):
    monkeypatch.setattr(conversations, "MOST_SPEAKERS", 5_000)
    some = [spoken(number, author=f"guest {number}") for number in range(10_000)]
    keep(desk, [*some, *talk(3, "another")], [score("harbour", 14.5, *range(0, 10_000, 50))])
    assert [row.speakers for row in rows(desk, Conversation)] == [10_000, 2]
    shown = show(desk, opened=((4_000, 4_600),), names="a test")
    assert len(shown.speakers) == conversation_show.MOST_NAMES
    assert shown.speakers[0].name == "Guest 0"


def test_scores_are_put_in_place_of_those_before(desk):
    keep(desk, talk(60), [score("harbour", 14.5)])
    with desk.database.write() as tx:
        digest = conversing.origin().sha256
        known = conversations.known(tx, desk.words, desk.investigator, desk.case.id, digest)
        known.scores(tx, [score("harbour", 2.0)], MEASURE, MONDAY + timedelta(days=1))
        with pytest.raises(UsageError, match="was not kept"):
            known.scores(tx, [score("another", 2.0)], MEASURE, MONDAY)
        assert (
            conversations.known(tx, desk.words, desk.investigator, desk.case.id, bytes(32)) is None
        )
    (one,) = rows(desk, Conversation)
    assert (one.points, one.alert) == (2.0, False)
    assert count(desk, ConversationPair) == 1


def test_lines_that_counted_are_shown_with_what_is_around_and_the_rest_is_folded(desk):
    keep(desk, talk(200), [score("harbour", 14.5, 50, 53)])
    shown = show(desk)
    assert [type(one) for one in shown.lines] == [Fold, *[Line] * 10, Fold]
    assert (shown.lines[0].count, shown.lines[-1].count) == (47, 143)
    assert shown.lines[-1].last_at_once == 156
    line = shown.lines[4]
    assert line.number == 50
    # `picture` counted characters 4 to 8, `secrecy` 6 to 12: one piece runs into the other.
    assert [(one.text, one.counted) for one in line.parts] == [
        ("the ", False),
        ("boat", True),
        (" num", True),
        ("ber 50 is blue", False),
    ]
    assert [(one.sign, one.stage) for one in line.signs] == [
        ("picture", "approach"),
        ("secrecy", "isolation"),
    ]
    more = show(desk, opened=((100, 120), (110, 130), (-5, 2), (190, 900)))
    assert more.opened == ((0, 2), (100, 130), (190, 199))
    assert sum(isinstance(one, Line) for one in more.lines) == 10 + 3 + 31 + 10
    everything = show(desk, opened=((0, 10**9),))
    assert sum(isinstance(one, Line) for one in everything.lines) == 200


def test_no_more_lines_are_opened_at_once_than_one_reads(desk):
    keep(desk, talk(900), [score("harbour", 14.5, *range(0, 900, 9))])
    shown = show(desk, opened=((0, 899),))
    lines = [one for one in shown.lines if isinstance(one, Line)]
    assert len(lines) <= 500 + 60 * 7
    assert sum(one.count for one in shown.lines if isinstance(one, Fold)) + len(lines) == 900


def test_names_are_letters_until_somebody_says_why_and_each_look_is_logged(desk):
    keep(desk, talk(30))
    shown = show(desk)
    assert [one.label for one in shown.speakers.values()] == ["A", "B"]
    assert {one.name for one in shown.speakers.values()} == {""}
    assert (shown.title, shown.source, shown.revealed) == ("", "", False)
    with pytest.raises(UsageError, match="why the names"):
        show(desk, names="  ")
    named = show(desk, names="to ask the harbour master")
    assert [one.name for one in named.speakers.values()] == ["Ann", "Bob"]
    assert (named.title, named.source) == ("harbour", "boats.txt")
    events = rows(desk, AuditEvent)
    assert [event.action for event in events][-3:] == [
        "conversation.read",
        "conversation.read",
        "conversation.revealed",
    ]
    assert all(b"harbour" not in event.body for event in events)
    assert [row.state for row in rows(desk, Conversation)] == ["read"]


@pytest.mark.parametrize(
    ("number", "letters"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (-1, "?")]
)
def test_speakers_have_letters(number: int, letters: str):
    assert conversation_show.label(number) == letters


def test_words_that_were_moved_or_changed_do_not_open(desk):
    keep(desk, talk(4))
    messages = rows(desk, ConversationMessage)
    with desk.database.write() as tx:
        tx.execute(
            update(ConversationMessage)
            .where(ConversationMessage.number == 1)
            .values(sealed=messages[2].sealed)
        )
    with pytest.raises(IntegrityError, match="do not open"):
        show(desk)


def test_text_is_kept_whatever_it_holds(desk):
    odd = "nul \0 half \ud800 turn \u202e zero \u200b boat \U0001f6a4"
    name = "harbour \0\ud800"
    keep(desk, [spoken(0, name, text=odd, author="an\0n", name="\ud800"), spoken(1, name)])
    (line, _) = show(desk, names="a test").lines
    assert line.parts[0].text == "nul \ufffd half ? turn \u202e zero \u200b boat \U0001f6a4"
    assert len(line.parts[0].text) == len(odd)


def test_the_order_is_by_points_and_filters_count(desk):
    names = [f"talk {number}" for number in range(5)]
    some = [one for name in names for one in talk(3, name)]
    keep(desk, some, [score(name, 4.0 * place, 1) for place, name in enumerate(names)])
    with desk.database.read() as tx:
        who, case = desk.investigator, desk.case.id
        found = conversation_find.find(tx, who, case)
        assert [one.points for one in found] == [16, 12, 8, 4, 0]
        alerts = conversation_find.find(tx, who, case, "alert")
        assert [one.points for one in alerts] == [16, 12]
        second = conversation_find.find(tx, who, case, "all", start=1, limit=2)
        assert [one.points for one in second] == [12, 8]
        counts = conversation_find.counts(tx, who, case)
        assert (counts.undecided, counts.alert, counts.all) == (5, 2, 5)
        (source,) = conversation_find.imports(tx, who, case)
        assert (source.messages, source.left) == (15, {"malformed": 2})
        with pytest.raises(UsageError):
            conversation_find.find(tx, who, case, "none")
        with pytest.raises(UsageError, match="no such conversation"):
            conversation_find.one(tx, who, case, 99)


def test_only_those_who_work_on_conversations_of_the_case_may(desk):
    keep(desk, talk(3), who=desk.office.person("examiner"))
    for who in (desk.office.person("grader"), desk.office.person("victims"), SYSTEM):
        with desk.database.write() as tx:
            with pytest.raises(AccessError):
                conversation_find.find(tx, who, desk.case.id)
            with pytest.raises(AccessError):
                conversation_show.show(tx, desk.words, who, desk.case.id, 1)
            with pytest.raises(AccessError):
                conversations.begin(
                    tx, desk.words, who, desk.case.id, conversing.origin("b"), MONDAY
                )
    supervisor = desk.office.person("supervisor")
    with desk.database.write() as tx:
        conversation_show.show(tx, desk.words, supervisor, desk.case.id, 1)
        assert conversation_find.one(tx, supervisor, desk.case.id, 1).state == "open"
    with desk.database.write() as tx, pytest.raises(AccessError):
        conversations.begin(
            tx, desk.words, supervisor, desk.case.id, conversing.origin("b"), MONDAY
        )


def test_words_names_and_reasons_go_when_their_week_is_over(desk, monkeypatch):
    monkeypatch.setattr("tutela.observation.conversation_expiry._MESSAGES", 7)
    monkeypatch.setattr("tutela.observation.conversation_expiry._CONVERSATIONS", 2)
    some = [one for name in range(5) for one in talk(4, f"talk {name}")]
    keep(desk, some, [score(f"talk {name}", 12.0, 1) for name in range(5)])
    late = MONDAY + timedelta(days=60)
    with desk.database.write() as tx:
        tx.execute(update(Case).values(legal_hold=True))
    assert retention.expire(desk.database, desk.investigator, desk.vault, late).held == 1
    assert said(show(desk))[0] == "the boat number 0 is blue"
    with desk.database.write() as tx:
        tx.execute(update(Case).values(legal_hold=False))
    done = retention.expire(desk.database, desk.investigator, desk.vault, late)
    assert (done.weeks, done.posts, done.messages, done.held) == (1, 0, 20, 0)
    assert {row.sealed for row in rows(desk, ConversationMessage)} == {None}
    assert {row.name for row in rows(desk, ConversationSpeaker)} == {None}
    assert {row.name for row in rows(desk, ChatImport)} == {None}
    assert count(desk, ConversationPair) == 0
    found = rows(desk, Conversation)
    assert {(row.name, tuple(row.signs), row.points) for row in found} == {(None, (), 12.0)}
    shown = show(desk, names="a test")
    assert {one.readable for one in shown.lines} == {False}
    assert not shown.info.readable
    assert schema.check(desk.database) == []
    with desk.database.write() as tx:
        digest = conversing.origin().sha256
        with pytest.raises(UsageError, match="destroyed"):
            conversations.known(tx, desk.words, desk.investigator, desk.case.id, digest)


def test_all_of_it_goes_with_its_case(desk):
    keep(desk, talk(4), [score("harbour", 12.0, 1)])
    with desk.database.write() as tx:
        keys = retention.forget_case(tx, desk.case.id, MONDAY)
    assert len(keys) == 1
    assert [count(desk, table) for table in TABLES] == [0] * len(TABLES)
    assert schema.check(desk.database) == []


def test_feedback_is_never_changed(desk):
    keep(desk, talk(4), [score("harbour", 12.0, 1)])
    with desk.database.write() as tx:
        conversation_decide.judge(tx, desk.investigator, desk.case.id, 1, Verdict.TRUE)
    with pytest.raises(DBAPIError, match="never changed"), desk.database.write() as tx:
        tx.execute(update(ChatFeedback).values(verdict="false"))
