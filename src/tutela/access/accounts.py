"""Organisations, and the accounts of people and programs in them.

A person is invited with a one-time link and sets password and second factor there (`enrolment`); a
program gets a token, which is shown once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import Connection, insert, select, update

from tutela.access import changes, tokens
from tutela.access.authorise import allows, require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import AccountId, OrganisationId
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.store.tables.access import Account, AccountRole, Organisation

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,99}")
COUNTRY = re.compile(r"[A-Z]{2}")


class OrganisationInfo(msgspec.Struct, frozen=True):
    """An organisation that works here."""

    id: OrganisationId
    name: str
    country: str


class AccountInfo(msgspec.Struct, frozen=True):
    """An account; `kind` is `person` or `program`, `state` `invited`, `active` or `closed`."""

    id: AccountId
    name: str
    display_name: str
    kind: str
    state: str
    roles: tuple[Role, ...]
    organisation_id: OrganisationId
    organisation: str
    created_at: datetime


def create_organisation(tx: Connection, who: Principal, name: str, country: str) -> OrganisationId:
    """Make an organisation; `country` is its ISO 3166-1 alpha-2 code.

    Raises:
        AccessError: `who` may not change accounts.
        UsageError: the name is taken or empty, or the country is no code of two letters.
    """
    require(tx, who, Permission.ACCOUNTS)
    name, country = name.strip(), country.upper()
    if not name or not COUNTRY.fullmatch(country):
        raise UsageError(
            "an organisation has a name and a country", hint="a country is two letters, such as DE"
        )
    if tx.execute(select(Organisation.id).where(Organisation.name == name)).first():
        raise UsageError(f"there is already an organisation {name}", code="taken")
    made = tx.execute(
        insert(Organisation)
        .values(name=name, country=country, created_at=now())
        .returning(Organisation.id)
    ).scalar_one()
    log.record(tx, who, "organisation.created", f"organisation:{made}", texts={"name": name})
    return OrganisationId(made)


def invite(  # noqa: PLR0913, PLR0917 who is invited, and none of it may be guessed
    tx: Connection,
    who: Principal,
    organisation_id: OrganisationId,
    name: str,
    display_name: str,
    roles: Iterable[Role],
) -> tuple[AccountId, str]:
    """Make the account of a person; return it with the secret of its one-time link (24 hours).

    The roles are asked for, and held once another person has granted them; see `changes`.

    Raises:
        AccessError: `who` may not change accounts.
        UsageError: the name is taken or no name, or there is no such organisation.
    """
    account_id = _create(tx, who, organisation_id, name, display_name)
    token = changes.issue(tx, account_id)
    log.record(tx, who, "account.invited", f"account:{account_id}", again=False)
    changes.hold_from_birth(tx, who, account_id, roles)
    return account_id, token


def enrol_program(
    tx: Connection,
    who: Principal,
    organisation_id: OrganisationId,
    name: str,
    roles: Iterable[Role],
) -> tuple[AccountId, str]:
    """Make the account of a program; return it with its token, which is shown once.

    The person who enrols it answers for it. The roles are asked for as with `invite`.

    Raises:
        AccessError: `who` may not change accounts.
        UsageError: the name is taken or no name, or there is no such organisation.
    """
    account_id = _create(tx, who, organisation_id, name, name)
    token, kept = tokens.new_token()
    tx.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(kind="program", state="active", token_hash=kept, responsible_id=_answers(tx, who))
    )
    log.record(tx, who, "account.enrolled", f"account:{account_id}")
    changes.hold_from_birth(tx, who, account_id, roles)
    return account_id, token


def renew_token(tx: Connection, who: Principal, account_id: AccountId) -> str:
    """Give a program a new token, and take the old one from it.

    Raises:
        AccessError: `who` may not change accounts.
        UsageError: this is no active program.
    """
    require(tx, who, Permission.ACCOUNTS)
    token, kept = tokens.new_token()
    changed = tx.execute(
        update(Account)
        .where(Account.id == account_id, Account.kind == "program", Account.state == "active")
        .values(token_hash=kept)
    )
    if changed.rowcount != 1:
        raise UsageError(f"account {account_id} is no active program")
    log.record(tx, who, "account.token-renewed", f"account:{account_id}")
    return token


def let_answer(tx: Connection, who: Principal, account_id: AccountId, person_id: AccountId) -> None:
    """Say which person answers for a program: what it asks for, they cannot grant.

    Raises:
        AccessError: `who` may not change accounts.
        UsageError: these are no program and no person.
    """
    require(tx, who, Permission.ACCOUNTS)
    person = select(Account.id).where(Account.id == person_id, Account.kind == "person")
    program = (Account.id == account_id) & (Account.kind == "program")
    if (
        tx.execute(person).first() is None
        or tx.execute(update(Account).where(program).values(responsible_id=person_id)).rowcount != 1
    ):
        raise UsageError("a person answers for a program")
    log.record(tx, who, "account.answered-for", f"account:{account_id}", account=person_id)


def by_token(tx: Connection, token: str, via: Via) -> Principal:
    """Return whom a program's token stands for.

    Raises:
        AccessError: code `sign_in`: nobody has this token, or the account is closed.
    """
    found = tx.execute(
        select(Account.id).where(Account.token_hash == tokens.hashed(token))
    ).scalar_one_or_none()
    if found is None:
        raise AccessError("this credential is nobody's", code="sign_in")
    return principal(tx, AccountId(found), via)


def principal(tx: Connection, account_id: AccountId, via: Via) -> Principal:
    """Return an active account as one who acts, with the roles that it holds now.

    Raises:
        AccessError: code `sign_in`: there is no such account, or it is not active.
    """
    row = tx.execute(
        select(Account.organisation_id, Account.name).where(
            Account.id == account_id, Account.state == "active"
        )
    ).one_or_none()
    if row is None:
        raise AccessError("this account is not active", code="sign_in")
    return Principal(
        account_id,
        OrganisationId(row.organisation_id),
        row.name,
        changes.roles_of(tx, account_id),
        via,
    )


def organisation_of(tx: Connection, account_id: AccountId) -> OrganisationId:
    """Return the organisation of an account.

    Raises:
        UsageError: there is no such account.
    """
    found = tx.execute(
        select(Account.organisation_id).where(Account.id == account_id)
    ).scalar_one_or_none()
    if found is None:
        raise UsageError(f"there is no account {account_id}")
    return OrganisationId(found)


def list_(tx: Connection, who: Principal) -> list[AccountInfo]:
    """Return all accounts, by name.

    Raises:
        AccessError: `who` may not change accounts.
    """
    require(tx, who, Permission.ACCOUNTS)
    held: dict[int, list[Role]] = {}
    for account_id, role in tx.execute(select(AccountRole.account_id, AccountRole.role)):
        held.setdefault(account_id, []).append(Role(role))
    rows = tx.execute(
        select(
            Account.id,
            Account.name,
            Account.display_name,
            Account.kind,
            Account.state,
            Account.organisation_id,
            Organisation.name.label("organisation"),
            Account.created_at,
        )
        .join(Organisation, Organisation.id == Account.organisation_id)
        .order_by(Account.name)
    )
    return [
        AccountInfo(
            AccountId(row.id),
            row.name,
            row.display_name,
            row.kind,
            row.state,
            tuple(sorted(held.get(row.id, []))),
            OrganisationId(row.organisation_id),
            row.organisation,
            row.created_at,
        )
        for row in rows
    ]


def by_name(tx: Connection, who: Principal, name: str) -> AccountId:
    """Return the account of this name, of the own organisation unless `who` may change accounts.

    Raises:
        AccessError: `who` neither changes accounts nor makes up teams.
        UsageError: there is no such account that is not closed.
    """
    everywhere = who.via is Via.BREAK_GLASS or allows(who, Permission.ACCOUNTS)
    if not everywhere:
        require(tx, who, Permission.CASE_CREATE)
    query = select(Account.id).where(
        Account.name == name.strip().lower(), Account.state != "closed"
    )
    if not everywhere:
        query = query.where(Account.organisation_id == who.organisation_id)
    found = tx.execute(query).scalar_one_or_none()
    if found is None:
        raise UsageError(f"there is no account {name}", code="unknown")
    return AccountId(found)


def organisations(tx: Connection, who: Principal) -> list[OrganisationInfo]:
    """Return all organisations, by name: everybody who works here may know who else does."""
    require(tx, who, Permission.OWN)
    rows = tx.execute(
        select(Organisation.id, Organisation.name, Organisation.country).order_by(Organisation.name)
    )
    return [OrganisationInfo(OrganisationId(id_), name, country) for id_, name, country in rows]


def names(tx: Connection, account_ids: Iterable[int]) -> dict[int, str]:
    """Return the names of some accounts, for those who read what they did. Asks no permission."""
    rows = tx.execute(select(Account.id, Account.name).where(Account.id.in_(set(account_ids))))
    return {AccountId(row.id): row.name for row in rows}


def _answers(tx: Connection, who: Principal) -> AccountId | None:
    """Return the person behind `who`: who acts, or who answers for the program that acts."""
    row = tx.execute(
        select(Account.kind, Account.responsible_id).where(Account.id == who.account_id)
    ).one_or_none()
    if row is None:
        return None
    return who.account_id if row.kind == "person" else row.responsible_id


def _create(
    tx: Connection, who: Principal, organisation_id: OrganisationId, name: str, display_name: str
) -> AccountId:
    require(tx, who, Permission.ACCOUNTS)
    name = name.strip().lower()
    if not NAME.fullmatch(name):
        raise UsageError(
            "an account's name is 2 to 100 letters, digits and . _ @ + -", hint="such as ann.lee"
        )
    if tx.execute(select(Account.id).where(Account.name == name)).first():
        raise UsageError(f"there is already an account {name}", code="taken")
    if not tx.execute(select(Organisation.id).where(Organisation.id == organisation_id)).first():
        raise UsageError(f"there is no organisation {organisation_id}")
    made = tx.execute(
        insert(Account)
        .values(
            organisation_id=organisation_id,
            name=name,
            display_name=display_name.strip() or name,
            kind="person",
            state="invited",
            created_at=now(),
        )
        .returning(Account.id)
    )
    return AccountId(made.scalar_one())
