"""People of an invented force, as the tests of access need them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pyotp
from sqlalchemy import insert, select

from tutela.access import accounts, enrolment, passwords
from tutela.access.seal import Sealer
from tutela.core.ids import AccountId, CaseId, OrganisationId
from tutela.core.principal import Principal, Role, Via
from tutela.core.settings import WebSettings
from tutela.core.time import now
from tutela.store import Database
from tutela.store.bulk import insert_rows
from tutela.store.tables.access import Account, AccountRole, CaseMember
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import Authority, Case

GLASS = Principal(None, None, "break-glass", frozenset(), Via.BREAK_GLASS)
SEALER = Sealer(bytes(range(32)))
WEB = WebSettings()
PASSWORD = "four walls and a roof"
GENUINE = passwords._hasher
QUICK = passwords.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
_numbers = itertools.count(1)


@dataclass
class Force:
    """An organisation, and a quick way to people in it."""

    database: Database
    organisation_id: OrganisationId

    def person(self, *roles: Role, via: Via = Via.WEB, name: str = "") -> Principal:
        """Make an active person without a way in."""
        return self._somebody("person", roles, via, name, None)

    def program(
        self, *roles: Role, via: Via = Via.CLI, answers: AccountId | None = None
    ) -> Principal:
        return self._somebody("program", roles, via, "", answers)

    def _somebody(self, kind, roles, via, name, answers) -> Principal:
        name = name or f"{kind}-{next(_numbers)}"
        with self.database.write() as tx:
            made = tx.execute(
                insert(Account)
                .values(
                    organisation_id=self.organisation_id,
                    name=name,
                    display_name=name,
                    kind=kind,
                    state="active",
                    responsible_id=answers,
                    created_at=now(),
                )
                .returning(Account.id)
            ).scalar_one()
            insert_rows(
                tx, AccountRole, [{"account_id": made, "role": role.value} for role in roles]
            )
        return Principal(AccountId(made), self.organisation_id, name, frozenset(roles), via)

    def case(self, *team: Principal) -> CaseId:
        with self.database.write() as tx:
            authority = tx.execute(
                insert(Authority)
                .values(
                    legal_basis="an invented act",
                    reference="1",
                    scope="all",
                    granted_by="a court",
                    valid_from=now(),
                    valid_until=now(),
                )
                .returning(Authority.id)
            ).scalar_one()
            made = tx.execute(
                insert(Case)
                .values(
                    number=f"2026-{next(_numbers)}",
                    title="an invented case",
                    organisation_id=self.organisation_id,
                    authority_id=authority,
                    scheme="uk",
                    state="open",
                    keeps_media=False,
                    legal_hold=False,
                    created_at=now(),
                    generation=0,
                    extra={},
                )
                .returning(Case.id)
            ).scalar_one()
            rows = [
                {"case_id": made, "account_id": one.account_id, "added_at": now(), "added_by": None}
                for one in team
            ]
            insert_rows(tx, CaseMember, rows)
        return CaseId(made)


@dataclass
class Person:
    """Somebody who has come in by a link, with what they remember."""

    account_id: AccountId
    name: str
    secret: str
    session: str
    recovery_codes: list[str]

    def code(self, steps: int = 0) -> str:
        """Return the code of the present 30 seconds, or of `steps` later."""
        return pyotp.TOTP(self.secret).at(now(), counter_offset=steps)


def force(database: Database, name: str = "Example Force") -> Force:
    with database.write() as tx:
        return Force(database, accounts.create_organisation(tx, GLASS, name, "DE"))


def come_in(home: Force, *roles: Role, name: str = "ann.lee") -> Person:
    """Invite somebody and accept the invitation."""
    with home.database.write() as tx:
        account_id, token = accounts.invite(
            tx, GLASS, home.organisation_id, name, "Somebody", roles
        )
    with home.database.read() as tx:
        secret = enrolment.offer(tx, SEALER, token).secret.replace(" ", "")
    code = pyotp.TOTP(secret).now()
    done = enrolment.accept(home.database, SEALER, WEB, token, (PASSWORD, code))
    return Person(account_id, name, secret, done.session, done.recovery_codes)


def actions(database: Database) -> list[tuple[str, str]]:
    """Return action and subject of every event in the log."""
    with database.read() as tx:
        rows = tx.execute(select(AuditEvent.action, AuditEvent.subject).order_by(AuditEvent.seq))
        return [(row.action, row.subject) for row in rows]
