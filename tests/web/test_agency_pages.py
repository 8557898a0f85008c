"""Signing in at the agency: there and back, and our second factor where theirs was one only."""

from __future__ import annotations

import sys
from pathlib import Path

import people_support as people
import pytest

from tutela.access import secondfactor
from tutela.core.principal import Role

sys.path.insert(0, str(Path(__file__).parents[1] / "access"))

import agency as agencies


@pytest.fixture
def agency():
    with agencies.running() as running:
        yield running


@pytest.fixture
def town(embedded, tmp_path, agency) -> people.Town:
    return people.town(embedded, tmp_path, issuer=agency.issuer)


def bound(town, name: str, subject: str) -> tuple[int, str]:
    """Invite somebody, and let an administrator bind the agency's subject on the page."""
    chief = town.person(f"chief-{name}", Role.ADMINISTRATOR)
    account, token = town.invite(name)
    with town.browser(chief.session) as browser:
        page = browser.get(f"/administration/accounts/{account}").text
        assert 'name="subject"' in page
        path = f"/administration/accounts/{account}/subject"
        assert browser.post(path, data={"subject": subject}).status_code == 200
        assert browser.post(path, data={"subject": subject}).status_code == 400
    return account, token


def there_and_back(browser, agency, **odd: str):
    sent = browser.get("/oidc/start", params={"next": "/account"})
    assert sent.status_code == 303
    assert sent.headers["location"].startswith(agency.issuer)
    query = agency.authorise(sent.headers["location"]) | odd
    return browser.get("/sign-in/agency", params=query)


def test_two_factors_at_the_agency_let_in(town, agency):
    bound(town, "bo", "officer-7")
    with town.browser() as browser:
        assert 'href="/oidc/start?next=/account"' in browser.get("/sign-in?next=/account").text
        back = there_and_back(browser, agency)
        # A page, not a redirect: the strict cookie would not be sent along.
        assert back.status_code == 200
        assert 'content="0; url=/account"' in back.text
        assert "samesite=strict" in back.headers["set-cookie"].lower()
        assert browser.get("/account").status_code == 200


def test_what_does_not_hold_does_not_let_in(town, agency):
    bound(town, "bo", "officer-7")
    with town.browser() as browser:
        assert browser.get("/sign-in/agency", params={"code": "x"}).status_code == 401
        assert there_and_back(browser, agency, state="another").status_code == 401
        agency.subject = "nobody"
        assert there_and_back(browser, agency).status_code == 401
        assert "tutela" not in browser.cookies
        assert browser.get("/account").status_code == 303


def test_with_one_factor_at_the_agency_ours_is_asked_for(town, agency):
    ann = town.person("ann")
    account, _ = bound(town, "bo", "officer-7")
    with town.browser() as browser:
        there_and_back(browser, agency)
        assert browser.get("/account").status_code == 200
    agency.claims = {"amr": ["pwd"]}
    with town.browser() as browser:
        back = there_and_back(browser, agency)
        assert 'content="0; url=/sign-in/code"' in back.text
        assert browser.get("/account").status_code == 303
        assert 'name="code"' in browser.get("/sign-in/code").text
        # Bo came in by the agency alone and has no second factor here; Ann's is not Bo's.
        wrong = browser.post("/sign-in/code", data={"code": ann.recovery_codes[0]})
        assert wrong.status_code == 401
        assert browser.post("/sign-in/code", data={"code": "1"}).status_code == 401
        assert browser.get("/account").status_code == 303
    with town.database.write() as tx:
        codes = secondfactor.renew_recovery(tx, account)
    with town.browser() as browser:
        there_and_back(browser, agency)
        right = browser.post("/sign-in/code", data={"code": codes[0]})
        assert (right.status_code, right.headers["location"]) == (303, "/account")
        assert browser.get("/account").status_code == 200


def test_without_an_agency_nobody_is_sent_there(embedded, tmp_path):
    town = people.town(embedded, tmp_path)
    with town.browser() as browser:
        assert "/oidc/start" not in browser.get("/sign-in").text
        assert browser.get("/oidc/start").status_code == 400
