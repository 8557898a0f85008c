"""Posts of threads become conversations without a copy of their words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from casework_office import join
from conversing import MEASURE, keep, score, talk
from observed import MONDAY, page

from tutela.core.errors import AccessError
from tutela.core.principal import Role
from tutela.observation import (
    conversation_decide,
    conversation_find,
    conversation_report,
    conversation_show,
    conversations,
    conversations_observed,
    retention,
)
from tutela.observation.conversation_model import (
    OBSERVED,
    Counted,
    Origin,
    PairKept,
    ReasonKept,
    ScoreKept,
    Spoken,
    Verdict,
)
from tutela.observation.model import Author, PostSeen

ANN, BOB = Author("Ann", "11"), Author("Bob", "12")


def post(key: str, author: Author, hours: int, **more) -> PostSeen:
    moment = MONDAY - timedelta(hours=hours)
    return PostSeen(key=key, author=author, posted_at=moment, text=f"stamp {key}", **more)


@pytest.fixture
def read(desk, monkeypatch):
    monkeypatch.setattr("tutela.observation.conversations_observed._AT_ONCE", 2)
    desk.keep(
        page(post("1", ANN, 9), post("2", BOB, 8, replies_to=("1",)), post("3", ANN, 7)),
        page(post("5", BOB, 1), post("4", ANN, 2), thread="8"),
        page(post("6", ANN, 1), host="other.test"),
    )
    return desk


def said(desk, host: str = ""):
    with desk.database.read() as tx:
        who, case = desk.investigator, desk.case.id
        found = conversations_observed.said(tx, who, case, desk.words.opened, host)
        return list(found)


def test_posts_come_thread_by_thread_in_the_order_of_time(read):
    found = said(read)
    assert [(one.site, one.thread, one.key, one.text) for one in found] == [
        ("forum.test", "7", "1", "stamp 1"),
        ("forum.test", "7", "2", "stamp 2"),
        ("forum.test", "7", "3", "stamp 3"),
        ("forum.test", "8", "4", "stamp 4"),
        ("forum.test", "8", "5", "stamp 5"),
        ("other.test", "7", "6", "stamp 6"),
    ]
    assert found[1].replies_to == ("1",)
    assert found[0].author == found[2].author != found[1].author
    assert found[0].handle == "Ann"
    assert [one.key for one in said(read, "other.test")] == ["6"]


def test_the_digest_stays_while_more_is_read(read):
    def digest(host: str = "") -> tuple[bytes, int]:
        with read.database.read() as tx:
            asked = (tx, read.investigator, read.case.id, host)
            return conversations_observed.digest(*asked), conversations_observed.count(*asked)

    before, posts = digest()
    assert (len(before), posts) == (32, 6)
    assert digest("other.test")[0] != before
    assert digest("other.test")[1] == 1
    read.keep(page(post("7", ANN, 0)))
    assert digest() == (before, 7)


def test_only_who_may_see_what_was_read_gets_it(read):
    for name in ("examiner", "supervisor", "grader"):
        with read.database.read() as tx, pytest.raises(AccessError):
            who = read.office.person(name)
            next(conversations_observed.said(tx, who, read.case.id, read.words.opened))


def test_its_words_are_those_of_the_posts_and_go_with_them(read):
    some = [
        Spoken(
            conversation=f"{one.site} {one.thread}",
            id=one.key,
            author=one.author,
            name=one.handle,
            text=one.text,
            at=one.at,
            post=one.post,
        )
        for one in said(read)
    ]
    later = MONDAY + timedelta(days=20)
    origin = Origin(name="forum", format="observed", sha256=bytes(32), keep=timedelta(days=90))
    with read.database.write() as tx:
        keeping = conversations.begin(
            tx, read.words, read.investigator, read.case.id, origin, later
        )
        keeping.messages(tx, some)
        reason = ReasonKept(
            sign="picture", stage="approach", points=9.0, count=1, shown=(Counted(number=1),)
        )
        pair = PairKept(author=some[0].author, other=some[1].author, points=9.0, reasons=(reason,))
        found = ScoreKept(conversation="forum.test 7", points=9.0, pairs=(pair,), alert=False)
        keeping.scores(tx, [found], MEASURE, later)
        keeping.end(tx, read.investigator, {}, MEASURE, later)
    read.words.committed()

    def texts():
        with read.database.write() as tx:
            shown = conversation_show.show(tx, read.words, read.investigator, read.case.id, 1)
            lines = ["".join(part.text for part in line.parts) for line in shown.lines]
            return lines, len(shown.pairs), shown.info.points

    assert texts() == (["stamp 1", "stamp 2", "stamp 3"], 1, 9.0)
    # The posts' own week is over before that of the conversation's names.
    over = MONDAY + timedelta(days=40)
    assert retention.expire(read.database, read.investigator, read.vault, over).weeks == 1
    assert texts() == (["", "", ""], 0, 9.0)
    assert [one.text for one in said(read)] == [None] * 6


@pytest.fixture
def mixed(read):
    """One conversation of a site, and one of an export."""
    keep(read, talk(60), [score()])
    one = said(read)[0]
    origin = Origin(name="forum", format=OBSERVED, sha256=bytes(32), keep=timedelta(days=90))
    with read.database.write() as tx:
        keeping = conversations.begin(
            tx, read.words, read.investigator, read.case.id, origin, MONDAY
        )
        line = Spoken(conversation="forum.test 7", id=one.key, author=one.author, post=one.post)
        keeping.messages(tx, [line])
        found = ScoreKept(conversation="forum.test 7", points=9.0, pairs=(), alert=False)
        keeping.scores(tx, [found], MEASURE, MONDAY)
        keeping.end(tx, read.investigator, {}, MEASURE, MONDAY)
        conversation_decide.judge(tx, read.investigator, read.case.id, 1, Verdict.TRUE)
        conversation_decide.judge(tx, read.investigator, read.case.id, 2, Verdict.TRUE)
    read.words.committed()
    return read


def test_who_may_not_see_leads_learns_nothing_of_what_was_observed(mixed, tmp_path):
    case = mixed.case.id
    with mixed.database.write() as tx:
        examiner = mixed.office.hire(tx, "examiner of the team", Role.EXAMINER)
        join(tx, case, [examiner])

    def known(who):
        with mixed.database.read() as tx:
            first = conversation_find.one(tx, who, case, 1)
            return (
                [one.id for one in conversation_find.find(tx, who, case, "all")],
                conversation_find.counts(tx, who, case).all,
                [one.format for one in conversation_find.imports(tx, who, case)],
                conversation_find.following(tx, who, case, first),
                [one.conversation_id for one in conversation_decide.feedback(tx, who, case)],
            )

    assert known(mixed.investigator) == ([1, 2], 2, ["observed", "whatsapp"], 2, [1, 2])
    assert known(examiner) == ([1], 1, ["whatsapp"], None, [1])
    with mixed.database.write() as tx, pytest.raises(AccessError, match="may not"):
        conversation_find.one(tx, examiner, case, 2)
    with mixed.database.write() as tx, pytest.raises(AccessError, match="may not"):
        conversation_show.show(tx, mixed.words, examiner, case, 2)
    out = tmp_path / "report.jsonl"
    with pytest.raises(AccessError, match="may not"):
        conversation_report.write(
            mixed.database, mixed.words, examiner, case, 2, "jsonl", out, names="a test"
        )
    assert not out.exists()
    with mixed.database.write() as tx:
        assert conversation_show.show(tx, mixed.words, mixed.investigator, case, 2).lines
