"""Administration and approvals: people, rules, profiles, and what needs two persons."""

from __future__ import annotations

import re

import people_support as people
import pytest
from people_support import words
from sqlalchemy import select

from tutela.access import accounts
from tutela.casework import policy, scheme
from tutela.core.principal import Role
from tutela.store.tables.access import AccountRole


@pytest.fixture
def town(embedded, tmp_path) -> people.Town:
    return people.town(embedded, tmp_path)


@pytest.fixture
def chief(town) -> people.Person:
    """The only administrator, until a test adds another person who could grant."""
    return town.person("chief", Role.ADMINISTRATOR)


def roles(town, account_id: int) -> set[str]:
    with town.database.read() as tx:
        return set(
            tx.execute(
                select(AccountRole.role).where(AccountRole.account_id == account_id)
            ).scalars()
        )


def account(town, name: str):
    with town.database.read() as tx:
        return next(one for one in accounts.list_(tx, people.BREAK_GLASS) if one.name == name)


def test_only_administrators_come_here(town, chief):
    others = [role for role in Role if role is not Role.ADMINISTRATOR]
    ben = town.person("ben", *others)
    paths = ("", "/rules", "/schemes", "/schemes/uk-abc", f"/accounts/{chief.id}")
    with town.browser(ben.session) as browser:
        for path in paths:
            assert browser.get(f"/administration{path}").status_code == 403
        for path in ("/invite", "/organisations", "/rules", f"/accounts/{chief.id}/close"):
            assert browser.post(f"/administration{path}", data={}).status_code == 403
    with town.browser(chief.session) as browser:
        for path in paths:
            assert browser.get(f"/administration{path}").status_code == 200
        assert browser.get("/administration/accounts/999").status_code == 404


def test_an_invitation_shows_its_link_once(town, chief):
    with town.browser(chief.session) as browser:
        form = {"name": "dana", "display_name": "Dana <Lee>", "organisation": town.organisation}
        page = browser.post("/administration/invite", data=form | {"roles": ["grader", "auditor"]})
        assert page.status_code == 200
        link = re.search(r'id="link">([^<]*)<', page.text)[1]
        assert link.startswith("http://localhost:8470/welcome/")
        assert "Dana &lt;Lee&gt;" in page.text
        made = account(town, "dana")
        assert roles(town, made.id) == {"grader", "auditor"}  # nobody else could grant them yet
        assert browser.get(link.removeprefix("http://localhost:8470")).status_code == 200
        again = browser.post("/administration/invite", data=form | {"roles": "grader"})
        assert (again.status_code, "already an account dana" in words(again.text)) == (400, True)
        assert 'value="grader" checked' in again.text
        for wrong in ({"name": "<b>50%"}, {"name": "eve", "organisation": 999}):
            assert browser.post("/administration/invite", data=form | wrong).status_code == 400
        odd = browser.post("/administration/invite", data=form | {"name": "eve", "roles": "king"})
        assert odd.status_code == 400
        renewed = browser.post(f"/administration/accounts/{made.id}/link")
        assert re.search(r'id="link">([^<]*)<', renewed.text)[1] != link
        assert browser.get(link.removeprefix("http://localhost:8470")).status_code == 404


def test_organisations_are_added(town, chief):
    with town.browser(chief.session) as browser:
        form = {"name": "Westland <Hotline> 50%", "country": "de"}
        assert browser.post("/administration/organisations", data=form).status_code == 303
        assert "Westland &lt;Hotline&gt;" in browser.get("/administration").text
        twice = browser.post("/administration/organisations", data=form)
        assert (twice.status_code, "already an organisation" in twice.text) == (400, True)
        assert "<Hotline>" not in twice.text


def test_roles_take_a_second_person_who_is_not_the_first(town, chief):
    sue = town.person("sue", Role.SUPERVISOR)
    ben = town.person("ben")
    with town.browser(chief.session) as browser:
        form = {"roles": ["grader"], "reason": "joins the team"}
        asked = browser.post(f"/administration/accounts/{ben.id}/roles", data=form)
        assert "takes another person" in words(asked.text)
        assert roles(town, ben.id) == set()
        mine = browser.get("/approvals").text
        assert "joins the team" in mine
        assert 'name="decision"' not in mine
        own = browser.post("/approvals", data={"approval": 1, "decision": "grant"})
        assert own.status_code == 403
        assert roles(town, ben.id) == set()
    with town.browser(ben.session) as browser:
        assert "joins the team" not in browser.get("/approvals").text
        refused = browser.post("/approvals", data={"approval": 1, "decision": "grant"})
        assert refused.status_code == 403
    with town.browser(sue.session) as browser:
        page = words(browser.get("/approvals").text)
        assert "chief" in page
        assert "joins the team" in page
        assert "grader" in page
        odd = browser.post("/approvals", data={"approval": 1, "decision": "maybe"})
        assert odd.status_code == 400
        granted = browser.post("/approvals", data={"approval": 1, "decision": "grant"})
        assert granted.status_code == 303
        assert roles(town, ben.id) == {"grader"}
        again = browser.post("/approvals", data={"approval": 1, "decision": "refuse"})
        assert (again.status_code, "not waiting" in again.text) == (409, True)


def test_what_is_refused_is_not_done(town, chief):
    sue = town.person("sue", Role.SUPERVISOR)
    with town.browser(chief.session) as browser:
        form = {"reason": "lost telephone"}
        browser.post(f"/administration/accounts/{sue.id}/reset", data=form)
        ben = town.person("ben", Role.ADMINISTRATOR)
        browser.post(f"/administration/accounts/{ben.id}/close", data=form)
        assert account(town, "ben").state == "active"
    with town.browser(ben.session) as browser:
        assert browser.post("/approvals", data={"approval": 1, "decision": "refuse"}).is_redirect
        own = browser.post("/approvals", data={"approval": 2, "decision": "refuse"})
        assert own.status_code == 403, "it is about ben"
    with town.browser(sue.session) as browser:
        assert browser.post("/approvals", data={"approval": 2, "decision": "refuse"}).is_redirect
    assert account(town, "sue").state == "active"
    assert account(town, "ben").state == "active"


def test_closing_an_account_ends_its_sessions(town, chief):
    ben = town.person("ben", Role.GRADER)
    with town.browser(chief.session) as browser:
        form = {"reason": "left"}
        done = browser.post(f"/administration/accounts/{ben.id}/close", data=form)
        assert (done.status_code, "Done." in done.text) == (200, True)
        unknown = browser.post(f"/administration/accounts/{ben.id}/fly", data=form)
        assert unknown.status_code == 404
        again = browser.post(f"/administration/accounts/{ben.id}/close", data=form)
        assert again.status_code == 400
    with town.browser(ben.session) as browser:
        assert browser.get("/account").status_code == 303


def test_rules_are_changed_all_or_none(town, chief):
    with town.browser(chief.session) as browser:
        page = browser.get("/administration/rules").text
        form = dict(re.findall(r'name="(\w+)" inputmode="numeric" value="(\d+)"', page))
        assert form["votes_to_trust"] == "3"
        new = form | {"votes_to_trust": "2", "reveal_seconds": "5"}
        assert browser.post("/administration/rules", data=new).status_code == 303
        with town.database.read() as tx:
            rules = policy.read(tx)
        assert (rules.votes_to_trust, rules.reveal_seconds) == (2, 5)
        assert rules.adjudication_trusts is False
        wrong = browser.post(
            "/administration/rules",
            data=new | {"votes_to_trust": "0", "lease_minutes": "soon", "reveal_seconds": "9"},
        )
        assert wrong.status_code == 400
        assert 'id="votes_to_trust-problem">This is not between 1 and 20.' in wrong.text
        assert 'id="lease_minutes-problem">This is no whole number.' in wrong.text
        assert wrong.text.count("aria-invalid") == 2
        with town.database.read() as tx:
            assert policy.read(tx) == rules


def test_a_profile_is_filled_in_without_javascript(town, chief):
    name = next(one for one in scheme.names() if scheme.published(one).editable)
    with town.browser(chief.session) as browser:
        assert 'name="code-1"' in browser.get(f"/administration/schemes/{name}").text
        assert 'name="code-' not in browser.get("/administration/schemes/uk-abc").text
        form = {
            "code-1": "A",
            "label-1": "first",
            "meaning-1": "as <given>",
            "illegal-1": "yes",
            "code-2": "",
            "label-2": "",
            "meaning-2": "",
            "code-3": "B",
            "label-3": "second",
            "meaning-3": "as given",
            "odd-x": "1",
        }
        no_source = browser.post(f"/administration/schemes/{name}", data=form)
        assert (no_source.status_code, 'value="first"' in no_source.text) == (400, True)
        done = browser.post(f"/administration/schemes/{name}", data=form | {"source": "letter 7"})
        assert done.status_code == 303
        with town.database.read() as tx:
            codes = scheme.load(tx, name).codes
        assert [(code.code, code.illegal) for code in codes] == [("A", True), ("B", False)]
        refused = browser.post("/administration/schemes/uk-abc", data=form | {"source": "x"})
        assert refused.status_code == 400
