"""Changes of accounts that need two persons: roles, closing an administrator, a new way in.

While nobody else could ever be the second person, one is enough, and the log says
`account.bootstrap`; from the day that there was one, also if their account is closed since, there
is no way around two but direct use of the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from tutela.access import approvals, sessions, tokens
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import AccountId, ApprovalId
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.access import Account, AccountRole, Invitation, Passkey, RecoveryCode

INVITATION_HOURS: Final = 24


def change_roles(
    tx: Connection, who: Principal, account_id: AccountId, roles: Iterable[Role], reason: str
) -> ApprovalId | None:
    """Ask that an account shall hold these roles; return None where they are held at once.

    Raises:
        AccessError: `who` may not change accounts.
        UsageError: there is no such account, or it is closed.
    """
    require(tx, who, Permission.ACCOUNTS)
    _not_closed(tx, account_id)
    return _ask_or_do(tx, who, "account.roles", account_id, {"roles": sorted(set(roles))}, reason)


def close(tx: Connection, who: Principal, account_id: AccountId, reason: str) -> ApprovalId | None:
    """Close an account for good; ask for it if it is an administrator's, and return None if not.

    Raises:
        AccessError: `who` may not change accounts.
        UsageError: there is no such account, or it is closed already.
    """
    require(tx, who, Permission.ACCOUNTS)
    invited = _not_closed(tx, account_id).state == "invited"
    if Role.ADMINISTRATOR in roles_of(tx, account_id):
        return _ask_or_do(tx, who, "account.close", account_id, {}, reason)
    if invited:  # nobody ever held them: whoever never came was no second person
        tx.execute(delete(AccountRole).where(AccountRole.account_id == account_id))
    _close(tx, who, account_id)
    return None


def reset(tx: Connection, who: Principal, account_id: AccountId, reason: str) -> ApprovalId | None:
    """Ask for a new way in for somebody who has lost theirs; None where none other could grant.

    Carried out, the old password and second factors are gone, the sessions over, and the account
    waits for its person behind a new link. Nobody can take an account over alone this way.
    """
    require(tx, who, Permission.ACCOUNTS)
    if _not_closed(tx, account_id).kind != "person":
        raise UsageError("a program gets a new token instead")
    return _ask_or_do(tx, who, "account.reset", account_id, {}, reason)


def carry_out(
    tx: Connection, who: Principal, approval_id: ApprovalId, kind: str, account_id: AccountId
) -> None:
    """Do what was granted about an account.

    Raises:
        AccessError: code `second_person`: it was not granted, not for this, or done already.
    """
    body = approvals.carry_out(tx, who, approval_id, kind, f"account:{account_id}")
    _not_closed(tx, account_id)
    _do(tx, who, kind, account_id, body)


def hold_from_birth(
    tx: Connection, who: Principal, account_id: AccountId, roles: Iterable[Role]
) -> ApprovalId | None:
    """Give a new account its roles, or ask for them where that takes another person."""
    wanted = sorted(set(roles))
    if not wanted:
        return None
    return _ask_or_do(
        tx, who, "account.roles", account_id, {"roles": wanted}, "roles of a new account"
    )


def invite_again(tx: Connection, who: Principal, account_id: AccountId) -> str:
    """Return a new one-time link's secret for somebody who has not used theirs.

    Raises:
        UsageError: the account is not waiting for its person.
    """
    require(tx, who, Permission.ACCOUNTS)
    if _not_closed(tx, account_id).state != "invited":
        raise UsageError(
            "this account was accepted already", hint="tutela account reset asks for a new way in"
        )
    token = issue(tx, account_id)
    log.record(tx, who, "account.invited", f"account:{account_id}", again=True)
    return token


def issue(tx: Connection, account_id: AccountId) -> str:
    """Make a one-time link's secret, and let all former ones of the account expire."""
    token, kept = tokens.new_token()
    tx.execute(delete(Invitation).where(Invitation.account_id == account_id))
    tx.execute(
        insert(Invitation).values(
            token_hash=kept,
            account_id=account_id,
            expires_at=now() + timedelta(hours=INVITATION_HOURS),
        )
    )
    return token


def roles_of(tx: Connection, account_id: AccountId) -> frozenset[Role]:
    """Return the roles that an account holds."""
    rows = tx.execute(select(AccountRole.role).where(AccountRole.account_id == account_id))
    return frozenset(Role(role) for role in rows.scalars())


def _ask_or_do(  # noqa: PLR0913, PLR0917 what to do, to whom, and why
    tx: Connection,
    who: Principal,
    kind: str,
    account_id: AccountId,
    body: Mapping[str, Any],
    reason: str,
) -> ApprovalId | None:
    subject = f"account:{account_id}"
    if who.via is not Via.BREAK_GLASS:
        if approvals.another_could(tx, who):
            return approvals.ask(tx, who, kind, subject, body, reason)
        log.record(tx, who, "account.bootstrap", subject, texts={"reason": reason}, kind=kind)
    _do(tx, who, kind, account_id, body)
    return None


def _do(
    tx: Connection, who: Principal, kind: str, account_id: AccountId, body: Mapping[str, Any]
) -> None:
    if kind == "account.roles":
        _hold(tx, who, account_id, frozenset(Role(role) for role in body["roles"]))
    elif kind == "account.close":
        _close(tx, who, account_id)
    elif kind == "account.reset":
        _reset(tx, who, account_id)
    else:
        raise AccessError(f"{kind} is nothing that is done to an account")


def _hold(tx: Connection, who: Principal, account_id: AccountId, roles: frozenset[Role]) -> None:
    tx.execute(delete(AccountRole).where(AccountRole.account_id == account_id))
    insert_rows(
        tx, AccountRole, [{"account_id": account_id, "role": role.value} for role in sorted(roles)]
    )
    held = ",".join(sorted(roles))
    log.record(tx, who, "account.roles-set", f"account:{account_id}", roles=held)


def _close(tx: Connection, who: Principal, account_id: AccountId) -> None:
    _forget(tx, account_id)
    tx.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(state="closed", token_hash=None, oidc_subject=None)
    )
    sessions.end_all(tx, account_id, who)
    log.record(tx, who, "account.closed", f"account:{account_id}")


def _reset(tx: Connection, who: Principal, account_id: AccountId) -> None:
    _forget(tx, account_id)
    tx.execute(
        update(Account).where(Account.id == account_id).values(state="invited", oidc_subject=None)
    )
    sessions.end_all(tx, account_id, who)
    log.record(tx, who, "account.reset", f"account:{account_id}")


def _forget(tx: Connection, account_id: AccountId) -> None:
    """Remove every way in."""
    for table in (Invitation, Passkey, RecoveryCode):
        tx.execute(delete(table).where(table.account_id == account_id))
    tx.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(password_hash=None, totp_secret=None, totp_last_step=None)
    )


def _not_closed(tx: Connection, account_id: AccountId) -> Row[str, str]:
    row = tx.execute(
        select(Account.kind, Account.state).where(
            Account.id == account_id, Account.state != "closed"
        )
    ).one_or_none()
    if row is None:
        raise UsageError(f"there is no account {account_id}, or it is closed")
    return row
