"""Who works here: organisations, accounts, credentials, sessions, teams, approvals."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from tutela.store.columns import Key, Table


class Organisation(Table):
    """A force, hotline or company. One organisation has one vote per media."""

    __tablename__ = "organisations"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    country: Mapped[str]
    created_at: Mapped[datetime]


class Account(Table):
    """A person or a program of an organisation.

    `kind` is `person` or `program`; `state` is `invited`, `active` or `closed`. Secrets are sealed
    or hashed by `access`, never kept as they are. `responsible_id` is the person who answers for a
    program: what it asks for, that person cannot also grant.
    """

    __tablename__ = "accounts"

    id: Mapped[Key]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    name: Mapped[str] = mapped_column(unique=True)
    display_name: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    password_hash: Mapped[str | None]
    totp_secret: Mapped[bytes | None]
    totp_last_step: Mapped[int | None]
    token_hash: Mapped[bytes | None] = mapped_column(unique=True)
    oidc_subject: Mapped[str | None] = mapped_column(unique=True)
    responsible_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    created_at: Mapped[datetime]


class AccountRole(Table):
    """A role that an account holds."""

    __tablename__ = "account_roles"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)


class Passkey(Table):
    """A WebAuthn credential of an account."""

    __tablename__ = "passkeys"

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(unique=True)
    public_key: Mapped[bytes]
    sign_count: Mapped[int]
    label: Mapped[str]
    created_at: Mapped[datetime]


class RecoveryCode(Table):
    """A code that stands in for a lost second factor, once; its row goes when it is used."""

    __tablename__ = "recovery_codes"

    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)


class Invitation(Table):
    """A one-time link with which an account sets its first password and second factor."""

    __tablename__ = "invitations"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class WebSession(Table):
    """A browser; its cookie holds a token of which only the hash is kept.

    `state` is `before` (a passkey or an agency's sign-in is under way; there is no account yet),
    `second_factor` or `active`; `data` holds what the way in still has to be compared with.
    """

    __tablename__ = "web_sessions"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"), index=True)
    state: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    data: Mapped[dict[str, Any]]


class Attempt(Table):
    """Tries to sign in, for rate limits: `subject` is an account name's or an address's hash."""

    __tablename__ = "attempts"

    id: Mapped[Key]
    subject: Mapped[bytes] = mapped_column(index=True)
    at: Mapped[datetime]


class Preference(Table):
    """What a person set for themselves: keys, blur, language, breaks."""

    __tablename__ = "preferences"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]


class CaseMember(Table):
    """A case team: only its members see the case (need to know)."""

    __tablename__ = "case_members"

    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True, index=True)
    added_at: Mapped[datetime]
    added_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))


class Approval(Table):
    """Something that needs two persons: asked by one, decided by another, carried out once.

    `state` is `asked`, `granted`, `refused`, `done` or `expired`; `kind` names the act
    (`case.export_media`, `account.roles`; see `access.approvals`), `subject` what it is about.
    """

    __tablename__ = "approvals"

    id: Mapped[Key]
    kind: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(index=True)
    body: Mapped[dict[str, Any]]
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    asked_by: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]


class Policy(Table):
    """Rules of this installation that administrators may change; every change is in the log."""

    __tablename__ = "policies"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[dict[str, Any]]
