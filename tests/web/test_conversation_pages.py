"""Pages of conversations: the order of work, lines that counted, names, feedback, decisions."""

from __future__ import annotations

import re

import conversations_support
import pytest
import web_support
from litestar.testing import TestClient
from sqlalchemy import select

from tutela.chat import weighing
from tutela.chat.model import Sign, Stage, Trouble
from tutela.core.principal import Role
from tutela.observation.conversation_find import WHICH
from tutela.observation.conversation_model import State, Verdict
from tutela.store import Database
from tutela.store.tables.audit import AuditEvent
from tutela.web import app
from tutela.web import chat_words as words

EXAMINER, INVESTIGATOR, SUPERVISOR = Role.EXAMINER, Role.INVESTIGATOR, Role.SUPERVISOR


class Place:
    """An installation whose case has conversations, and a client."""

    def __init__(self, installation: web_support.Installation, client: TestClient) -> None:
        self.installation, self.client = installation, client
        self.case = f"/cases/{installation.case_id}/conversations"

    def get(self, path: str = "", role: Role = INVESTIGATOR, language: str = "en"):
        token = self.installation.tokens[role]
        headers = {"cookie": f"tutela={token}; language={language}"}
        return self.client.get(self.case + path, headers=headers, follow_redirects=False)

    def post(self, path: str, role: Role = INVESTIGATOR, **form: object):
        headers = {
            "cookie": f"tutela={self.installation.tokens[role]}",
            "sec-fetch-site": "same-origin",
        }
        return self.client.post(
            self.case + path, data=form, headers=headers, follow_redirects=False
        )

    def page(self, path: str = "", role: Role = INVESTIGATOR) -> str:
        answer = self.get(path, role)
        assert answer.status_code == 200, answer.text
        return " ".join(answer.text.split())

    def logged(self, action: str) -> list[str]:
        with self.installation.database.read() as tx:
            bodies = tx.execute(select(AuditEvent.body).where(AuditEvent.action == action))
            return [body.decode() for body in bodies.scalars()]


@pytest.fixture
def empty(embedded: Database, tmp_path):
    built = web_support.build(embedded, tmp_path, None)
    with TestClient(app.build(built.office), base_url="http://127.0.0.1") as client:
        yield Place(built, client)


@pytest.fixture
def place(empty: Place) -> Place:
    conversations_support.fill(empty.installation)
    return empty


def test_before_anything_is_taken_in_the_page_says_so(empty: Place):
    page = empty.page()
    assert "No conversations were taken into this case yet" in page
    assert "No source was read" in page


def test_the_list_is_in_the_order_of_points_with_a_line_where_the_budget_ends(place: Place):
    page = place.page("?budget=2")
    numbers = re.findall(r'conversations/(\d+)">Conversation', page)
    assert numbers == ["1", "2", "3", "4"]
    assert "asks for a picture or the camera; asks for secrecy" in page
    assert "triage, not proof" in page
    assert page.index("conversations/2") < page.index("the 2 that can be read")
    assert page.index("the 2 that can be read") < page.index("conversations/3")
    assert "could not be read: 2" in page
    assert re.findall(r'conversations/(\d+)">Conversation', place.page("?which=alert")) == ["1"]
    for wrong in ("?which=none", "?budget=-1", "?page=0", "?budget=x"):
        assert place.get(wrong).status_code == 400


def test_pages_follow_each_other(place: Place, monkeypatch):
    monkeypatch.setattr("tutela.web.pages.conversations.AT_ONCE", 2)
    page = place.page("?page=2&budget=3")
    assert re.findall(r'conversations/(\d+)">Conversation', page) == ["3", "4"]
    assert "the 3 that can be read" in page
    assert "Page 2 of 2" in page
    assert "page=1" in page


def test_a_conversation_shows_what_counted_and_folds_the_rest(place: Place):
    page = place.page("/1")
    assert "Speaker A towards Speaker B: 14.5 points" in page
    assert "Both show the same signs" in page
    assert "The point was reached after 40 messages" in page
    assert '<a href="#m50">50</a>' in page
    assert '<p class="said"><bdi>the <mark>boat</mark><mark> is </mark>yours, can you' in page
    assert "asks for a picture or the camera</span> approach · 9.5 points with 3 lines" in page
    assert "47 messages folded" in page
    assert "the boat number 10 is blue" not in page
    assert "Ann" not in page
    assert "my boat.jpg" not in page
    opened = place.page("/1?open=0-46")
    assert "the boat number 10 is blue" in opened
    assert "?open=0-46,54-86#m54" in opened
    for wrong in ("x", "1", "5-", "1-2,", "1-99999999999"):
        assert place.get(f"/1?open={wrong}").status_code == 400, wrong
    assert place.get("/99").status_code == 404
    assert len(place.logged("conversation.read")) == 2


def test_lines_that_were_opened_before_make_room_and_the_page_says_so(place: Place, monkeypatch):
    assert "folded again" not in place.page("/1?open=0-9,10-19")
    monkeypatch.setattr("tutela.observation.conversation_lines.MOST_OPENED", 20)
    page = place.page("/1?open=0-9,10-19,54-63")
    assert "10 lines that were opened before are folded again" in page
    assert "the boat number 5 is blue" not in page
    for number in (10, 19, 54, 63):
        assert f"the boat number {number} is blue" in page
    assert place.get("/1?open=" + ",".join(f"{n}-{n}" for n in range(900))).status_code == 200


def test_text_of_an_export_is_text_and_leads_nowhere(place: Place):
    page = place.page("/1")
    assert "<bdi>&lt;b&gt;no&lt;/b&gt; https://harbour.test" in page
    assert 'href="https://harbour' not in page
    assert "Cat joined" in page
    assert "deleted there" in page


def test_names_are_shown_once_with_a_reason_that_is_logged(place: Place):
    refused = place.post("/1/names", reason=" ")
    assert refused.status_code == 400
    assert "Ann" not in refused.text
    answer = place.post("/1/names", SUPERVISOR, reason="to ask the harbour master")
    assert answer.status_code == 200
    assert "Speaker A (<bdi>Ann</bdi>)" in answer.text
    assert "my boat.jpg" in answer.text
    assert "boats.txt" in answer.text
    (event,) = place.logged("conversation.revealed")
    assert "harbour master" not in event
    assert "Ann" not in place.page("/1")


def test_feedback_is_given_for_the_whole_and_for_a_line(place: Place):
    assert place.post("/1/judge", verdict="perhaps").status_code == 400
    assert place.post("/1/judge", verdict="true", message="x").status_code == 400
    assert place.post("/1/judge", verdict="true", message="999").status_code == 404
    assert place.post("/1/judge", SUPERVISOR, verdict="true").status_code == 403
    whole = place.post("/1/judge", verdict="true")
    assert (whole.status_code, whole.headers["location"]) == (303, f"{place.case}/1#said")
    line = place.post("/1/judge", EXAMINER, verdict="false", message="50", sign="picture")
    assert line.headers["location"] == f"{place.case}/1#m50"
    page = place.page("/1")
    assert page.count('aria-pressed="true"') == 2
    assert "does not support it</td>" in page
    assert "line 50</th>" in page


def test_a_conversation_is_handed_over_set_aside_and_decided_again(place: Place):
    refused = place.post("/1/decide", act="hand_over", reason="r", to="nowhere")
    assert refused.status_code == 403
    assert place.post("/1/decide", act="nothing", reason="r").status_code == 400
    typed = place.post("/1/decide", act="dismiss", reason=" ")
    assert typed.status_code == 400
    assert place.post("/1/decide", act="hand_over", reason="to the unit").status_code == 303
    page = place.page("/1")
    assert "Decide again" in page
    assert "Set aside" not in page
    assert place.post("/1/decide", act="dismiss", reason="r").status_code == 409
    assert place.post("/1/decide", act="reopen", reason="r").status_code == 303
    assert place.post("/1/decide", act="dismiss", reason="two friends").status_code == 303
    assert 'conversations/1"' not in place.page()
    assert "set aside" in place.page("?which=all")


def test_the_next_that_is_not_decided_is_one_step_away(place: Place):
    assert f'href="{place.case}/2" rel="next"' in place.page("/1")
    place.post("/2/decide", act="dismiss", reason="friends")
    assert f'href="{place.case}/3" rel="next"' in place.page("/1")
    assert 'rel="next"' not in place.page("/4")


def test_a_report_is_given_with_letters_or_with_names_and_a_reason(place: Place):
    for form, kind in (("html", "text/html"), ("jsonl", "ndjson")):
        answer = place.post("/1/export", format=form)
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
        assert "attachment" in answer.headers["content-disposition"]
        assert "triage, not proof" in answer.text
        assert "Ann" not in answer.text
    named = place.post("/1/export", SUPERVISOR, format="html", names="for the court")
    assert "Ann" in named.text
    assert place.post("/1/export", format="pdf").status_code == 400
    assert len(place.logged("conversation.exported")) == 3
    exports = place.installation.office.settings.vault.path.with_name("exports")
    assert list(exports.iterdir()) == []


def test_who_only_reads_is_offered_nothing_else(place: Place):
    page = place.page("/1", SUPERVISOR)
    assert "Hand over" not in page
    assert "supports it" not in page
    assert "Show names" in page
    grader = place.get("/1", Role.GRADER)
    assert grader.status_code == 403


def test_german_says_all_of_it(place: Place):
    page = place.get("/1", language="de").text
    for said in ("Anzeichen", "Was dagegen spricht", "Namen zeigen", "Was Menschen dazu sagten"):
        assert said in page, said
    listed = place.get("", language="de").text
    assert "bittet um ein Bild oder die Kamera" in listed


def test_there_are_words_for_all_that_conversations_name_by_keys():
    for values, said in (
        (Sign, words.SIGNS),
        (Stage, words.STAGES),
        (Trouble, words.TROUBLES),
        (State, words.STATES),
        (Verdict, words.VERDICTS),
        (WHICH, words.WHICH),
        ({*weighing.load().needs, weighing.ONE_LINE}, words.AGAINST),
    ):
        assert set(values) <= set(said), values
