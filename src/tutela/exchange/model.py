"""What is exchanged: lists, their members, their entries, and what members say of them."""

from __future__ import annotations

import enum
import re
from datetime import datetime

import msgspec

from tutela.core import entry as core_entry
from tutela.core.entry import Role
from tutela.core.ids import EntryId, FeedbackId, ListId, OrganisationId
from tutela.core.media import Digests, Fingerprint

# Under no country's law: what a scheme says wherever it is used.
INTERNATIONAL = "INT"
_COUNTRY = re.compile(r"[A-Z]{2}")  # ISO 3166-1 alpha-2

Coded = core_entry.Coded


class EntryState(enum.StrEnum):
    """Where an entry stands. Members get `ACTIVE` ones, and are told when one ceases to be.

    `PROPOSED`: waits for its owner. `DECLINED`: the owner did not take it. `DISPUTED`: a member or
    a vote disagrees; it still matches where it was active. `WITHDRAWN`: does not match any more,
    its origin stays known. `DELETED`: nothing of it is kept but its number.
    """

    PROPOSED = "proposed"
    DECLINED = "declined"
    ACTIVE = "active"
    DISPUTED = "disputed"
    WITHDRAWN = "withdrawn"
    DELETED = "deleted"


# In these an entry matches and is served.
SERVED = frozenset({EntryState.ACTIVE, EntryState.DISPUTED})
# In these it never was, and no member is told that it is there.
UNTOLD = frozenset({EntryState.PROPOSED, EntryState.DECLINED})


class Content(enum.StrEnum):
    """What kind of content an entry names."""

    IMAGE = "image"
    VIDEO = "video"


class MemberPermission(enum.StrEnum):
    """What a member may do with a list; each includes those before it."""

    READ = "read"
    CONTRIBUTE = "contribute"
    MANAGE = "manage"


class Verdict(enum.StrEnum):
    """What a member says of an entry."""

    CONFIRM = "confirm"
    DISPUTE = "dispute"
    FALSE_POSITIVE = "false_positive"


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as the installation keeps it and as members get it.

    `change` and `changed_at` order all changes of the installation; `source` is the name of the
    organisation that contributed it. Values of algorithms that we do not compute are in
    `fingerprints` as well (PhotoDNA: raw bytes).
    """

    id: EntryId
    list_id: ListId
    content: Content
    state: EntryState
    digests: Digests
    fingerprints: tuple[Fingerprint, ...] = ()
    codes: tuple[Coded, ...] = ()
    tags: tuple[str, ...] = ()
    source_id: OrganisationId
    source: str
    reference: str = ""
    change: int
    changed_at: datetime


class ListView(msgspec.Struct, frozen=True, kw_only=True):
    """A list as somebody sees it; `permission` and `jurisdictions` are those of their membership.

    An owner's permission is `MANAGE` and its jurisdictions are empty, which means all.
    """

    id: ListId
    name: str
    title: str
    purpose: str
    owner_id: OrganisationId
    owner: str
    role: Role
    radius_bits: int
    state: str
    generation: int
    permission: MemberPermission
    jurisdictions: frozenset[str] = frozenset()


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a list; `recipient` is its age public key, empty where it has none."""

    organisation_id: OrganisationId
    organisation: str
    permission: MemberPermission
    jurisdictions: frozenset[str]
    recipient: str
    added_at: datetime


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Feedback of one member on one entry."""

    id: FeedbackId
    list_id: ListId
    entry_id: EntryId
    organisation_id: OrganisationId
    organisation: str
    algorithm: str
    verdict: Verdict
    reasons: tuple[str, ...]
    note: str
    at: datetime
    state: str


def is_jurisdiction(word: str) -> bool:
    """Tell whether a word names a law: two capitals, or `INT`."""
    return word == INTERNATIONAL or _COUNTRY.fullmatch(word) is not None
