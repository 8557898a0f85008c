"""Feedback: one word a member, a queue for the owner, counts that reveal nothing else."""

from __future__ import annotations

import pytest
from exchange_lists import made_up
from sqlalchemy import func, select

from tutela.core.errors import AccessError, ConflictError, UsageError
from tutela.exchange import entries, feedback
from tutela.exchange.model import Coded, MemberPermission, Verdict
from tutela.store.tables.audit import AuditEvent


def _say(lists, who, entry, verdict, **words):
    with lists.office.database.write() as tx:
        feedback.submit(tx, who, lists.id, entry, verdict, **words)


def _queue(lists):
    with lists.office.database.read() as tx:
        return feedback.queue(tx, lists.owner, lists.id)


def _answer(lists, number, *, accept, reason="looked at again"):
    with lists.office.database.write() as tx:
        feedback.answer(tx, lists.owner, number, accept=accept, reason=reason)


def test_an_accepted_false_positive_withdraws_the_entry(lists):
    member = lists.member(1)
    lists.add(made_up(1), made_up(2))
    _say(lists, member, 1, Verdict.FALSE_POSITIVE, reasons=["a landscape"], note="of ours")
    (said,) = _queue(lists)
    assert (said.organisation, said.verdict, said.reasons) == (
        "South Force",
        Verdict.FALSE_POSITIVE,
        ("a landscape",),
    )
    _answer(lists, said.id, accept=True)
    assert [one.id for one in lists.since(member)] == [2]
    assert _queue(lists) == []
    with pytest.raises(ConflictError):
        _answer(lists, said.id, accept=False)


def test_declined_feedback_changes_nothing_and_has_a_reason(lists):
    member = lists.member(1)
    lists.add(made_up(1))
    _say(lists, member, 1, Verdict.DISPUTE)
    (said,) = _queue(lists)
    with pytest.raises(UsageError):
        _answer(lists, said.id, accept=False, reason=" ")
    assert _queue(lists) == [said]
    _answer(lists, said.id, accept=False)
    assert len(lists.since(member)) == 1


def test_the_last_word_of_a_member_counts(lists):
    member = lists.member(1)
    lists.add(made_up(1))
    for verdict in (Verdict.DISPUTE, Verdict.CONFIRM, Verdict.DISPUTE):
        _say(lists, member, 1, verdict, algorithm="md5")
    _say(lists, member, 1, Verdict.CONFIRM, algorithm="pdq")
    assert [(s.algorithm, s.verdict) for s in _queue(lists)] == [("md5", Verdict.DISPUTE)]


def test_statistics_show_a_member_only_its_own(lists):
    first, second = lists.member(1), lists.member(2)
    lists.add(made_up(1), made_up(2))
    _say(lists, first, 1, Verdict.CONFIRM)
    _say(lists, second, 1, Verdict.DISPUTE)
    _say(lists, second, 2, Verdict.DISPUTE)
    with lists.office.database.read() as tx:
        everything = feedback.statistics(tx, lists.owner, lists.id)
        own = feedback.statistics(tx, first, lists.id)
    assert [(c.organisation, c.verdict, c.said, c.waiting) for c in everything] == [
        ("Coast Hotline", Verdict.DISPUTE, 2, 2),
        ("South Force", Verdict.CONFIRM, 1, 0),
    ]
    assert [c.organisation for c in own] == ["South Force"]


def test_nobody_speaks_of_an_entry_that_is_not_theirs(lists):
    german = lists.member(1, jurisdictions=["DE"])
    stranger = lists.office.person("member", 2)
    lists.add(made_up(1, Coded("GB", "uk-abc", "A")))
    said = []
    for who, entry in ((german, 1), (german, 99), (stranger, 1)):
        with pytest.raises(AccessError) as refused:
            _say(lists, who, entry, Verdict.CONFIRM)
        said.append(refused.value.code)
    assert said == ["not_found"] * 3


def test_the_same_words_again_change_nothing(office, lists):
    """Clients send what they think at each sync: a declined word does not come back by itself."""
    member = lists.member(1)
    lists.add(made_up(1))
    words = {"reasons": ["a landscape"], "note": "ours"}
    _say(lists, member, 1, Verdict.DISPUTE, **words)
    (said,) = _queue(lists)
    _answer(lists, said.id, accept=False)
    _say(lists, member, 1, Verdict.DISPUTE, **words)
    assert _queue(lists) == []
    with office.database.read() as tx:
        told = select(func.count()).where(AuditEvent.action == "feedback.given")
        assert tx.execute(told).scalar_one() == 1
    _say(lists, member, 1, Verdict.DISPUTE, **words | {"note": "look again"})
    assert len(_queue(lists)) == 1


def test_unknown_feedback_and_that_of_others_get_the_same_refusal(office, lists):
    member = lists.member(1, MemberPermission.CONTRIBUTE)
    lists.add(made_up(1))
    _say(lists, member, 1, Verdict.DISPUTE)
    (waits,) = _queue(lists)
    said = []
    for number in (waits.id, 999):
        for who in (office.person("supervisor", 1), office.person("supervisor", 2)):
            with pytest.raises(AccessError) as refused, office.database.write() as tx:
                feedback.answer(tx, who, number, accept=True, reason="x")
            said.append((refused.value.code, refused.value.message))
    assert len(set(said)) == 1
    assert _queue(lists) == [waits]


def test_what_was_said_of_a_deleted_entry_is_gone_too(office, lists):
    member = lists.member(1)
    lists.add(made_up(1))
    _say(lists, member, 1, Verdict.DISPUTE, reasons=["a landscape"], note="our file 17")
    with office.database.write() as tx:
        entries.remove(tx, lists.owner, lists.id, [1], "by order")
    (said,) = _queue(lists)
    assert (said.note, said.reasons) == ("", ())


def test_too_many_words_are_refused(lists):
    member = lists.member(1)
    lists.add(made_up(1))
    for words in ({"note": "x" * 3000}, {"reasons": ["x"] * 30}, {"algorithm": "x" * 50}):
        with pytest.raises(UsageError):
            _say(lists, member, 1, Verdict.CONFIRM, **words)
