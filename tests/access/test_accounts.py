from __future__ import annotations

import dataclasses

import access_support as support
import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from tutela.access import (
    accounts,
    attempts,
    enrolment,
    own,
    passwords,
    preferences,
    seal,
    secondfactor,
    sessions,
    signin,
)
from tutela.access.signin import Credentials
from tutela.core.errors import (
    AccessError,
    IntegrityError,
    ServiceError,
    SettingsError,
    UsageError,
)
from tutela.core.principal import Role, Via
from tutela.core.settings import AuditSettings
from tutela.core.time import now
from tutela.store.tables.access import Account, Attempt, Invitation

ADDRESS = "192.0.2.7"


def enter(home, password: str, code: str) -> str:
    typed = Credentials("ann.lee", password, code, ADDRESS)
    return signin.password(home.database, support.SEALER, support.WEB, typed)


def test_organisations_and_accounts_are_made_by_who_may(home):
    grader, admin = home.person(Role.GRADER), home.person(Role.ADMINISTRATOR)
    with home.database.write() as tx:
        for act in (
            lambda: accounts.create_organisation(tx, grader, "Other", "FR"),
            lambda: accounts.invite(tx, grader, home.organisation_id, "bo.day", "Bo", []),
            lambda: accounts.enrol_program(tx, grader, home.organisation_id, "nightly", []),
            lambda: accounts.list_(tx, grader),
            lambda: accounts.by_name(tx, grader, admin.name),
        ):
            with pytest.raises(AccessError):
                act()
        other = accounts.create_organisation(tx, admin, " Other ", "fr")
        found = {one.name: one.country for one in accounts.organisations(tx, grader)}
        assert found == {"Example Force": "DE", "Other": "FR"}
        for name, country in (("Other", "FR"), (" ", "FR"), ("Third", "France")):
            with pytest.raises(UsageError):
                accounts.create_organisation(tx, admin, name, country)
        account_id, _ = accounts.invite(tx, admin, other, " Bo.Day ", " ", [])
        assert accounts.organisation_of(tx, account_id) == other
        assert accounts.by_name(tx, admin, "BO.DAY") == account_id
        for name in ("bo.day", "b", "bo day", "bø.day", ""):
            with pytest.raises(UsageError):
                accounts.invite(tx, admin, other, name, "Bo", [])
        with pytest.raises(UsageError):
            accounts.invite(tx, admin, 999, "cy.fox", "Cy", [])
        with pytest.raises(UsageError):
            accounts.organisation_of(tx, 999)


def test_who_makes_up_teams_finds_the_own_organisation_only(small):
    examiner, grader = small.person(Role.EXAMINER), small.person(Role.GRADER)
    stranger = support.force(small.database, "Elsewhere").person(Role.GRADER)
    with small.database.read() as tx:
        assert accounts.by_name(tx, examiner, grader.name) == grader.account_id
        with pytest.raises(UsageError):
            accounts.by_name(tx, examiner, stranger.name)


def test_a_program_has_a_token_and_somebody_who_answers_for_it(home):
    admin = home.person(Role.ADMINISTRATOR)
    with home.database.write() as tx:
        program, token = accounts.enrol_program(
            tx, admin, home.organisation_id, "nightly", [Role.EXAMINER]
        )
        who = accounts.by_token(tx, token, Via.API)
        assert (who.account_id, who.roles, who.via) == (program, {Role.EXAMINER}, Via.API)
        row = tx.execute(select(Account).where(Account.id == program)).one()
        assert row.responsible_id == admin.account_id
        assert token.encode() not in row.token_hash
        for wrong in ("", token[:-1], token + "x", "\ud800"):
            with pytest.raises(AccessError, match="nobody's"):
                accounts.by_token(tx, wrong, Via.API)
        renewed = accounts.renew_token(tx, admin, program)
        with pytest.raises(AccessError):
            accounts.by_token(tx, token, Via.API)
        tx.execute(update(Account).where(Account.id == program).values(state="closed"))
        with pytest.raises(AccessError, match="not active"):
            accounts.by_token(tx, renewed, Via.API)
        with pytest.raises(UsageError):
            accounts.let_answer(tx, admin, admin.account_id, admin.account_id)


def test_an_invitation_works_once_and_in_time(home):
    with home.database.write() as tx:
        account_id, link = accounts.invite(
            tx, support.GLASS, home.organisation_id, "bo.day", "Bo Day", [Role.GRADER]
        )
        offered = enrolment.offer(tx, support.SEALER, link)
        assert enrolment.offer(tx, support.SEALER, link) == offered
        assert (offered.name, offered.organisation) == ("bo.day", "Example Force")
        with pytest.raises(AccessError):  # no way in before it is accepted
            accounts.principal(tx, account_id, Via.WEB)
    code = pyotp.TOTP(offered.secret.replace(" ", "")).now()

    def accept(password: str, typed: str, token: str = link):
        chosen = (password, typed)
        return enrolment.accept(home.database, support.SEALER, support.WEB, token, chosen)

    for password, typed, word in (
        ("short", code, "password"),
        ("my name is bo.day so", code, "password"),
        (support.PASSWORD, "000000", "code"),
    ):
        with pytest.raises(UsageError) as caught:
            accept(password, typed)
        assert caught.value.code == word
    with pytest.raises(AccessError):
        accept(support.PASSWORD, code, link[:-1])
    with home.database.write() as tx:
        kept = tx.execute(select(Invitation.expires_at)).scalar_one()
        tx.execute(update(Invitation).values(expires_at=now()))
    with pytest.raises(AccessError, match="24 hours"):
        accept(support.PASSWORD, code)
    with home.database.write() as tx:
        tx.execute(update(Invitation).values(expires_at=kept))
    assert accept(support.PASSWORD, code).account_id == account_id
    with pytest.raises(AccessError, match="used already"):
        accept(support.PASSWORD, code)
    with home.database.read() as tx:
        row = tx.execute(select(Account).where(Account.id == account_id)).one()
        secret = pyotp.TOTP(offered.secret.replace(" ", "")).byte_secret()
    assert secret not in row.totp_secret
    assert support.PASSWORD not in row.password_hash


def test_the_qr_code_is_plain_svg_and_the_secret_can_be_typed(small):
    with small.database.write() as tx:
        _, link = accounts.invite(tx, support.GLASS, small.organisation_id, "bo.day", "Bo", [])
        offered = enrolment.offer(tx, support.SEALER, link)
    assert offered.qr_svg.startswith("<svg")
    assert "style=" not in offered.qr_svg
    assert "script" not in offered.qr_svg
    parsed = pyotp.parse_uri(offered.uri)
    assert (parsed.issuer, parsed.name, parsed.interval) == ("Tutela", "bo.day", 30)
    assert parsed.secret == offered.secret.replace(" ", "")
    assert len(offered.secret.replace(" ", "")) == 32


@pytest.mark.parametrize(
    ("password", "good"),
    [
        ("four walls and a roof", True),
        ("a" * 11, False),
        ("aaaaaaaaaaaaaaa", False),
        ("abcdefghijklmnop", False),
        ("9876543210987", True),
        ("Password1234", False),
        ("correcthorsebatterystaple", False),
        ("it is ANN.LEE again", False),
        ("dear lee, hello", True),
        ("tutela tutela 12", False),
        ("żółć gęślą jaźń", True),
        ("x" * 257, False),
        ("ab" * 128, False),
        ("\u3000\u3000\u3000", False),
    ],
)
def test_passwords_are_long_rather_than_odd(password, good):
    if good:
        passwords.check(password, "ann.lee")
        return
    with pytest.raises(UsageError) as caught:
        passwords.check(password, "ann.lee")
    assert caught.value.code == "password"
    assert password not in str(caught.value)


def test_one_password_typed_on_two_keyboards_is_one():
    kept = passwords.hashed("cafe\u0301 au lait, please")
    assert passwords.matches(kept, "caf\u00e9 au lait, please")
    assert not passwords.matches(kept, "cafe au lait, please")
    assert not passwords.matches(None, "caf\u00e9 au lait, please")
    assert not passwords.matches("no hash at all", "caf\u00e9 au lait, please")


def test_totp_gives_the_vectors_of_its_specification(monkeypatch):
    # RFC 6238, appendix B, SHA-1, of which six digits are used.
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        moment = secondfactor.now().fromtimestamp(seconds, tz=now().tzinfo)
        monkeypatch.setattr(secondfactor, "now", lambda moment=moment: moment)
        assert secondfactor.step_of(b"12345678901234567890", code) == seconds // 30
        assert secondfactor.step_of(b"12345678901234567890", "000000") is None


@given(secret=st.binary(max_size=64), about=st.text(max_size=20))
def test_what_is_sealed_opens_only_as_it_was_and_for_what_it_was(secret, about):
    sealed = support.SEALER.seal(secret, about)
    assert support.SEALER.open(sealed, about) == secret
    flipped = bytes([sealed[0] ^ 1]) + sealed[1:]
    for wrong, name in (
        (sealed, about + "x"),
        (flipped, about),
        (sealed[:-1], about),
        (b"", about),
    ):
        with pytest.raises(IntegrityError):
            support.SEALER.open(wrong, name)
    with pytest.raises(IntegrityError):
        seal.Sealer(bytes(32)).open(sealed, about)


def test_the_seal_key_is_private_and_never_written_over(tmp_path):
    path = seal.place(AuditSettings(signing_key=tmp_path / "keys" / "audit.key"))
    with pytest.raises(ServiceError, match="cannot read"):
        seal.load(path)
    seal.create_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert seal.load(path).open(seal.load(path).seal(b"x", "y"), "y") == b"x"
    with pytest.raises(ServiceError, match="cannot write"):
        seal.create_key(path)
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="read by others"):
        seal.load(path)
    path.chmod(0o600)
    path.write_bytes(bytes(31))
    with pytest.raises(SettingsError, match="32 bytes"):
        seal.load(path)


def test_people_change_their_own_way_in(home):
    ann = support.come_in(home, Role.GRADER)
    database = home.database
    with database.read() as tx:
        who = accounts.principal(tx, ann.account_id, Via.WEB)
    with pytest.raises(AccessError, match="not the password"):
        own.confirm(database, who, "another password", ADDRESS)
    with pytest.raises(UsageError):
        own.change_password(database, support.WEB, who, (support.PASSWORD, "short"), ADDRESS)
    typed = (support.PASSWORD, "five hills and a lake")
    fresh = own.change_password(database, support.WEB, who, typed, ADDRESS)
    with database.read() as tx:
        assert sessions.find(tx, ann.session, support.WEB) is None
        assert sessions.find(tx, fresh, support.WEB)

    offered = own.offer(support.SEALER, who, fresh)
    assert own.offer(support.SEALER, who, "another session").secret != offered.secret
    with pytest.raises(UsageError):
        own.change_authenticator(database, support.SEALER, who, fresh, "000000")
    moved = dataclasses.replace(ann, secret=offered.secret.replace(" ", ""))
    codes = own.change_authenticator(database, support.SEALER, who, fresh, moved.code())
    for gone in (ann.code(1), ann.recovery_codes[0]):
        with pytest.raises(AccessError):
            enter(home, "five hills and a lake", gone)
    assert enter(home, "five hills and a lake", moved.code(1))
    renewed = own.renew_recovery(database, who)
    with pytest.raises(AccessError):
        enter(home, "five hills and a lake", codes[0])
    assert enter(home, "five hills and a lake", renewed[0])


def test_the_own_password_cannot_be_tried_without_end(small):
    ann = support.come_in(small, Role.GRADER)
    with small.database.read() as tx:
        who = accounts.principal(tx, ann.account_id, Via.WEB)
    codes = []
    for _ in range(attempts.FREE_BY_NAME + 1):
        with pytest.raises(AccessError) as caught:
            own.confirm(small.database, who, "another password", ADDRESS)
        codes.append(caught.value.code)
    assert codes == ["sign_in"] * attempts.FREE_BY_NAME + ["locked"]
    with small.database.read() as tx:
        assert tx.execute(select(Attempt.subject)).scalars().all()


def test_preferences_are_ones_own(home):
    ann, bo = home.person(Role.GRADER), home.person()
    with home.database.write() as tx:
        assert preferences.read(tx, ann, "review") == {}
        preferences.write(tx, ann, "review", {"blur": True, "keys": {"A": "a"}})
        preferences.write(tx, ann, "review", {"blur": False})
        assert preferences.read(tx, ann, "review") == {"blur": False}
        assert preferences.read(tx, bo, "review") == {}
        for who, name, value in (
            (support.GLASS, "review", {}),
            (ann, "Review page", {}),
            (ann, "review", {"keys": "x" * 20_000}),
        ):
            with pytest.raises(UsageError):
                preferences.write(tx, who, name, value)
