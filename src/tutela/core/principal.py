"""Who acts: an account of this installation, and by which way it came in."""

from __future__ import annotations

import enum

import msgspec

from tutela.core.ids import AccountId, OrganisationId


class Role(enum.StrEnum):
    """What an account is for. An account may hold several."""

    EXAMINER = "examiner"
    GRADER = "grader"
    VICTIM_IDENTIFICATION = "victim_identification"
    SUPERVISOR = "supervisor"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"
    LIST_MEMBER = "list_member"
    INVESTIGATOR = "investigator"


class Via(enum.StrEnum):
    """How an account came in; `BREAK_GLASS` is direct use of the database, always in the log.

    `NODE` is a partner node, which has no account here.
    """

    WEB = "web"
    CLI = "cli"
    API = "api"
    NODE = "node"
    BREAK_GLASS = "break-glass"
    SYSTEM = "system"


class Principal(msgspec.Struct, frozen=True):
    """Who acts. `account_id` is None for the system itself (migrations, schedules)."""

    account_id: AccountId | None
    organisation_id: OrganisationId | None
    name: str
    roles: frozenset[Role]
    via: Via


SYSTEM = Principal(None, None, "system", frozenset(), Via.SYSTEM)
