"""What tests of pages about people share: a small installation, persons, browsers without one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import pyotp
from litestar import Litestar
from litestar.testing import TestClient

from tutela.access import accounts, enrolment, sessions
from tutela.access.seal import create_key, load, place
from tutela.access.sessions import State
from tutela.core.ids import OrganisationId
from tutela.core.principal import Principal, Role, Via
from tutela.core.settings import AuditSettings, Settings, WebSettings
from tutela.store import Database
from tutela.web import app
from tutela.web.office import Office

ORIGIN = "http://localhost:8470"
PASSWORD = "four calm grey herons"
BREAK_GLASS = Principal(None, None, "test", frozenset(), Via.BREAK_GLASS)


@dataclass
class Person:
    """An account that has taken its invitation up."""

    id: int
    name: str
    secret: str
    recovery_codes: list[str]
    session: str


@dataclass
class Town:
    """One installation with people and no cases."""

    office: Office
    app: Litestar
    organisation: OrganisationId

    @property
    def database(self) -> Database:
        return self.office.database

    def invite(self, name: str, *roles: Role) -> tuple[int, str]:
        with self.database.write() as tx:
            return accounts.invite(tx, BREAK_GLASS, self.organisation, name, name.title(), roles)

    def person(self, name: str, *roles: Role) -> Person:
        """Return somebody who came in once. The authenticator's present code is used up by it."""
        account_id, token = self.invite(name, *roles)
        with self.database.read() as tx:
            secret = enrolment.offer(tx, self.office.sealer, token).secret.replace(" ", "")
        made = enrolment.accept(
            self.database,
            self.office.sealer,
            self.office.settings.web,
            token,
            (PASSWORD, pyotp.TOTP(secret).now()),
        )
        return Person(account_id, name, secret, made.recovery_codes, made.session)

    def session(self, account_id: int) -> str:
        with self.database.write() as tx:
            return sessions.start(tx, account_id, State.ACTIVE, self.office.settings.web)

    @contextmanager
    def browser(self, session: str = "") -> Iterator[TestClient]:
        """Give a browser that sends what browsers send from our own pages."""
        # The client wants a host with a dot.
        base = self.office.settings.web.origin.replace("localhost:8470", "127.0.0.1")
        with TestClient(self.app, base_url=base) as client:
            client.headers["sec-fetch-site"] = "same-origin"
            client.follow_redirects = False
            if session:
                client.cookies.set("tutela", session, domain="127.0.0.1")
            yield client


def town(database: Database, folder: Path, origin: str = ORIGIN, issuer: str = "") -> Town:
    settings = Settings(
        audit=AuditSettings(signing_key=folder / "keys" / "audit.key"),
        web=WebSettings(origin=origin, oidc_issuer=issuer, oidc_client_id="tutela"),
    )
    key = place(settings.audit)
    create_key(key)
    office = Office(settings, database, load(key))
    with database.write() as tx:
        made = accounts.create_organisation(tx, BREAK_GLASS, "Northshire Police", "GB")
    return Town(office, app.build(office), made)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def words(html: str) -> str:
    """Return the text of a page in one line."""
    parser = _Words()
    parser.feed(html)
    return " ".join(parser.words)
