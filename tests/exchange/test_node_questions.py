"""Questions between nodes: known or not, and whom to speak to; never more than that."""

from __future__ import annotations

import hashlib
from contextlib import nullcontext
from datetime import timedelta

import msgspec
import numpy as np
import pytest
from casework_office import MadeCase
from exchange_lists import made_up
from federation_support import Nation, refused
from sqlalchemy import insert, select, update

from tutela.cli import node_ask
from tutela.cli.open import Office as CommandOffice
from tutela.core.entry import ListEntry, Provenance, Role
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import MediaId
from tutela.core.settings import Settings
from tutela.core.time import now
from tutela.exchange.federation import asking, horizon, pointers
from tutela.exchange.federation.answering import Answering
from tutela.exchange.federation.asking import Answered
from tutela.exchange.federation.horizon import Horizon
from tutela.exchange.federation.message import QUESTION, Asked, Question
from tutela.exchange.federation.nodes import Allowed
from tutela.hashlist.live import Change, LiveList
from tutela.store.tables.audit import AuditText
from tutela.store.tables.casework import Authority, Media
from tutela.store.tables.grading import SecondReading

Two = tuple[Nation, Nation]


def ask(nation: Nation, case: MadeCase, other: Nation, *media: MediaId) -> int:
    with nation.database.write() as tx:
        who = nation.office.person("examiner")
        wanted = media or case.media_ids
        return asking.ask(tx, who, other.name, nation.identity.pin, case.id, wanted)


def answers(nation: Nation, case: MadeCase) -> list[Answered]:
    with nation.database.read() as tx:
        return asking.answers(tx, nation.office.person("examiner"), case.id)


def states(nation: Nation, case: MadeCase) -> list[str]:
    return [one.state for one in answers(nation, case)]


def set_media(nation: Nation, media_id: MediaId, **values: object) -> None:
    with nation.database.write() as tx:
        tx.execute(update(Media).where(Media.id == media_id).values(**values))


def turned(code: bytes, flips: int = 0) -> bytes:
    """Return a PDQ value of about the picture turned by a right angle, with some bits flipped."""
    bits = np.unpackbits(np.frombuffer(code, np.uint8))[::-1].reshape(16, 16).T.copy().ravel()
    bits[:flips] ^= 1
    return np.packbits(bits[::-1]).tobytes()


def test_what_lies_in_a_case_is_known_and_nothing_more_is_said(two: Two):
    one, other = two
    mine = one.office.make_case(3)
    theirs = other.office.make_case(2)
    assert ask(one, mine, other) == 3
    assert states(one, mine) == ["waiting"] * 3
    one.send(other)
    found = answers(one, mine)
    assert [answer.state for answer in found] == ["known", "known", "unknown"]
    assert [answer.contact for answer in found] == ["desk bb", "desk bb", ""]
    assert found[0].reference != found[1].reference
    assert found[2].reference == ""
    answer = one.logged("node.answered")[0]
    assert "TEST/" not in answer
    with other.database.read() as tx:
        who = other.office.person("grader")
        pointed = pointers.resolve(tx, who, found[0].reference.upper())
    assert (pointed.media_id, pointed.node) == (theirs.media_ids[0], "aa")
    assert pointed.cases == ("TEST/0001",)
    assert pointed.purpose == "Test Act, section 1, W-1"


def test_no_number_name_or_grade_leaves_with_a_question(two: Two):
    one, other = two
    mine = one.office.make_case(1)
    one.vote(mine, "A")
    ask(one, mine, other)
    said = one.waiting(other).message.decode()
    for word in ("TEST/0001", "examiner", "North", "uk-abc", "media", '"A"'):
        assert word not in said, word


def test_answers_have_one_length_whatever_is_known(two: Two):
    one, other = two
    mine = one.office.make_case(5)
    lengths = set()
    for count in (0, 2):
        if count:
            other.office.make_case(count)
        ask(one, mine, other)
        sent = one.waiting(other)
        answer = other.inbox.take(other.node(one), sent.message)
        lengths.add(len(answer))
        one.answered(other, sent, answer)
    # A refusal is no shorter.
    other.changes(one, may_ask=False)
    ask(one, mine, other)
    (sent,) = [one.waiting(other)]
    lengths.add(len(other.inbox.take(other.node(one), sent.message)))
    assert len(lengths) == 1


def test_a_reference_stays_the_same_and_is_for_teams_of_its_cases_only(two: Two):
    one, other = two
    mine = one.office.make_case(1)
    other.office.make_case(1)
    for _ in range(2):
        ask(one, mine, other)
        one.send(other)
    (answer,) = answers(one, mine)
    assert len(other.logged("node.pointed")) == 2
    with other.database.read() as tx:
        stranger = other.office.person("grader", 1)
        refusals = {
            refused(lambda word=word: pointers.resolve(tx, stranger, word))
            for word in (answer.reference, "0" * 16, "")
        }
    assert refusals == {"not_found"}


@pytest.mark.parametrize("flips", [0, 20, 40])
def test_a_picture_is_known_by_its_look_in_any_turn(two: Two, flips: int):
    one, other = two
    mine = one.office.make_case(1)
    other.office.make_case(3)
    pdq = hashlib.sha256(b"pdq" + hashlib.sha256(b"media 1").digest()).digest()
    fresh = {"sha256": b"1" * 32, "sha1": b"2" * 20, "md5": b"3" * 16}
    set_media(one, mine.media_ids[0], pdq=turned(pdq, flips), **fresh)
    ask(one, mine, other)
    one.send(other)
    assert states(one, mine) == ["known" if flips < 32 else "unknown"]


def test_a_digest_alone_is_enough_and_what_says_too_little_is_not_asked(two: Two):
    one, other = two
    mine = one.office.make_case(3)
    other.office.make_case(3)
    set_media(one, mine.media_ids[0], sha256=None, sha1=None, pdq=None)
    set_media(one, mine.media_ids[1], sha256=None, sha1=None, md5=None, pdq_quality=49)
    set_media(one, mine.media_ids[2], sha256=None, md5=None, pdq=None)
    assert ask(one, mine, other) == 2
    one.send(other)
    assert states(one, mine) == ["known", "known"]
    with pytest.raises(UsageError, match="no media with a fingerprint"):
        ask(one, mine, other, mine.media_ids[1])


def test_media_that_came_or_left_since_count(two: Two):
    one, other = two
    mine = one.office.make_case(2)
    pdq = hashlib.sha256(b"pdq" + hashlib.sha256(b"media 1").digest()).digest()
    fresh = {"sha256": b"1" * 32, "sha1": b"2" * 20, "md5": b"3" * 16}
    set_media(one, mine.media_ids[1], pdq=pdq, **fresh)
    ask(one, mine, other, mine.media_ids[1])
    one.send(other)
    assert states(one, mine) == ["unknown"]
    other.office.make_case(2)
    ask(one, mine, other, mine.media_ids[1])
    one.send(other)
    assert states(one, mine) == ["known"]


def test_only_lists_that_the_operator_names_are_looked_up(two: Two, tmp_path):
    one, other = two
    entry = made_up(1)
    for name in ("ours", "theirs"):
        content = made_up(1 if name == "ours" else 2)
        growing = LiveList.create(tmp_path / "library", name, role=Role.ALERT)
        kept = ListEntry(
            Provenance(name, "test", 7, now()), content.digests, fingerprints=content.fingerprints
        )
        growing.apply([Change(b"7", kept)], b"")
    other.answering = Answering("desk bb", tmp_path / "library", ["ours"])
    other.renew()
    mine = one.office.make_case(3)
    set_media(one, mine.media_ids[0], sha256=entry.digests.sha256)
    set_media(one, mine.media_ids[1], sha256=made_up(2).digests.sha256)
    set_media(one, mine.media_ids[2], pdq=entry.fingerprints[0].bits)
    ask(one, mine, other)
    one.send(other)
    found = answers(one, mine)
    assert [answer.state for answer in found] == ["known", "unknown", "known"]
    with other.database.read() as tx:
        who = other.office.person("examiner")
        pointed = pointers.resolve(tx, who, found[0].reference)
    assert (pointed.media_id, pointed.entry, pointed.cases) == (None, "ours:7", ())


def test_who_may_not_ask_is_told_so(nation):
    one, other = nation("aa"), nation("bb")
    one.trust(other)
    other.trust(one, Allowed(votes=True))
    mine = one.office.make_case(1)
    other.office.make_case(1)
    ask(one, mine, other)
    one.send(other)
    assert states(one, mine) == ["policy"]
    assert other.logged("node.pointed") == []


def test_nobody_goes_through_our_holdings_by_trying(nation):
    one, other = nation("aa"), nation("bb")
    one.trust(other)
    other.trust(one, Allowed(may_ask=True, asks_per_day=5))
    mine = one.office.make_case(3)
    other.office.make_case(1)
    for _ in range(3):
        ask(one, mine, other)
    refusals = [reply.refused for reply in one.send(other)]
    assert refusals == ["", "too_many", "too_many"]
    # What is left of the day may still be asked.
    ask(one, mine, other, *mine.media_ids[:2])
    ask(one, mine, other, mine.media_ids[0])
    assert [reply.refused for reply in one.send(other)] == ["", "too_many"]
    assert len(other.logged("node.capped")) == 1
    assert states(one, mine)[0] == "too_many"


def test_only_the_team_asks_under_a_valid_authority(two: Two):
    one, other = two
    mine = one.office.make_case(1)
    with one.database.write() as tx:
        pin = one.identity.pin
        for who in (one.office.person("examiner", 1), one.office.person("grader")):
            with pytest.raises(AccessError):
                asking.ask(tx, who, "bb", pin, mine.id, mine.media_ids)
        examiner = one.office.person("examiner")
        with pytest.raises(UsageError, match="not in the case"):
            asking.ask(tx, examiner, "bb", pin, mine.id, [MediaId(999)])
        with pytest.raises(UsageError, match="no node"):
            asking.ask(tx, examiner, "zz", pin, mine.id, mine.media_ids)
        tx.execute(update(Authority).values(valid_until=now() - timedelta(days=1)))
        with pytest.raises(UsageError, match="authority"):
            asking.ask(tx, examiner, "bb", pin, mine.id, mine.media_ids)
        tx.execute(update(Authority).values(valid_until=now() + timedelta(days=1)))
    one.removes(other)
    assert refused(lambda: ask(one, mine, other)) == "removed"


def test_many_media_go_in_bounded_questions(two: Two):
    one, other = two
    mine = one.office.make_case(130)
    other.office.make_case(130)
    ask(one, mine, other)
    assert len(one.send(other)) == 3
    assert states(one, mine) == ["known"] * 130


@pytest.mark.parametrize(
    "contents",
    [
        (),
        (Asked(sha256="0" * 64),) * 65,
        (Asked(sha256="0" * 63),),
        (Asked(md5="Z" * 32),),
        (Asked(pdq="0" * 64 + "\n"),),
    ],
)
def test_questions_that_are_none_are_answered_so(two: Two, contents):
    one, other = two
    one.put(other, QUESTION, Question(purpose="a test", contents=contents))
    assert [reply.refused for reply in one.send(other)] == ["message"]


def test_who_reads_a_second_time_is_not_told_the_code_by_what_would_be_asked(two: Two):
    one, _ = two
    mine = one.office.make_case(2)
    one.vote(mine, "A")
    one.vote(mine, "A", media=1)
    with one.database.write() as tx:
        tx.execute(
            insert(SecondReading).values(
                case_id=mine.id,
                media_id=mine.media_ids[0],
                first_account_id=one.office.person("grader").account_id,
                first_code="A",
                reason="asked",
                state="open",
                asked_at=now(),
            )
        )
        reader = one.office.person("victims")
        assert asking.graded(tx, reader, mine.id, "A") == [mine.media_ids[1]]


def test_why_it_was_asked_is_kept_beside_the_log_each_time(two: Two):
    one, other = two
    mine, other_case = one.office.make_case(1), None
    theirs = other.office.make_case(1)
    ask(one, mine, other)
    one.send(other)
    other_case = one.office.make_case(mine.media_ids)
    ask(one, other_case, other)
    one.send(other)
    with other.database.read() as tx:
        asked = select(AuditText.text).where(AuditText.name == "purpose")
        purposes = sorted(tx.execute(asked).scalars())
        (answer,) = answers(one, other_case)
        pointed = pointers.resolve(tx, other.office.person("grader"), answer.reference)
    assert [words.rpartition(", ")[2] for words in purposes] == ["W-1", "W-2"]
    assert pointed.purpose.endswith("W-2")
    assert pointed.media_id == theirs.media_ids[0]


def test_a_value_that_came_later_to_what_was_there_is_found_within_the_hour(two: Two, monkeypatch):
    one, other = two
    clock = [0.0]
    monkeypatch.setattr(other.answering._codes, "_horizon", Horizon(lambda: clock[0]))
    monkeypatch.setattr(horizon, "_SLACK", 0)
    mine, theirs = one.office.make_case(2), other.office.make_case(3)
    pdq = hashlib.sha256(b"pdq" + hashlib.sha256(b"media 1").digest()).digest()
    set_media(other, theirs.media_ids[1], pdq=None)
    fresh = {"sha256": b"1" * 32, "sha1": b"2" * 20, "md5": b"3" * 16}
    set_media(one, mine.media_ids[0], pdq=pdq, **fresh)

    def asked() -> str:
        ask(one, mine, other, mine.media_ids[0])
        one.send(other)
        return states(one, mine)[0]

    assert asked() == "unknown"
    set_media(other, theirs.media_ids[1], pdq=pdq)
    assert asked() == "unknown"
    clock[0] += 3700
    asked()
    assert asked() == "known"


def test_nothing_is_looked_for_twice_or_out_of_turn(two: Two, monkeypatch):
    one, other = two
    mine = one.office.make_case(2)
    other.office.make_case(2)
    looked = []
    find = other.answering._find

    def counted(tx, contents):
        looked.append(len(contents))
        return find(tx, contents)

    monkeypatch.setattr(other.answering, "_find", counted)
    ask(one, mine, other)
    sent = one.waiting(other)
    early = sent.message.replace(b'"number":1', b'"number":2')
    for _ in range(3):
        assert refused(lambda: other.inbox.take(other.node(one), early)) == "order"
    answers_ = {other.inbox.take(other.node(one), sent.message) for _ in range(3)}
    assert len(answers_) == 1
    assert looked == [2]
    other.changes(one, asks_per_day=3)
    one.answered(other, sent, answers_.pop())
    ask(one, mine, other)
    assert [reply.refused for reply in one.send(other)] == ["too_many"]
    assert looked == [2]


def test_others_write_while_it_is_looked_for(two: Two, monkeypatch):
    one, other = two
    mine = one.office.make_case(1)
    theirs = other.office.make_case(1)
    find = other.answering._find

    def slow(tx, contents):
        other.vote(theirs, "A")  # would wait for ever for a lock that is held here
        return find(tx, contents)

    monkeypatch.setattr(other.answering, "_find", slow)
    ask(one, mine, other)
    one.send(other)
    assert states(one, mine) == ["known"]
    assert other.agreed(theirs.media_ids[0]).code == "A"


def test_asking_many_nodes_waits_for_one_at_a_time(nation, monkeypatch):
    """Two nodes at once, and the log between them, would be locked against what comes from them."""
    one, other, third = nation("aa"), nation("bb"), nation("cc")
    one.trust(other)
    one.trust(third)
    mine = one.office.make_case(1)
    seen: list[tuple[str, object]] = []
    ask_ = asking.ask

    def watched(tx, who, name, *rest):
        seen.append((name, tx.get_transaction()))
        return ask_(tx, who, name, *rest)

    federation = msgspec.structs.replace(Settings().federation, key=one.identity.path)
    settings = msgspec.structs.replace(Settings(), federation=federation)
    office = CommandOffice(settings, one.database, one.office.person("examiner"))
    monkeypatch.setattr(asking, "ask", watched)
    monkeypatch.setattr(node_ask, "opened", lambda _config: nullcontext(office))
    assert node_ask.ask("TEST/0001", media=mine.media_ids) == 0
    assert [name for name, _ in seen] == ["bb", "cc"]
    assert seen[0][1] is not seen[1][1]
    assert states(one, mine) == ["waiting", "waiting"]
