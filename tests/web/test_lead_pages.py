"""Pages of leads: rank, look, mark, link, read words one asks for, and release by two persons."""

from __future__ import annotations

import re

import leads_support
import pytest
import web_support
from litestar.testing import TestClient
from sqlalchemy import select

from tutela.actors import explain
from tutela.actors.marking import Mark
from tutela.actors.model import CounterKind, TermKind, Tier
from tutela.core.principal import Role
from tutela.observation.model import EntityKind, EventKind, Layout
from tutela.observation.sealing import Words
from tutela.store import Database
from tutela.store.tables.audit import AuditEvent
from tutela.web import app
from tutela.web import lead_words as words

INVESTIGATOR, SUPERVISOR = Role.INVESTIGATOR, Role.SUPERVISOR


class Place:
    """An installation whose case has the two invented sites, and a client."""

    def __init__(self, installation: web_support.Installation, client: TestClient) -> None:
        self.installation, self.client = installation, client
        self.case = f"/cases/{installation.case_id}"
        self.heron, self.stork = (
            leads_support.account(installation.database, installation.case_id, name)
            for name in ("heron", "stork")
        )

    def get(self, path: str, role: Role = INVESTIGATOR, language: str = "en"):
        token = self.installation.tokens[role]
        headers = {"cookie": f"tutela={token}; language={language}"}
        return self.client.get(path, headers=headers, follow_redirects=False)

    def post(self, path: str, role: Role = INVESTIGATOR, **form: object):
        headers = {
            "cookie": f"tutela={self.installation.tokens[role]}",
            "sec-fetch-site": "same-origin",
        }
        return self.client.post(path, data=form, headers=headers, follow_redirects=False)

    def page(self, path: str, role: Role = INVESTIGATOR) -> str:
        answer = self.get(path, role)
        assert answer.status_code == 200, answer.text
        return " ".join(answer.text.split())

    def logged(self, action: str) -> list[str]:
        with self.installation.database.read() as tx:
            bodies = tx.execute(select(AuditEvent.body).where(AuditEvent.action == action))
            return [body.decode() for body in bodies.scalars()]


@pytest.fixture
def place(embedded: Database, tmp_path):
    built = web_support.build(embedded, tmp_path, None)
    leads_support.fill(embedded, built.case_id, Words(built.office.vault))
    with TestClient(app.build(built.office), base_url="http://127.0.0.1") as client:
        yield Place(built, client)


def test_before_anything_is_ranked_pages_say_so(place: Place):
    assert "not ranked yet" in place.page(f"{place.case}/leads")
    assert "Nothing ties" in place.page(f"{place.case}/graph")
    assert "no place for this account" in place.page(f"{place.case}/accounts/{place.heron}")


def test_the_ranking_counts_everybody_and_names_nobody_withheld(place: Place):
    assert place.post(f"{place.case}/leads").status_code == 303
    page = place.page(f"{place.case}/leads")
    assert page.index("heron") < page.index("stork")
    assert "Accounts seen</dt><dd>7" in page
    assert "withheld for a check by a person</dt><dd>1" in page
    for name in ("finch", "wren", "gull"):
        assert name not in page
    assert "<img" not in page.partition("<main")[2], "no media, ever"


def test_an_account_shows_terms_counter_evidence_and_why(place: Place):
    place.post(f"{place.case}/leads")
    page = place.page(f"{place.case}/accounts/{place.heron}?against={place.stork}")
    for said in (
        "Known things, by digest",
        "Private messages and closed areas were not seen",
        "list n",
        "What ranks: the lower bound",
        "the same Tox id",
        "a hint",
    ):
        assert said in page, said
    assert re.search(r'<a href="#post-\d+">', page)
    assert place.get(f"{place.case}/accounts/9999").status_code == 404


def test_words_are_sealed_until_asked_for_and_each_time_logged(place: Place):
    path = f"{place.case}/accounts/{place.heron}"
    assert "a boat for the harbour" not in place.page(path)
    number = re.search(r'name="posts" value="(\d+)"', place.page(path))
    assert number is not None
    answer = place.post(f"{path}/posts", posts=number[1])
    assert answer.status_code == 200
    assert answer.text.count("a boat for the harbour") == 1
    assert "<details><summary>Show" in answer.text, "closed until asked for"
    (event,) = place.logged("post.read")
    assert f'"posts":[{number[1]}]' in event
    assert "harbour" not in event
    for posts, status in (("", 400), ("1 x", 400), (" ".join(map(str, range(60))), 400)):
        assert place.post(f"{path}/posts", posts=posts).status_code == status
    other = f"{place.case}/accounts/{place.stork}/posts"
    for place_, posts in ((f"{path}/posts", "999999"), (other, number[1])):
        assert place.post(place_, posts=posts).status_code == 404, "of another account, or none"
    assert len(place.logged("post.read")) == 1


def test_a_mark_withholds_and_is_undone(place: Place):
    path = f"{place.case}/accounts/{place.heron}"
    assert place.post(f"{path}/marks", kind="nothing", reason="x").status_code == 400
    refused = place.post(f"{path}/marks", kind="officer", reason=" ")
    assert refused.status_code == 400
    assert 'value="officer" selected' in refused.text
    assert place.post(f"{path}/marks", kind="officer", reason="as told").status_code == 303
    place.post(f"{place.case}/leads")
    assert "heron" not in place.page(f"{place.case}/leads")
    assert "as told" in place.page(path)
    undone = place.post(f"{path}/marks", undo=1, reason="another one was meant")
    assert undone.status_code == 303
    place.post(f"{place.case}/leads")
    assert "heron" in place.page(f"{place.case}/leads")


def test_a_link_is_undone_with_a_reason(place: Place):
    place.post(f"{place.case}/leads")
    path = f"{place.case}/accounts/{place.heron}"
    number = re.search(r'name="link" value="(\d+)"', place.page(path))
    assert number is not None
    link = {"link": number[1]}
    assert place.post(f"{path}/links", **link, decision="x", reason="r").status_code == 400
    hint = place.post(f"{path}/links", **link, decision="confirm", reason="r")
    assert hint.status_code == 400
    assert "only hints" in hint.text
    done = place.post(f"{path}/links", **link, decision="undo", reason="a shop's address")
    assert done.status_code == 303
    # Jinja writes the apostrophe as an entity.
    assert "a shop&#39;s address" in place.page(path)


def test_two_persons_release_a_lead_and_it_is_exported(place: Place):
    leads = f"{place.case}/leads"
    place.post(leads)
    assert place.post(f"{place.case}/accounts/{place.heron}/propose").status_code == 303
    assert place.post(f"{leads}/1", act="release").status_code == 403
    assert place.post(f"{leads}/1", act="export").status_code == 400
    assert place.post(f"{leads}/1", act="nothing").status_code == 400
    assert place.post(f"{leads}/1", act="ask", reason="for the north").status_code == 303
    grant = {"approval": 1, "decision": "grant"}
    assert place.post("/approvals", **grant).status_code == 403
    assert "for the north" in place.page("/approvals", SUPERVISOR)
    assert place.post("/approvals", SUPERVISOR, **grant).status_code == 303
    assert "Release now" in place.page(leads)
    assert place.post(f"{leads}/1", act="release").status_code == 303
    for form, kind in (("html", "text/html"), ("pdf", "application/pdf"), ("jsonl", "ndjson")):
        answer = place.post(f"{leads}/1", act="export", format=form)
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
        assert "attachment" in answer.headers["content-disposition"]
    assert len(place.logged("lead.exported")) == 3
    assert place.post(f"{leads}/1", act="withdraw", reason="settled").status_code == 303
    assert place.post(f"{leads}/1", act="export").status_code == 400
    assert place.post(f"{leads}/1", act="restore").status_code == 303
    assert "Ask for release" in place.page(leads)


def test_sites_graph_and_days(place: Place):
    place.post(f"{place.case}/leads")
    sites = place.page(f"{place.case}/sites")
    assert sites.index("forum.test") < sites.index("board.test")
    assert "alert, exact" in sites
    page = place.page(f"{place.case}/sites/2")
    assert "http://forum.test/thread/7" in page
    assert 'href="http://forum.test' not in page, "addresses lead nowhere"
    assert place.get(f"{place.case}/sites/99").status_code == 404
    graph = place.page(f"{place.case}/graph")
    assert "<svg" in graph
    assert "the same Tox id" in graph
    days = place.page(f"{place.case}/observed")
    assert "<svg" in days
    assert "2026-01-05" in days
    assert "Known media found" in days
    assert "same numbers" in days or "Strips by day" in days


def test_a_site_is_judged_to_be_a_copy_of_another(place: Place):
    path = f"{place.case}/sites/1"
    assert place.post(path, original="1", reason="x").status_code == 400
    assert place.post(path, original="9", reason="x").status_code == 404
    assert place.post(path, original="2", reason="").status_code == 400
    assert place.post(path, original="2", reason="the same posts").status_code == 303
    assert "this is a copy of it" in place.page(path)
    assert "a copy of this" in place.page(f"{place.case}/sites/2")
    assert place.post(path, original="0", reason="they parted").status_code == 303
    assert "No copy of it is known" in place.page(path)
    assert len(place.logged("site.judged")) == 2


def test_german_says_all_of_it(place: Place):
    place.post(f"{place.case}/leads")
    place.post(f"{place.case}/accounts/{place.heron}/propose")
    for path, said in (
        ("leads", "Die Reihenfolge"),
        (f"accounts/{place.heron}?against={place.stork}", "Was dagegen spricht"),
        ("sites", "gehasht und verworfen"),
        ("sites/2", "Bekannte Medien nach Liste"),
        ("graph", "Anlass"),
        ("observed", "Was an jedem Tag"),
    ):
        answer = place.get(f"{place.case}/{path}", language="de")
        assert answer.status_code == 200
        assert said in answer.text, path


def test_there_are_words_for_all_that_leads_name_by_keys():
    for values, said in (
        (TermKind, words.TERMS),
        (CounterKind, words.COUNTER),
        (Mark, words.MARKS),
        (EventKind, words.EVENTS),
        (EntityKind, words.NAMES),
        (Layout, words.LAYOUTS),
        (Tier, words.TIERS),
    ):
        assert set(values) <= set(said), values
    contacts = set(EntityKind) - {EntityKind.HANDLE, EntityKind.PGP_KEY}
    assert contacts <= set(words.LINK_KINDS)
    assert set(explain._WORDS.values()) <= set(words.DIFFERENCES)
    assert set(explain._WORDS) <= set(words.FACTORS)
