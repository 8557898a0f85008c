"""Coming in and going out: the one-time link, password and code, sessions in cookies."""

from __future__ import annotations

import re

import people_support as people
import pyotp
import pytest
from people_support import PASSWORD, words
from sqlalchemy import select, update

from tutela.core.principal import Role
from tutela.core.time import now
from tutela.store.tables.access import Attempt, Invitation, WebSession


@pytest.fixture
def town(embedded, tmp_path) -> people.Town:
    return people.town(embedded, tmp_path)


def test_a_link_opens_once_and_gives_a_session_and_recovery_codes(town):
    _, token = town.invite("ann", Role.GRADER)
    with town.browser() as browser:
        page = browser.get(f"/welcome/{token}")
        assert page.status_code == 200
        assert "<svg" in page.text
        assert "style=" not in page.text
        secret = re.search(r'id="secret">([^<]*)<', page.text)[1].replace(" ", "")
        short = browser.post(f"/welcome/{token}", data={"password": "short", "code": "1"})
        assert (short.status_code, "fewer than 12 characters" in short.text) == (400, True)
        wrong = browser.post(f"/welcome/{token}", data={"password": PASSWORD, "code": "000"})
        assert (wrong.status_code, "is not the one" in wrong.text) == (400, True)
        assert "tutela" not in browser.cookies
        code = pyotp.TOTP(secret).now()
        done = browser.post(f"/welcome/{token}", data={"password": PASSWORD, "code": code})
        assert done.status_code == 200
        assert len(re.findall(r"<li>[a-z2-7-]{19}</li>", done.text)) == 10
        assert browser.get("/account").status_code == 200
        again = browser.get(f"/welcome/{token}")
        unknown = browser.get("/welcome/nobodys")
        assert (again.status_code, unknown.status_code) == (404, 404)
        form = browser.post(f"/welcome/{token}", data={"password": PASSWORD, "code": code})
        assert form.status_code == 404
        assert words(again.text) == words(form.text)
        assert words(again.text).replace(token, "x") == words(unknown.text).replace("nobodys", "x")


def test_a_link_that_is_too_old_does_not_open(town):
    _, token = town.invite("ann", Role.GRADER)
    with town.database.write() as tx:
        tx.execute(update(Invitation).values(expires_at=now()))
    with town.browser() as browser:
        assert browser.get(f"/welcome/{token}").status_code == 404


def test_password_and_code_sign_in(town):
    ann = town.person("ann", Role.AUDITOR)
    with town.browser() as browser:
        asked = browser.get("/account/keys")
        assert asked.headers["location"] == "/sign-in?next=/account/keys"
        code = ann.recovery_codes[0]
        form = {"name": "Ann ", "password": PASSWORD, "code": code, "next": "/account"}
        came = browser.post("/sign-in", data=form)
        assert (came.status_code, came.headers["location"]) == (303, "/account")
        cookie = came.headers["set-cookie"]
        assert cookie.startswith("tutela=")
        assert {"HttpOnly", "Path=/", "SameSite=strict"} <= set(cookie.split("; "))
        assert "Secure" not in cookie
        assert "Max-Age" not in cookie
        assert browser.get("/sign-in").headers["location"] == "/"


def test_over_https_the_cookie_is_bound_to_the_host(embedded, tmp_path):
    town = people.town(embedded, tmp_path, origin="https://tutela.example")
    ann = town.person("ann")
    with town.browser() as browser:
        form = {"name": "ann", "password": PASSWORD, "code": ann.recovery_codes[0]}
        cookie = browser.post("/sign-in", data=form).headers["set-cookie"]
        assert cookie.startswith("__Host-tutela=")
        assert {"Secure", "Path=/"} <= set(cookie.split("; "))


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil"])
def test_signing_in_never_leads_elsewhere(town, elsewhere):
    ann = town.person("ann")
    with town.browser() as browser:
        code = ann.recovery_codes[0]
        form = {"name": "ann", "password": PASSWORD, "code": code, "next": elsewhere}
        assert browser.post("/sign-in", data=form).headers["location"] == "/"
        assert browser.get("/sign-in", params={"next": elsewhere}).headers["location"] == "/"


def test_every_wrong_try_is_answered_alike(town):
    ann = town.person("ann")
    right = {"name": "ann", "password": PASSWORD, "code": ann.recovery_codes[0]}
    answers = set()
    with town.browser() as browser:
        for wrong in ({"name": "nobody"}, {"password": "not the password"}, {"code": "123456"}):
            answer = browser.post("/sign-in", data=right | wrong)
            assert "tutela" not in browser.cookies
            text = answer.text.replace('value="nobody"', 'value="ann"')
            answers.add((answer.status_code, text))
        empty = browser.post("/sign-in", data={})
    ((status, text),) = answers
    assert status == empty.status_code == 401
    assert 'role="alert"' in text
    assert PASSWORD not in text


def test_what_was_typed_is_shown_as_text(town):
    with town.browser() as browser:
        odd = '"><script>x</script>%(x)s 50% '
        answer = browser.post("/sign-in", data={"name": odd, "next": odd})
        assert answer.status_code == 401
        assert "<script>x" not in answer.text


def test_a_locked_door_is_the_same_for_accounts_that_are_not_there(town):
    town.person("ann")
    answers = {}
    for name in ("ann", "nobody"):
        with town.database.write() as tx:
            tx.execute(Attempt.__table__.delete())
        with town.browser() as browser:
            form = {"name": name, "password": "wrong", "code": "1"}
            statuses = [browser.post("/sign-in", data=form).status_code for _ in range(6)]
            last = browser.post("/sign-in", data=form)
            answers[name] = statuses, words(last.text)
    assert answers["ann"] == answers["nobody"]
    assert 429 in answers["ann"][0]
    assert "too many tries" in answers["ann"][1]


def test_signing_out_ends_the_session_and_what_the_browser_kept(town):
    ann = town.person("ann", Role.GRADER)
    with town.browser(ann.session) as browser:
        left = browser.post("/sign-out")
        assert (left.status_code, left.headers["location"]) == (303, "/sign-in")
        assert left.headers["clear-site-data"] == '"cache", "storage"'
        assert "Max-Age=0" in left.headers["set-cookie"]
    with town.browser(ann.session) as browser:
        assert browser.get("/").headers["location"] == "/sign-in"
        assert browser.post("/sign-out").status_code == 303
    with town.database.read() as tx:
        assert tx.execute(select(WebSession.token_hash)).all() == []


def test_over_https_a_browser_takes_the_cookie_that_ends_it(embedded, tmp_path):
    """A name with `__Host-` goes with Secure, Path=/ and no Domain, also to be forgotten."""
    town = people.town(embedded, tmp_path, origin="https://tutela.example")
    ann = town.person("ann")
    with town.browser() as browser:
        form = {"name": "ann", "password": PASSWORD, "code": ann.recovery_codes[0]}
        browser.post("/sign-in", data=form)
        cookie = browser.post("/sign-out").headers["set-cookie"]
    parts = set(cookie.split("; "))
    assert cookie.startswith("__Host-tutela=")
    assert {"Secure", "Path=/", "Max-Age=0"} <= parts
    assert not any(part.startswith("Domain") for part in parts)


def test_signing_in_again_gives_another_session_and_ends_the_old_one(town):
    ann = town.person("ann")
    with town.browser(ann.session) as browser:
        form = {"name": "ann", "password": PASSWORD, "code": ann.recovery_codes[0]}
        assert browser.post("/sign-in", data=form).status_code == 303
        assert browser.cookies["tutela"] != ann.session
    with town.database.read() as tx:
        assert len(tx.execute(select(WebSession.token_hash)).all()) == 1


def test_another_site_cannot_sign_somebody_in_or_out(town):
    ann = town.person("ann")
    with town.browser(ann.session) as browser:
        for path in ("/sign-in", "/sign-out", "/welcome/x"):
            answer = browser.post(path, headers={"sec-fetch-site": "cross-site"})
            assert answer.status_code == 403
        assert browser.get("/").status_code == 303
