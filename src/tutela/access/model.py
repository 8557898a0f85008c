"""What there is to be allowed, and which role allows it. Everything else is refused."""

from __future__ import annotations

import enum
from typing import Final

from tutela.core.principal import Role


class Permission(enum.StrEnum):
    """One kind of act. Those marked (team) also need membership of the case's team."""

    CASE_LIST = "case.list"  # see the own cases
    CASE_READ = "case.read"  # (team) board, items, facts; blurred only
    CASE_CREATE = "case.create"
    CASE_CHANGE = "case.change"  # (team) title, state, legal hold, team
    EVIDENCE_ADD = "evidence.add"  # (team)
    GRADE = "grade"  # (team) give and take back grades, tags, notes
    VIEW_CLEAR = "view.clear"  # (team) a clear picture, logged
    ADJUDICATE = "adjudicate"  # settle disputes
    SERIES = "series"  # (team) series and victims
    EXPORT = "export"  # (team) rows, reports, VICS without media
    EXPORT_MEDIA = "export.media"  # (team) asked by one, granted by another
    DELETE_CASE = "case.delete"  # (team) likewise
    APPROVE = "approve"  # be the second person
    LISTS_READ = "lists.read"
    LISTS_PUBLISH = "lists.publish"  # lists of the own organisation: entries, members, generations
    LISTS_SYNC = "lists.sync"  # get the entries of lists that one's organisation is a member of
    LISTS_FEEDBACK = "lists.feedback"  # confirm, dispute or report entries of such lists
    MATCH = "match"  # ask the matching service
    CHAT_SCORE = "chat.score"  # send conversations to be scored
    NODES = "nodes"  # partner nodes: whom to trust, and with what
    NODES_ASK = "nodes.ask"  # (team) ask partner nodes about media of a case
    CRAWL = "crawl"  # (team) ask for crawl orders; start, pause, stop and report crawls
    CONVERSATIONS_READ = "conversations.read"  # (team) conversations with signs of risk, logged
    CONVERSATIONS_WORK = "conversations.work"  # (team) take them in, say of them, hand over
    LEADS = "leads"  # (team) see observations, rank accounts, link them, ask for a release
    ACCOUNTS = "accounts"  # invite, close, ask for roles
    POLICY = "policy"  # rules of this installation, scheme profiles
    AUDIT_READ = "audit.read"
    OWN = "own"  # one's own account: preferences, sessions, second factors


_EVERYBODY = frozenset({Permission.OWN})

ALLOWED: Final[dict[Role, frozenset[Permission]]] = {
    Role.EXAMINER: _EVERYBODY
    | {
        Permission.CASE_LIST,
        Permission.CASE_READ,
        Permission.CASE_CREATE,
        Permission.CASE_CHANGE,
        Permission.EVIDENCE_ADD,
        Permission.EXPORT,
        Permission.EXPORT_MEDIA,
        Permission.LISTS_READ,
        Permission.NODES_ASK,
        Permission.CONVERSATIONS_READ,
        Permission.CONVERSATIONS_WORK,
    },
    Role.GRADER: _EVERYBODY
    | {
        Permission.CASE_LIST,
        Permission.CASE_READ,
        Permission.GRADE,
        Permission.VIEW_CLEAR,
        Permission.LISTS_READ,
    },
    Role.VICTIM_IDENTIFICATION: _EVERYBODY
    | {
        Permission.CASE_LIST,
        Permission.CASE_READ,
        Permission.GRADE,
        Permission.VIEW_CLEAR,
        Permission.SERIES,
        Permission.EXPORT,
        Permission.LISTS_READ,
        Permission.NODES_ASK,
    },
    Role.SUPERVISOR: _EVERYBODY
    | {
        Permission.CASE_LIST,
        Permission.CASE_READ,
        Permission.CASE_CREATE,
        Permission.CASE_CHANGE,
        Permission.ADJUDICATE,
        Permission.VIEW_CLEAR,
        Permission.EXPORT,
        Permission.EXPORT_MEDIA,
        Permission.DELETE_CASE,
        Permission.APPROVE,
        Permission.LISTS_READ,
        Permission.LISTS_PUBLISH,
        Permission.LISTS_SYNC,
        Permission.LISTS_FEEDBACK,
        Permission.MATCH,
        Permission.CHAT_SCORE,
        Permission.NODES_ASK,
        Permission.CRAWL,
        Permission.LEADS,
        Permission.CONVERSATIONS_READ,
    },
    Role.ADMINISTRATOR: _EVERYBODY
    | {
        Permission.ACCOUNTS,
        Permission.POLICY,
        Permission.APPROVE,
        Permission.LISTS_READ,
        Permission.NODES,
    },
    # Nobody who grades or settles: the log says what they must not know yet.
    Role.AUDITOR: _EVERYBODY | {Permission.AUDIT_READ},
    Role.LIST_MEMBER: _EVERYBODY
    | {
        Permission.LISTS_READ,
        Permission.LISTS_SYNC,
        Permission.LISTS_FEEDBACK,
        Permission.MATCH,
        Permission.CHAT_SCORE,
    },
    # Looks at sites and accounts, at no picture: no clear view, no grade.
    Role.INVESTIGATOR: _EVERYBODY
    | {
        Permission.CASE_LIST,
        Permission.CASE_READ,
        Permission.CASE_CREATE,
        Permission.CASE_CHANGE,
        Permission.EXPORT,
        Permission.LISTS_READ,
        Permission.CRAWL,
        Permission.LEADS,
        Permission.CONVERSATIONS_READ,
        Permission.CONVERSATIONS_WORK,
    },
}

# These are asked about a case, and only its team may.
OF_A_CASE: Final = frozenset(
    {
        Permission.CASE_READ,
        Permission.CASE_CHANGE,
        Permission.EVIDENCE_ADD,
        Permission.GRADE,
        Permission.VIEW_CLEAR,
        Permission.SERIES,
        Permission.EXPORT,
        Permission.EXPORT_MEDIA,
        Permission.DELETE_CASE,
        Permission.NODES_ASK,
        Permission.CRAWL,
        Permission.LEADS,
        Permission.CONVERSATIONS_READ,
        Permission.CONVERSATIONS_WORK,
    }
)
