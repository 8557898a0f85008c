"""Organisations, and the accounts of people and programs in them.

A person is invited with a one-time link and sets password and second factor there (`enrolment`); a
program gets a token, which is shown once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import Connection, insert, select

from tutela.access import tokens
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import AccountId, OrganisationId
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.access import Account, AccountRole, Invitation, Organisation

INVITATION_HOURS = 24
NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,99}")
COUNTRY = re.compile(r"[A-Z]{2}")


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
    """Make the account of a person, and return it with the secret of its one-time link."""
    account_id = _create(tx, who, organisation_id, name, display_name, "person", None)
    _hold(tx, account_id, roles)
    token, kept = tokens.new_token()
    tx.execute(
        insert(Invitation).values(
            token_hash=kept,
            account_id=account_id,
            expires_at=now() + timedelta(hours=INVITATION_HOURS),
            used_at=None,
        )
    )
    log.record(tx, who, "account.invited", f"account:{account_id}", texts={"name": name})
    return account_id, token


def enrol_program(
    tx: Connection,
    who: Principal,
    organisation_id: OrganisationId,
    name: str,
    roles: Iterable[Role],
) -> tuple[AccountId, str]:
    """Make the account of a program, and return it with its token."""
    token, kept = tokens.new_token()
    account_id = _create(tx, who, organisation_id, name, name, "program", kept)
    _hold(tx, account_id, roles)
    log.record(tx, who, "account.enrolled", f"account:{account_id}", texts={"name": name})
    return account_id, token


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
    roles = tx.execute(select(AccountRole.role).where(AccountRole.account_id == account_id))
    return Principal(
        account_id,
        OrganisationId(row.organisation_id),
        row.name,
        frozenset(Role(role) for role in roles.scalars()),
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


def _create(  # noqa: PLR0913, PLR0917 the columns of one row
    tx: Connection,
    who: Principal,
    organisation_id: OrganisationId,
    name: str,
    display_name: str,
    kind: str,
    token_hash: bytes | None,
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
            kind=kind,
            state="invited" if kind == "person" else "active",
            token_hash=token_hash,
            created_at=now(),
        )
        .returning(Account.id)
    )
    return AccountId(made.scalar_one())


def _hold(tx: Connection, account_id: AccountId, roles: Iterable[Role]) -> None:
    insert_rows(
        tx, AccountRole, [{"account_id": account_id, "role": role.value} for role in set(roles)]
    )
