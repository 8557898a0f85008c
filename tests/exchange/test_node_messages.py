"""Messages between nodes: each done once and in its order, whatever the line does."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from casework_office import Office
from federation_support import Nation, befriend, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

import databases
from tutela.audit import verify
from tutela.core.time import now
from tutela.exchange.federation import record, voting
from tutela.exchange.federation.identity import Identity
from tutela.exchange.federation.link import Link
from tutela.exchange.federation.message import (
    CLOCKS_APART,
    MESSAGE_BYTES,
    VOTES,
    RecordRow,
    Statement,
    Votes,
)
from tutela.exchange.federation.record import Side
from tutela.store import Database
from tutela.store.schema import upgrade
from tutela.store.tables.federation import NodeTaken, NodeVote

Two = tuple[Nation, Nation]


def votes(number: int, code: str | None = "A") -> Votes:
    return Votes((Statement(f"{number:064x}", "uk-abc", code),))


def standing(nation: Nation) -> dict[str, str | None]:
    with nation.database.read() as tx:
        rows = tx.execute(select(NodeVote.sha256, NodeVote.code))
        return {sha256.hex()[-2:]: code for sha256, code in rows}


def changed(message: bytes, **fields: object) -> bytes:
    return json.dumps(json.loads(message) | fields).encode()


def test_a_message_comes_once_is_answered_and_both_logs_say_so(two: Two):
    one, other = two
    assert one.put(other, VOTES, votes(1)) == 1
    assert one.put(other, VOTES, votes(2)) == 2
    replies = one.send(other)
    assert [json.loads(bytes(reply.body)) for reply in replies] == [{"taken": 1, "unknown": 0}] * 2
    assert one.waiting(other) is None
    assert standing(other) == {"01": "A", "02": "A"}
    with one.database.read() as mine, other.database.read() as theirs:
        sent = record.rows(mine, one.node(other), Side.ANSWERED, 0)
        taken = record.rows(theirs, other.node(one), Side.TAKEN, 0)
        assert [row.number for row in sent] == [1, 2]
        assert sent == taken
        assert verify.verify(mine).findings == verify.verify(theirs).findings == ()


def test_the_same_message_again_gets_the_same_answer_and_does_nothing(two: Two):
    one, other = two
    one.put(other, VOTES, votes(1))
    sent = one.waiting(other)
    answers = {other.inbox.take(other.node(one), sent.message) for _ in range(3)}
    assert len(answers) == 1
    assert len(other.logged("node.taken")) == 1
    one.answered(other, sent, answers.pop())
    # Long after, and after other messages, too.
    one.put(other, VOTES, votes(1, None))
    one.send(other)
    other.renew()
    other.inbox.take(other.node(one), sent.message)
    assert standing(other) == {"01": None}
    assert len(other.logged("node.taken")) == 2


def test_another_message_under_an_old_number_is_refused_and_said(two: Two):
    one, other = two
    one.put(other, VOTES, votes(1))
    sent = one.waiting(other)
    one.send(other)
    forged = changed(sent.message, body={"statements": [["0" * 64, "uk-abc", "C"]]})
    for _ in range(3):
        assert refused(lambda: other.inbox.take(other.node(one), forged)) == "replayed"
    assert standing(other) == {"01": "A"}
    (event,) = other.logged("node.refused")
    assert '"code":"replayed"' in event


def test_a_message_out_of_its_order_waits_for_those_before_it(two: Two):
    one, other = two
    for number in (1, 2, 3):
        one.put(other, VOTES, votes(number))
    first = one.waiting(other)
    third = changed(first.message, number=3)
    assert refused(lambda: other.inbox.take(other.node(one), third)) == "order"
    one.send(other)
    assert standing(other) == {"01": "A", "02": "A", "03": "A"}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"receiver": "0" * 64}, "addressed"),
        ({"sender": "0" * 64}, "addressed"),
        ({"stream": "0" * 32}, "stream"),
        ({"at": "2126-01-01T00:00:00Z"}, "clock"),
        ({"at": "2026-01-01T00:00:00"}, "message"),
        ({"v": 2}, "message"),
        ({"number": 0}, "message"),
        ({"number": "1"}, "message"),
        ({"more": 1}, "message"),
        ({"kind": ""}, "message"),
        ({"kind": "votes\u0000"}, "message"),
    ],
)
def test_what_does_not_belong_here_is_refused_as_it_came(two: Two, fields: dict, code: str):
    one, other = two
    one.put(other, VOTES, votes(1))
    one.send(other)
    one.put(other, VOTES, votes(2))
    sent = one.waiting(other)
    wrong = changed(sent.message, **fields)
    assert refused(lambda: other.inbox.take(other.node(one), wrong)) == code
    assert standing(other) == {"01": "A"}
    one.send(other)
    assert standing(other) == {"01": "A", "02": "A"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[" * 100_000, b"\xff\xfe", b'{"v":1}', b" " * (MESSAGE_BYTES + 1)],
)
def test_garbage_changes_nothing(two: Two, body: bytes):
    one, other = two
    code = refused(lambda: other.inbox.take(other.node(one), body))
    assert code == ("too_large" if len(body) > MESSAGE_BYTES else "message")
    with other.database.read() as tx:
        assert tx.execute(select(func.count()).select_from(NodeTaken)).scalar() == 0
    assert len(other.logged("node.refused")) == 1


def test_clocks_may_differ_a_little(two: Two):
    one, other = two
    for apart, taken in ((CLOCKS_APART / 2, True), (CLOCKS_APART * 1.5, False)):
        one.put(other, VOTES, votes(1))
        sent = one.waiting(other)
        ahead = changed(sent.message, at=(now() + apart).isoformat())
        if not taken:
            assert refused(lambda ahead=ahead: other.inbox.take(other.node(one), ahead)) == "clock"
            continue
        answer = other.inbox.take(other.node(one), ahead)
        one.answered(other, sent, answer)


def test_what_one_node_said_does_not_pass_as_the_word_of_another(nation):
    one, other, third = nation("aa"), nation("bb"), nation("cc")
    befriend(one, other)
    befriend(third, other)
    one.put(other, VOTES, votes(1))
    sent = one.waiting(other)
    assert refused(lambda: other.inbox.take(other.node(third), sent.message)) == "addressed"


def test_a_message_that_nobody_can_read_does_not_stop_those_after_it(two: Two):
    one, other = two
    one.put(other, "something-new", {"x": 1})
    one.put(other, VOTES, {"statements": []})
    one.put(other, VOTES, votes(3))
    assert [reply.refused for reply in one.send(other)] == ["kind", "message", ""]
    assert standing(other) == {"03": "A"}
    assert '"refused":"kind"' in one.logged("node.answered")[0]


def test_an_answer_to_another_message_or_another_answer_is_refused(two: Two):
    one, other = two
    one.put(other, VOTES, votes(1))
    sent = one.waiting(other)
    answer = other.inbox.take(other.node(one), sent.message)
    wrong = changed(answer, number=2)
    assert refused(lambda: one.answered(other, sent, wrong)) == "answer"
    assert refused(lambda: one.answered(other, sent, b"<html>")) == "message"
    one.answered(other, sent, answer)
    one.answered(other, sent, answer)
    assert refused(lambda: one.answered(other, sent, answer + b" ")) == "answer"
    assert len(one.logged("node.answered")) == 1


def test_after_a_backup_came_back_both_begin_anew(two: Two):
    one, other = two
    one.put(other, VOTES, votes(1))
    one.send(other)
    one.put(other, VOTES, votes(2))
    one.restarts(other)
    # Votes are told again by what they are now; made-up ones are not.
    assert one.waiting(other) is None
    one.put(other, VOTES, votes(3))
    sent = one.waiting(other)
    assert refused(lambda: other.inbox.take(other.node(one), sent.message)) == "stream"
    other.restarts(one)
    one.send(other)
    assert standing(other) == {"01": "A", "03": "A"}


def test_logs_that_differ_are_found():
    def row(number: int, answer: str = "aa") -> RecordRow:
        return RecordRow("00" * 16, number, "bb" * 32, answer * 32)

    def numbers(answered: list[RecordRow], taken: list[RecordRow], since=None) -> list[int]:
        later = answered if since is None else since
        return [one.number for one in record.differences(answered, taken, later, whole=True)]

    assert numbers([row(1), row(2)], [row(1), row(2)]) == []
    # The answer to the third is under way; of more than one it cannot be.
    assert numbers([row(1), row(2)], [row(1), row(2), row(3)]) == []
    assert numbers([row(1), row(2)], [row(1), row(2), row(3), row(4)]) == [4]
    assert numbers([], [row(1)]) == []
    assert numbers([], [row(1), row(2)]) == [2]
    # But for those that came while the logs were read.
    assert numbers([row(1)], [row(1), row(2), row(3)], [row(1), row(2)]) == []
    assert numbers([row(1), row(2, "cc")], [row(1), row(2)]) == [2]
    assert numbers([row(1), row(2)], [row(1)]) == [2]
    assert numbers([row(1), row(3)], [row(1), row(2), row(3)]) == [2]


Steps = st.lists(
    st.sampled_from(["say", "send", "lose", "twice", "old", "restart"]), min_size=1, max_size=25
)


@pytest.fixture(scope="module")
def template() -> Path:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template.db")
        with Database(f"sqlite:///{path}") as fresh:
            upgrade(fresh)
            with fresh.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        yield path


@settings(deadline=None, max_examples=15)
@given(steps=Steps)
def test_whatever_the_line_does_each_message_counts_once(template: Path, steps: list[str]):
    """A line that loses answers, delivers twice and late; processes that start anew."""
    with tempfile.TemporaryDirectory() as folder:
        made = databases.sqlite_factory(template, Path(folder))
        with Database(made.url()) as mine, Database(made.url()) as theirs:
            one = Nation.made("aa", Office(mine), Path(folder))
            other = Nation.made("bb", Office(theirs), Path(folder))
            befriend(one, other)
            said: dict[str, str | None] = {}
            before: list[bytes] = []
            for place, step in enumerate(steps):
                if step == "say":
                    code = "ABC"[place % 3]
                    one.put(other, VOTES, votes(place % 2, code))
                    said[f"{place % 2:02}"] = code
                elif step == "restart":
                    other.renew()
                elif step == "old":
                    for message in before:
                        other.inbox.take(other.node(one), message)
                elif sent := one.waiting(other):
                    before.append(sent.message)
                    answer = other.inbox.take(other.node(one), sent.message)
                    if step == "twice":
                        assert other.inbox.take(other.node(one), sent.message) == answer
                    if step != "lose":
                        one.answered(other, sent, answer)
            one.send(other)
            assert standing(other) == said
            assert len(other.logged("node.taken")) == len(one.logged("node.sent"))
            with mine.read() as left, theirs.read() as right:
                sent_rows = record.rows(left, one.node(other), Side.ANSWERED, 0)
                assert sent_rows == record.rows(right, other.node(one), Side.TAKEN, 0)


def test_a_word_that_a_database_cannot_keep_stops_nothing(two: Two):
    one, other = two
    one.put(other, VOTES, Votes((Statement("0" * 64, "uk-abc", "A\x00"),)))
    one.put(other, VOTES, votes(2))
    assert [reply.refused for reply in one.send(other)] == ["message", ""]
    assert standing(other) == {"02": "A"}


def test_who_came_in_before_it_was_removed_gets_nothing_after(two: Two):
    one, other = two
    one.put(other, VOTES, votes(1))
    sent, node = one.waiting(other), other.node(one)
    other.removes(one)
    assert refused(lambda: other.inbox.take(node, sent.message)) == "unknown_node"
    assert standing(other) == {}


@pytest.mark.parametrize("first", ["one", "other"])
def test_it_does_not_matter_who_begins_anew_first(two: Two, first: str):
    one, other = two
    one.put(other, VOTES, votes(1))
    one.put(other, VOTES, votes(2))
    sent = one.waiting(other)
    other.inbox.take(other.node(one), sent.message)  # its answer is lost
    pair = (one, other) if first == "one" else (other, one)
    pair[0].restarts(pair[1])
    one.put(other, VOTES, votes(3))
    if first == "other":
        assert len(one.send(other)) == 3  # the run that was there goes on
    else:
        assert refused(lambda: one.send(other)) == "stream"
    pair[1].restarts(pair[0])
    one.put(other, VOTES, votes(4))
    one.send(other)
    assert standing(other)["04"] == "A"
    # An old run of numbers does not come back, whatever was allowed.
    assert refused(lambda: other.inbox.take(other.node(one), changed(sent.message, number=9))) in (
        "stream",
        "order",
    )


def test_two_that_begin_anew_while_messages_pass_do_not_get_stuck(two: Two):
    one, other = two
    one.restarts(other)
    one.put(other, VOTES, votes(1))
    one.send(other)
    other.restarts(one)
    one.put(other, VOTES, votes(2))
    one.send(other)
    assert standing(other) == {"01": "A", "02": "A"}


def test_another_key_is_known_on_both_sides_and_nothing_that_waits_is_lost(two: Two, tmp_path):
    one, other = two
    mine = one.office.make_case(1)
    theirs = other.office.make_case(1)
    one.vote(mine, "A")
    voting.tell(one.database, one.node(other).id, one.identity.pin)
    assert one.waiting(other)
    one.identity = Identity.make(tmp_path / "new.key")
    other.replaces(one)
    assert refused(lambda: one.send(other)) == "addressed"
    one.restarts(other)
    assert one.tell(other) == 1
    assert other.agreed(theirs.media_ids[0]).code == "A"


def test_a_node_that_was_removed_and_added_again_gets_and_gives_what_it_missed(two: Two):
    one, other = two
    mine = one.office.make_case(2)
    theirs = other.office.make_case(2)
    one.vote(mine, "A")
    one.tell(other)
    one.put(other, VOTES, votes(1))
    one.removes(other)
    other.removes(one)
    one.vote(mine, "B")
    one.vote(mine, "A", media=1)
    befriend(one, other)
    assert one.tell(other) == 2
    assert other.agreed(theirs.media_ids[0]).code == "B"
    # Only one side did it: the other has to allow a new run of numbers.
    one.removes(other)
    one.trust(other)
    assert refused(lambda: one.tell(other)) == "stream"
    other.restarts(one)
    one.tell(other)
    assert one.waiting(other) is None


def test_a_log_that_goes_round_in_circles_is_none(two: Two):
    one, other = two
    row = RecordRow("00" * 16, 2, "bb" * 32, "aa" * 32)
    with Link(one.node(other), one.identity, 1) as link:
        for after, found in ((2, [row]), (0, [row, row]), (0, [row] * 1001)):
            link._read = lambda _path, _kind, found=found: found
            assert refused(lambda after=after: link.record(Side.TAKEN, after)) == "answer"
        link._read = lambda _path, _kind: [row]
        assert link.record(Side.TAKEN, 1) == [row]
