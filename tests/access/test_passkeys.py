from __future__ import annotations

import json
from datetime import timedelta

import access_support as support
import pytest
from authenticator import Authenticator
from sqlalchemy import select, update

from tutela.access import accounts, ceremony, changes, passkeys, sessions
from tutela.access.ceremony import Ceremony
from tutela.core.errors import AccessError, TutelaError, UsageError
from tutela.core.principal import Role, Via
from tutela.core.time import iso_precise, now
from tutela.store.tables.access import Account, Passkey, WebSession

ADDRESS = "192.0.2.7"
TORN = (
    '{"id": "%s", "rawId": "%s", "type": "public-key", "response": {"clientDataJSON": "AA", '
    '"authenticatorData": "AA", "signature": "AA", "attestationObject": "AA"}}'
)


def add(home, who, key: Authenticator, label="") -> passkeys.PasskeyInfo:
    with home.database.write() as tx:
        asked = passkeys.begin_adding(tx, who, support.WEB)
    answered = Ceremony(asked.session, key.create(asked.options))
    return passkeys.finish_adding(home.database, who, support.WEB, answered, label)


def enter(home, key: Authenticator, *, change=lambda answer: answer) -> str:
    with home.database.write() as tx:
        asked = passkeys.begin_signin(tx, support.WEB)
    answer = change(key.get(asked.options))
    return passkeys.finish_signin(home.database, support.WEB, asked.session, answer, ADDRESS)


def failed(home) -> list[str]:
    return [
        subject for action, subject in support.actions(home.database) if action == "signin.failed"
    ]


def test_a_passkey_lets_its_person_in_without_a_name(home):
    who, key = home.person(Role.GRADER), Authenticator()
    made = add(home, who, key, "  my key ")
    assert made.label == "my key"
    for _ in range(2):
        token = enter(home, key)
        with home.database.read() as tx:
            session = sessions.find(tx, token, support.WEB)
            assert (session.account_id, session.state) == (who.account_id, "active")
    with home.database.read() as tx:
        assert tx.execute(select(Passkey.sign_count)).scalar_one() == 2
        assert [one.id for one in passkeys.of(tx, who)] == [made.id]


def test_what_is_asked_of_the_browser(small):
    who = small.person(Role.GRADER)
    add(small, who, key := Authenticator())
    with small.database.write() as tx:
        make = json.loads(passkeys.begin_adding(tx, who, support.WEB).options)
        get = json.loads(passkeys.begin_signin(tx, support.WEB).options)
    assert make["rp"]["id"] == get["rpId"] == "localhost"
    assert make["authenticatorSelection"]["userVerification"] == "required"
    assert make["authenticatorSelection"]["residentKey"] == "required"
    assert get["userVerification"] == "required"
    assert not get.get("allowCredentials")
    assert len(make["excludeCredentials"]) == 1
    assert make["challenge"] != get["challenge"]
    assert key.credential_id


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "http://localhost:8471"},
        {"origin": "https://localhost.example"},
        {"rp_id": "example.org"},
        {"verifies": False},
    ],
    ids=str,
)
def test_another_site_or_an_unverified_person_is_refused(small, wrong):
    who, key = small.person(Role.GRADER), Authenticator()
    with pytest.raises(AccessError, match="does not open"):
        add(small, who, Authenticator(**wrong))
    add(small, who, key)
    for name, value in wrong.items():
        setattr(key, name, value)
    with pytest.raises(AccessError, match="does not open"):
        enter(small, key)
    assert failed(small) == [f"account:{who.account_id}"]


def test_another_challenge_another_key_or_a_changed_answer_is_refused(small):
    who, key = small.person(Role.GRADER), Authenticator()
    add(small, who, key)

    def elsewhere(_answer: str) -> str:
        with small.database.write() as tx:
            return key.get(passkeys.begin_signin(tx, support.WEB).options)

    def signed_by_another(answer: str) -> str:
        other = Authenticator(credential_id=key.credential_id, counter=50)
        said = json.loads(answer)
        challenge = json.loads(
            ceremony.webauthn.base64url_to_bytes(said["response"]["clientDataJSON"])
        )
        return other.get(json.dumps(challenge))

    for change in (elsewhere, signed_by_another):
        with pytest.raises(AccessError, match="does not open"):
            enter(small, key, change=change)
    with pytest.raises(AccessError, match="does not open"):
        enter(small, Authenticator())
    assert failed(small) == [*[f"account:{who.account_id}"] * 2, "account:unknown"]


def test_an_answer_works_once_and_for_five_minutes(home):
    who, key = home.person(Role.GRADER), Authenticator()
    add(home, who, key)
    with home.database.write() as tx:
        asked = passkeys.begin_signin(tx, support.WEB)
        late = passkeys.begin_signin(tx, support.WEB)
        same = WebSession.token_hash == sessions.tokens.hashed(late.session)
        data = tx.execute(select(WebSession.data).where(same)).scalar_one()
        data["until"] = iso_precise(now() - timedelta(seconds=1))
        tx.execute(update(WebSession).where(same).values(data=data))

    def finish(session: str, answer: str) -> str:
        return passkeys.finish_signin(home.database, support.WEB, session, answer, ADDRESS)

    answer = key.get(asked.options)
    assert finish(asked.session, answer)
    with pytest.raises(AccessError, match="used already"):
        finish(asked.session, answer)
    with pytest.raises(AccessError, match="does not open"):
        finish(late.session, key.get(late.options))
    # A wrong answer uses the challenge up too.
    with home.database.write() as tx:
        asked = passkeys.begin_signin(tx, support.WEB)
    with pytest.raises(AccessError, match="does not open"):
        finish(asked.session, "{}")
    with pytest.raises(AccessError, match="used already"):
        finish(asked.session, key.get(asked.options))


def test_a_copied_key_is_noticed_by_its_counter(home):
    who, key = home.person(Role.GRADER), Authenticator()
    add(home, who, key)
    for _ in range(3):
        enter(home, key)
    key.counter = 1
    with pytest.raises(AccessError):
        enter(home, key)
    key.counter = 9
    assert enter(home, key)


def test_a_key_that_never_counts_is_one_that_may(small):
    who, key = small.person(Role.GRADER), Authenticator(counts=False)
    add(small, who, key)
    assert enter(small, key)
    assert enter(small, key)


def test_a_challenge_is_for_its_purpose_and_its_account(small):
    ann, bo = small.person(Role.GRADER), small.person(Role.GRADER)
    key = Authenticator()
    with small.database.write() as tx:
        for_ann = passkeys.begin_adding(tx, ann, support.WEB)
        to_enter = passkeys.begin_signin(tx, support.WEB)
    for asked in (for_ann, to_enter):
        answered = Ceremony(asked.session, key.create(asked.options))
        with pytest.raises(AccessError):
            passkeys.finish_adding(small.database, bo, support.WEB, answered, "")
    with small.database.read() as tx:
        assert passkeys.of(tx, bo) == passkeys.of(tx, ann) == []


def test_an_invitation_is_taken_up_with_a_passkey(home):
    key = Authenticator()
    with home.database.write() as tx:
        account_id, link = accounts.invite(
            tx, support.GLASS, home.organisation_id, "bo.day", "Bo", [Role.GRADER]
        )
        asked = passkeys.begin_accepting(tx, support.WEB, link)
    answered = Ceremony(asked.session, key.create(asked.options))

    def accept(password: str, given: Ceremony = answered):
        return passkeys.finish_accepting(home.database, support.WEB, link, password, given)

    with pytest.raises(UsageError, match="fewer than 12"):
        accept("short")
    done = accept(support.PASSWORD)
    assert len(done.recovery_codes) == 10
    with home.database.write() as tx:
        assert sessions.find(tx, done.session, support.WEB).account_id == account_id
        who = accounts.principal(tx, account_id, Via.WEB)
        with pytest.raises(UsageError, match="only second factor"):
            passkeys.remove(tx, who, passkeys.of(tx, who)[0].id)
    assert enter(home, key)
    with pytest.raises(AccessError, match="used already"):
        accept(support.PASSWORD)


def test_passkeys_are_removed_by_their_person_and_with_the_account(small):
    ann, bo = small.person(Role.GRADER), small.person(Role.GRADER)
    first, second = Authenticator(), Authenticator()
    one, _ = add(small, ann, first), add(small, ann, second)
    with small.database.write() as tx:
        with pytest.raises(UsageError, match="no such passkey"):
            passkeys.remove(tx, bo, one.id)
        passkeys.remove(tx, ann, one.id)
    with pytest.raises(AccessError):
        enter(small, first)
    assert enter(small, second)
    with pytest.raises(UsageError, match="known already"):
        add(small, bo, second)
    with small.database.write() as tx:
        tx.execute(update(Account).where(Account.id == ann.account_id).values(state="invited"))
    with pytest.raises(AccessError):
        enter(small, second)
    with small.database.write() as tx:
        changes.close(tx, support.GLASS, ann.account_id, "left")
        assert tx.execute(select(Passkey.id)).all() == []


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '{"id": 1}',
        '{"id": "aa", "rawId": "aa", "type": "public-key", "response": []}',
        '{"id": "aa", "rawId": "aa", "type": "public-key", "response": {"clientDataJSON": 1}}',
        "x" * 100_000,
        TORN,
        "\ud800",
    ],
    ids=range(11),
)
def test_an_answer_that_is_none_is_refused_calmly(small, answer):
    who, key = small.person(Role.GRADER), Authenticator()
    add(small, who, key)
    if "%s" in answer:
        known = json.loads(key.get('{"challenge": ""}'))["id"]
        answer %= (known, known)
    with pytest.raises(TutelaError):
        enter(small, key, change=lambda _: answer)
    with small.database.write() as tx:
        asked = passkeys.begin_adding(tx, who, support.WEB)
    with pytest.raises(TutelaError):
        passkeys.finish_adding(
            small.database, who, support.WEB, Ceremony(asked.session, answer), ""
        )
