"""The own account: what a person sets and ends for themselves, and nobody else's."""

from __future__ import annotations

import re

import people_support as people
import pyotp
import pytest
from people_support import BREAK_GLASS, words
from sqlalchemy import insert, select

from tutela.access import accounts, preferences, sessions
from tutela.casework import policy
from tutela.core.principal import Role, Via
from tutela.core.time import now
from tutela.store.tables.access import Passkey


@pytest.fixture
def town(embedded, tmp_path) -> people.Town:
    return people.town(embedded, tmp_path)


@pytest.fixture
def ann(town) -> people.Person:
    return town.person("ann", Role.GRADER)


def preference(town, person, name) -> dict:
    with town.database.read() as tx:
        return preferences.read(tx, accounts.principal(tx, person.id, Via.WEB), name)


def live(town, *tokens) -> list[bool]:
    with town.database.read() as tx:
        return [sessions.find(tx, one, town.office.settings.web) is not None for one in tokens]


def test_it_says_who_one_is_and_what_for(town, ann):
    with town.browser(ann.session) as browser:
        text = words(browser.get("/account").text)
        assert "ann" in text
        assert "Grader" in text
        assert "Supervisor" not in text
    with town.browser() as browser:
        assert browser.get("/account").headers["location"] == "/sign-in?next=/account"


def test_a_language_is_kept_with_the_account(town, ann):
    with town.browser(ann.session) as browser:
        answer = browser.post("/account/language", data={"language": "de"})
        assert "language=de" in answer.headers["set-cookie"]
        assert preference(town, ann, "language") == {"language": "de"}
        assert '<html lang="de">' in browser.get("/account").text
        nothing = browser.post("/account/language", data={"language": "xx"})
        assert "set-cookie" not in nothing.headers
    with town.browser() as browser:
        form = {"name": "ann", "password": people.PASSWORD, "code": ann.recovery_codes[0]}
        assert "language=de" in browser.post("/sign-in", data=form).headers["set-cookie"]


def test_own_breaks_are_only_stricter(town, ann):
    with town.database.write() as tx:
        policy.change(tx, BREAK_GLASS, views_before_break=40)
    with town.browser(ann.session) as browser:
        form = {"views_before_break": "20", "minutes_before_break": ""}
        assert browser.post("/account/breaks", data=form).status_code == 303
        assert preference(town, ann, "breaks") == {"views_before_break": 20}
        for wrong in ("41", "0", "-1", "many", "²"):
            answer = browser.post("/account/breaks", data={"views_before_break": wrong})
            assert (answer.status_code, 'aria-invalid="true"' in answer.text) == (400, True)
            assert f'value="{wrong}"' in answer.text
        assert preference(town, ann, "breaks") == {"views_before_break": 20}


def test_sessions_are_ended_one_by_one_or_all_others(town, ann):
    ben = town.person("ben", Role.GRADER)
    second, third = town.session(ann.id), town.session(ann.id)
    with town.browser(ann.session) as browser:
        page = browser.get("/account").text
        assert page.count('action="/account/sessions/end"') == 2
        with town.database.read() as tx:
            hashes = {
                token: sessions.find(tx, token, town.office.settings.web).token_hash.hex()
                for token in (second, ben.session)
            }
        for token in (second, ben.session):
            browser.post("/account/sessions/end", data={"session": hashes[token]})
        assert live(town, second, third, ann.session, ben.session) == [False, True, True, True]
        assert browser.post("/account/sessions/end", data={"session": "odd"}).status_code == 400
        browser.post("/account/sessions/end-others")
        assert live(town, third, ann.session, ben.session) == [False, True, True]


def test_passkeys_are_removed_by_their_person_only(town, ann):
    ben = town.person("ben")
    with town.database.write() as tx:
        made = tx.execute(
            insert(Passkey)
            .values(
                account_id=ann.id,
                credential_id=b"c",
                public_key=b"k",
                sign_count=0,
                label="blue <key>",
                created_at=now(),
            )
            .returning(Passkey.id)
        ).scalar_one()
    with town.browser(ben.session) as browser:
        assert browser.post("/account/passkeys/remove", data={"passkey": made}).status_code == 400
    with town.browser(ann.session) as browser:
        assert "blue &lt;key&gt;" in browser.get("/account").text
        assert browser.post("/account/passkeys/remove", data={"passkey": made}).status_code == 303
        assert "blue" not in browser.get("/account").text
    with town.database.read() as tx:
        assert tx.execute(select(Passkey.id)).all() == []


def test_a_passkey_needs_a_way_begun_in_this_browser(town, ann):
    accept = {"accept": "application/json"}
    with town.browser(ann.session) as browser:
        for path in ("/sign-in/passkey/finish", "/account/passkeys/finish"):
            early = browser.post(path, json={"credential": {}}, headers=accept)
            assert (early.status_code, early.json()["code"]) == (401, "sign_in")
        for typed in ({}, {"password": "not it"}):
            refused = browser.post("/account/passkeys/start", json=typed, headers=accept)
            assert refused.status_code == 401
        typed = {"password": people.PASSWORD}
        begun = browser.post("/account/passkeys/start", json=typed, headers=accept)
        options = begun.json()["publicKey"]
        assert options["rp"]["id"] == "localhost"
        assert options["authenticatorSelection"]["userVerification"] == "required"
        cookie = begun.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
        odd = browser.post("/account/passkeys/finish", json={"credential": {}}, headers=accept)
        assert odd.status_code == 401
    with town.browser() as browser:
        started = browser.post("/sign-in/passkey/start", json={}, headers=accept)
        assert "allowCredentials" not in started.json()["publicKey"] or not started.json()[
            "publicKey"
        ].get("allowCredentials")
        wrong = browser.post("/sign-in/passkey/finish", json={"credential": {}}, headers=accept)
        assert wrong.status_code == 401
        assert "tutela" not in browser.cookies


def test_keys_are_changed_for_one_scheme_and_never_shared(town, ann):
    with town.browser(ann.session) as browser:
        page = browser.get("/account/keys", params={"scheme": "uk-abc"})
        assert 'name="uk-abc:' in page.text
        assert 'value="Space"' in page.text
        form = {"scheme": "uk-abc", "clear": "Space", "undo": "Z", "off": "yes"}
        assert browser.post("/account/keys", data=form).status_code == 303
        kept = preference(town, ann, "review")
        assert (kept["keys"], kept["off"]) == ({"clear": " ", "undo": "z"}, True)
        shared = browser.post("/account/keys", data={"scheme": "uk-abc", "skip": "z"})
        assert (shared.status_code, "two acts would have" in words(shared.text).lower()) == (
            400,
            True,
        )
        for wrong in ("xyz", "/"):
            answer = browser.post("/account/keys", data={"scheme": "uk-abc", "skip": wrong})
            assert answer.status_code == 400
        browser.post("/account/keys", data={"scheme": "uk-abc", "nothing": "q", "skip": ""})
        kept = preference(town, ann, "review")
        assert kept == {"keys": {"clear": " ", "undo": "z", "skip": ""}, "off": False}
        browser.post("/account/keys", data={"scheme": "odd", "reset": "yes", "skip": "u"})
        assert preference(town, ann, "review") == {"keys": {}, "off": False}


def test_a_new_password_takes_the_old_one_and_ends_other_sessions(town, ann):
    other, new = town.session(ann.id), "seven slow brown owls"
    with town.browser(ann.session) as browser:
        for old, chosen, field in (
            ("not it at all", new, "password-old"),
            (people.PASSWORD, "short", "password"),
        ):
            form = {"old": old, "password": chosen}
            answer = browser.post("/account/password", data=form)
            assert answer.status_code == 400
            assert 'aria-invalid="true"' in answer.text.split(f'id="{field}"')[1].split(">")[0]
            assert chosen not in answer.text
        form = {"old": people.PASSWORD, "password": new}
        assert browser.post("/account/password", data=form).status_code == 303
        assert live(town, ann.session, other) == [False, False]
        assert browser.get("/account").status_code == 200
    with town.browser() as browser:
        form = {"name": "ann", "password": new, "code": ann.recovery_codes[0]}
        assert browser.post("/sign-in", data=form).status_code == 303


def test_another_authenticator_takes_the_password_and_its_own_code(town, ann):
    other = town.session(ann.id)
    with town.browser(ann.session) as browser:
        page = browser.get("/account/credentials").text
        secret = re.search(r'id="secret">([^<]*)<', page)[1].replace(" ", "")
        assert secret != ann.secret
        code = pyotp.TOTP(secret).now()
        for form in (
            {"old": "wrong", "code": code},
            {"old": people.PASSWORD, "code": "12"},
            {"code": code},
        ):
            assert browser.post("/account/authenticator", data=form).status_code == 400
        done = browser.post("/account/authenticator", data={"old": people.PASSWORD, "code": code})
        codes = re.findall(r"<li>([a-z2-7-]{19})</li>", done.text)
        assert (done.status_code, len(codes)) == (200, 10)
        assert live(town, ann.session, other) == [True, False]
        assert browser.post("/account/recovery", data={"old": "wrong"}).status_code == 400
        renewed = browser.post("/account/recovery", data={"old": people.PASSWORD})
        newest = re.findall(r"<li>([a-z2-7-]{19})</li>", renewed.text)
    with town.browser() as browser:
        form = {"name": "ann", "password": people.PASSWORD}
        for code, status in ((ann.recovery_codes[0], 401), (codes[0], 401), (newest[0], 303)):
            assert browser.post("/sign-in", data=form | {"code": code}).status_code == status
