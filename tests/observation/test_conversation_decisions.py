"""What people say of conversations: feedback, handing over, setting aside, a report to pass on."""

from __future__ import annotations

import hashlib
import json

import pytest
from casework_office import join
from conversing import MEASURE, keep, score, spoken, talk
from sqlalchemy import select, update

from tutela.casework import case as cases
from tutela.casework import notes
from tutela.core.errors import AccessError, ConflictError, UsageError
from tutela.core.principal import Role
from tutela.observation import conversation_decide, conversation_find, conversation_report
from tutela.observation.conversation_model import State, Verdict
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import Case


@pytest.fixture
def kept(desk):
    keep(desk, talk(60), [score("harbour", 14.5, 50, 53)])
    return desk


def logged(desk, action: str) -> list[str]:
    with desk.database.read() as tx:
        asked = select(AuditEvent.body).where(AuditEvent.action == action)
        return [body.decode() for body in tx.execute(asked).scalars()]


def decide(desk, act, *values, who=None, **more):
    with desk.database.write() as tx:
        return act(tx, who or desk.investigator, desk.case.id, 1, *values, **more)


def state(desk) -> State:
    with desk.database.read() as tx:
        return conversation_find.one(tx, desk.investigator, desk.case.id, 1).state


def test_feedback_is_about_the_whole_or_one_line_and_keeps_what_stood_then(kept):
    decide(kept, conversation_decide.judge, Verdict.TRUE)
    decide(kept, conversation_decide.judge, Verdict.UNSURE, message=50, sign="picture")
    decide(kept, conversation_decide.judge, Verdict.FALSE, message=50, sign="picture")
    with kept.database.read() as tx:
        found = conversation_decide.feedback(tx, kept.investigator, kept.case.id)
        assert found == conversation_decide.feedback(tx, kept.investigator, kept.case.id, 1)
        assert conversation_decide.feedback(tx, kept.investigator, kept.case.id, 2) == []
    assert [(one.message, one.sign, one.verdict.value) for one in found] == [
        (None, "", "true"),
        (50, "picture", "unsure"),
        (50, "picture", "false"),
    ]
    assert {(one.points, one.alert, one.parts_sha256) for one in found} == {
        (14.5, True, MEASURE.sha256)
    }
    for wrong in ({"message": 60}, {"message": -1}, {"sign": "meeting"}):
        with pytest.raises(UsageError):
            decide(kept, conversation_decide.judge, Verdict.TRUE, **wrong)
    assert len(logged(kept, "conversation.judged")) == 3


def test_handed_over_within_its_case_a_note_says_so_without_a_word_of_it(kept):
    with pytest.raises(UsageError, match="say why"):
        decide(kept, conversation_decide.hand_over, " ")
    assert decide(kept, conversation_decide.hand_over, "look at the dates") == kept.case.id
    with kept.database.read() as tx:
        (note,) = notes.list_(tx, kept.investigator, kept.case.id)
    assert "look at the dates" in note.text
    assert "14.5 points, signs of risk: picture, secrecy" in note.text
    assert "boat" not in note.text
    assert state(kept) is State.HANDED_OVER
    for act in (conversation_decide.hand_over, conversation_decide.dismiss):
        with pytest.raises(ConflictError, match="decided already"):
            decide(kept, act, "again")
    decide(kept, conversation_decide.reopen, "it was the other one")
    assert state(kept) is State.READ
    with pytest.raises(ConflictError):
        decide(kept, conversation_decide.reopen, "again")


def test_handed_over_to_another_case_only_by_one_of_both_teams(kept):
    other = kept.office.make_case(1, team=[])
    with kept.database.read() as tx:
        number = tx.execute(select(Case.number).where(Case.id == other.id)).scalar_one()
    with pytest.raises(AccessError):
        decide(kept, conversation_decide.hand_over, "theirs", number)
    with kept.database.write() as tx:
        join(tx, other.id, [kept.investigator])
    assert decide(kept, conversation_decide.hand_over, "theirs", f" {number} ") == other.id
    with kept.database.read() as tx:
        (note,) = notes.list_(tx, kept.investigator, other.id)
        own = cases.info(tx, kept.investigator, kept.case.id).number
        found = conversation_find.one(tx, kept.investigator, kept.case.id, 1)
    assert f"Conversation 1 of case {own} was handed over: theirs" in note.text
    assert found.handed_to == other.id
    (event,) = logged(kept, "conversation.handed-over")
    assert f'"to":{other.id}' in event
    assert "theirs" not in event


def test_dismissed_it_is_no_longer_among_the_undecided(kept):
    decide(kept, conversation_decide.dismiss, "two friends of one age")
    with kept.database.read() as tx:
        assert conversation_find.find(tx, kept.investigator, kept.case.id) == []
        assert len(conversation_find.find(tx, kept.investigator, kept.case.id, "all")) == 1
    assert len(logged(kept, "conversation.dismissed")) == 1


def test_who_only_reads_decides_nothing_and_neither_does_anybody_in_a_closed_case(kept):
    supervisor = kept.office.person("supervisor")
    acts = (
        (conversation_decide.judge, Verdict.TRUE),
        (conversation_decide.hand_over, "why"),
        (conversation_decide.dismiss, "why"),
        (conversation_decide.reopen, "why"),
    )
    for act, value in acts:
        with pytest.raises(AccessError):
            decide(kept, act, value, who=supervisor)
    with kept.database.write() as tx:
        tx.execute(update(Case).values(state="closed"))
    for act, value in acts:
        with pytest.raises(UsageError, match="closed"):
            decide(kept, act, value)


def write(desk, form: str, out, **more):
    values = (desk.database, desk.words, desk.investigator, desk.case.id, 1, form, out)
    return conversation_report.write(*values, **more)


def test_a_report_says_first_what_it_cannot_say_and_masks_names(kept, tmp_path):
    decide(kept, conversation_decide.judge, Verdict.TRUE, message=50, sign="picture")
    out = tmp_path / "report.jsonl"
    done = write(kept, "jsonl", out)
    assert done.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert done.rows == len(rows)
    assert "triage, not proof" in rows[0]["text"]
    by = {row["type"]: row for row in rows}
    assert by["conversation"]["parts_sha256"] == MEASURE.sha256.hex()
    assert (by["speaker"]["speaker"], by["speaker"]["name"]) == ("B", "")
    (counted,) = [row for row in rows if row["type"] == "message" and row["number"] == 50]
    assert counted["text"] == "the boat number 50 is blue"
    assert [one["sign"] for one in counted["signs"]] == ["picture", "secrecy"]
    assert by["feedback"]["verdict"] == "true"
    assert "Ann" not in out.read_text()
    page = tmp_path / "report.html"
    write(kept, "html", page)
    text = page.read_text()
    assert text.index("triage, not proof") < text.index("the boat number 50")
    assert MEASURE.sha256.hex() in text
    assert "Ann" not in text
    write(kept, "html", page, names="for the harbour master")
    assert "Ann" in page.read_text()
    assert len(logged(kept, "conversation.exported")) == 3
    assert len(logged(kept, "conversation.revealed")) == 1
    with pytest.raises(UsageError, match="unknown format"):
        write(kept, "pdf", page)


def test_text_of_an_export_cannot_turn_a_report_around(desk, tmp_path):
    keep(desk, [spoken(0, text="<b>bold</b> \u202eturned\nnext"), spoken(1)], [])
    out = tmp_path / "report.html"
    write(desk, "html", out)
    text = out.read_text()
    assert "\u202e" not in text
    assert "<b>bold" not in text
    assert "&lt;b&gt;bold&lt;/b&gt; \\u202eturned ⏎ next" in text


def test_a_role_without_export_takes_no_report_out(kept, tmp_path):
    with kept.database.write() as tx:
        list_member = kept.office.hire(tx, "lister", Role.LIST_MEMBER)
    with pytest.raises(AccessError):
        conversation_report.write(
            kept.database,
            kept.words,
            list_member,
            kept.case.id,
            1,
            "html",
            tmp_path / "report.html",
        )
