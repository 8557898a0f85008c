from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import access_support as support
import agency as agencies
import msgspec
import pytest
from sqlalchemy import select

from tutela.access import accounts, enrolment, oidc, sessions, signin
from tutela.access.oidc import Entered
from tutela.access.provider import Provider
from tutela.core.errors import AccessError, ServiceError, SettingsError, UsageError
from tutela.core.ids import AccountId
from tutela.core.principal import Role, Via
from tutela.core.settings import WebSettings
from tutela.store.tables.access import Account

ADDRESS = "192.0.2.7"


@dataclass
class Office:
    home: support.Force
    agency: agencies.Agency
    web: WebSettings
    provider: Provider
    account_id: AccountId | None = None
    link: str = ""

    def enter(self, change: Callable[[dict[str, str]], dict[str, str]] = dict) -> Entered:
        way = oidc.begin(self.home.database, self.web, self.provider)
        came = change(self.agency.authorise(way.url))
        return self.finish(way.session, came)

    def finish(self, session: str, came: dict[str, str]) -> Entered:
        return oidc.finish(self.home.database, self.web, self.provider, session, (came, ADDRESS))

    def invite(self, name: str, subject: str) -> None:
        with self.home.database.write() as tx:
            self.account_id, self.link = accounts.invite(
                tx, support.GLASS, self.home.organisation_id, name, name, [Role.GRADER]
            )
            oidc.bind(tx, support.GLASS, self.web, self.account_id, subject)


@pytest.fixture
def office(small):
    with agencies.running() as agency:
        web = WebSettings(oidc_issuer=agency.issuer, oidc_client_id="tutela")
        with Provider(web) as provider:
            made = Office(small, agency, web, provider)
            made.invite("bo.day", "officer-7")
            yield made


def failed(office) -> int:
    return [action for action, _ in support.actions(office.home.database)].count("signin.failed")


def test_an_invited_person_comes_in_from_the_agency(office):
    for _ in range(2):
        entered = office.enter()
        assert entered.state == "active"
        with office.home.database.read() as tx:
            session = sessions.find(tx, entered.session, office.web)
            assert session.account_id == office.account_id
            who = accounts.principal(tx, office.account_id, Via.WEB)
            assert who.roles == {Role.GRADER}
    assert office.agency.asked.count("/keys") == 1
    actions = [action for action, _ in support.actions(office.home.database)]
    assert actions.count("account.accepted") == 1
    assert actions.count("session.started") == 2
    # The link is of no use any more: the account is no longer invited.
    with pytest.raises(AccessError), office.home.database.read() as tx:
        enrolment.invited(tx, office.link)


def test_without_both_factors_ours_is_asked_for(office):
    office.agency.claims = {"amr": ["pwd"]}
    with pytest.raises(AccessError):  # invited, and has none of ours yet
        office.enter()
    ann = support.come_in(office.home, Role.GRADER)
    with office.home.database.write() as tx:
        tx.execute(
            Account.__table__.update()
            .where(Account.id == ann.account_id)
            .values(oidc_subject=f"{office.agency.issuer} officer-8")
        )
    office.agency.subject = "officer-8"
    entered = office.enter()
    assert entered.state == "second_factor"
    with office.home.database.read() as tx:
        assert sessions.find(tx, entered.session, office.web).state == "second_factor"
    token = signin.code(
        office.home.database, support.SEALER, office.web, entered.session, ann.code(1), ADDRESS
    )
    with office.home.database.read() as tx:
        assert sessions.find(tx, token, office.web).state == "active"


PAST, FUTURE = 1_600_000_000, 4_900_000_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"claims": {"nonce": "another"}},
        {"claims": {"aud": "another"}},
        {"claims": {"aud": ["another", "third"]}},
        {"claims": {"aud": ["tutela", "another"]}},
        {"claims": {"azp": "another"}},
        {"claims": {"iss": "http://127.0.0.1:1"}},
        {"claims": {"exp": PAST}},
        {"claims": {"iat": FUTURE}},
        {"claims": {"exp": "tomorrow"}},
        {"claims": {"sub": ["officer-7"]}},
        {"claims": {"sub": ""}},
        *({"drop": [name]} for name in ("nonce", "exp", "iat", "sub", "aud", "iss")),
        {"algorithm": "none"},
        {"algorithm": "HS256"},
        {"algorithm": "RS384"},
        {"subject": "officer-9"},
        {"secret": "that we do not know"},
    ],
    ids=str,
)
def test_a_word_that_does_not_hold_lets_nobody_in(office, wrong):
    office.agency.claims = {"amr": ["mfa"]}
    for name, value in wrong.items():
        setattr(office.agency, name, office.agency.claims | value if name == "claims" else value)
    with pytest.raises(AccessError, match="does not open anything"):
        office.enter()
    assert failed(office) == 1
    with office.home.database.read() as tx:
        assert tx.execute(select(Account.state)).scalar_one() == "invited"


@pytest.mark.parametrize(
    "change",
    [
        lambda came: came | {"state": "another"},
        lambda came: came | {"state": "\ud800"},
        lambda came: came | {"code": "another"},
        lambda came: came | {"iss": "https://elsewhere.example"},
        lambda came: {"state": came["state"], "error": "access_denied"},
        lambda _: {},
    ],
    ids=["state", "surrogate", "code", "issuer", "error", "empty"],
)
def test_a_changed_way_back_lets_nobody_in(office, change):
    with pytest.raises(AccessError, match="does not open anything"):
        office.enter(change)
    assert failed(office) == 1


def test_a_way_works_once_and_in_the_browser_that_began_it(office):
    way = oidc.begin(office.home.database, office.web, office.provider)
    other = oidc.begin(office.home.database, office.web, office.provider)
    came = office.agency.authorise(way.url)
    with pytest.raises(AccessError):
        office.finish(other.session, came)
    assert office.finish(way.session, came)
    with pytest.raises(AccessError, match="used already"):
        office.finish(way.session, came)


def test_new_keys_are_fetched_once_and_a_foreign_key_is_not_believed(office):
    office.enter()
    office.agency.new_key()
    assert office.enter()
    assert office.agency.asked.count("/keys") == 2
    genuine = office.agency.key
    office.agency.answer = _signed_elsewhere(office.agency, genuine)
    with pytest.raises(AccessError):
        office.enter()


def _signed_elsewhere(agency, genuine):
    plain = agency.answer

    def answer(path, form, basic):
        if path == "/keys":
            agency.key = genuine
            return plain(path, form, basic)
        agency.new_key()
        return plain(path, form, basic)

    return answer


def test_a_client_secret_is_read_from_a_private_file(office, tmp_path):
    office.agency.secret = "an invented secret"
    file = tmp_path / "secret"
    file.write_text("an invented secret\n")
    file.chmod(0o600)
    web = msgspec.structs.replace(office.web, oidc_secret_file=file)
    with Provider(web) as provider:
        office.provider = provider
        assert office.enter().state == "active"
    file.chmod(0o644)
    with pytest.raises(SettingsError, match="read by others"):
        Provider(web)


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "http://127.0.0.1:1"},
        {"token_endpoint": 7},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"jwks_uri": "http://127.0.0.1:1/keys"},
    ],
    ids=str,
)
def test_a_provider_that_says_odd_things_is_not_asked_further(office, wrong):
    office.agency.discovery = wrong
    with pytest.raises((ServiceError, SettingsError)):
        office.enter()


def test_an_answer_without_end_and_silence_are_service_errors(office):
    office.agency.padding = 2 << 20
    with pytest.raises(ServiceError):
        office.enter()
    silent = WebSettings(oidc_issuer="http://127.0.0.1:1", oidc_client_id="tutela")
    with Provider(silent) as provider, pytest.raises(ServiceError):
        provider.metadata()
    for web in (
        WebSettings(),
        WebSettings(oidc_issuer="http://agency.example", oidc_client_id="tutela"),
    ):
        with pytest.raises(SettingsError):
            Provider(web)


def test_only_who_is_still_invited_is_bound_and_a_subject_is_one_account(office):
    ann = support.come_in(office.home, Role.GRADER)
    with office.home.database.write() as tx:
        for account_id, subject in (
            (ann.account_id, "officer-8"),  # it would hand the account over
            (office.account_id, " "),
            (AccountId(999), "officer-8"),
        ):
            with pytest.raises(UsageError):
                oidc.bind(tx, support.GLASS, office.web, account_id, subject)
        with pytest.raises(UsageError, match="bound to an account already"):
            oidc.bind(tx, support.GLASS, office.web, office.account_id, "officer-7")
        with pytest.raises(AccessError):
            grader = accounts.principal(tx, ann.account_id, Via.WEB)
            oidc.bind(tx, grader, office.web, office.account_id, "officer-8")
