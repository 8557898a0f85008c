"""Values of casework: what is read out of the database, frozen; no I/O."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from tutela.core.ids import (
    AccountId,
    AuthorityId,
    CaseId,
    ExhibitId,
    MediaId,
    OrganisationId,
    SeriesId,
    StackId,
    VictimId,
)


class CaseState(enum.StrEnum):
    """Where a case stands. A deleted one leaves its number, its totals and the log."""

    OPEN = "open"
    CLOSED = "closed"
    DELETED = "deleted"


class MediaState(enum.StrEnum):
    """Where the grading of a media in a case stands."""

    OPEN = "open"
    KNOWN = "known"
    GRADED = "graded"
    INFERRED = "inferred"
    SET_ASIDE = "set_aside"


class ExhibitState(enum.StrEnum):
    """Whether all of an exhibit has been taken in."""

    ADDING = "adding"
    COMPLETE = "complete"


class NewAuthority(msgspec.Struct, frozen=True, kw_only=True):
    """The legal basis of a case, as it is recorded: what allows the work, from when to when."""

    legal_basis: str
    reference: str
    scope: str
    granted_by: str
    valid_from: datetime
    valid_until: datetime


class AuthorityInfo(NewAuthority, frozen=True, kw_only=True):
    """A recorded authority."""

    id: AuthorityId

    def valid_at(self, moment: datetime) -> bool:
        """Tell whether it allows work at `moment`; its last moment is excluded."""
        return self.valid_from <= moment < self.valid_until


class CaseInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A case. `generation` counts up whenever grades, stacks or members change."""

    id: CaseId
    number: str
    title: str
    organisation_id: OrganisationId
    authority: AuthorityInfo
    scheme: str
    state: CaseState
    keeps_media: bool
    legal_hold: bool
    created_at: datetime
    created_by: AccountId | None
    generation: int


class ExhibitInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An exhibit and the totals of its sightings: seen = hashed + skipped + failed."""

    id: ExhibitId
    case_id: CaseId
    label: str
    source: str
    device: str
    state: ExhibitState
    seen: int
    hashed: int
    skipped: int
    failed: int
    size_bytes: int
    started_at: datetime
    finished_at: datetime | None


class Reason(msgspec.Struct, frozen=True):
    """Why something comes earlier, is known, or is set aside: a key for texts, and its values."""

    key: str
    values: dict[str, int | str] = {}


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A media as the review shows it; never what other organisations said.

    `number` counts from 1 in the order of review (0 where it has no place there); `code` is the
    grade in the case's scheme, withheld while a blind second reading is open; `basis` says how
    the last grade came about.
    """

    media_id: MediaId
    number: int
    state: MediaState
    code: str | None
    basis: str
    stack_id: StackId | None
    stack_size: int
    is_lead: bool
    is_picture: bool
    kind: str
    width: int | None
    height: int | None
    size_bytes: int
    captured_at: datetime | None
    sightings: int
    priority: int
    reasons: tuple[Reason, ...]
    tags: tuple[str, ...]
    leased_by_other: bool
    has_thumbnail: bool
    has_original: bool
    second_reading: bool


class StackInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Media of one case that look alike: all members lie within `cutoff_bits` of the lead."""

    id: StackId
    lead_media_id: MediaId
    size: int
    cutoff_bits: int
    leased_by: AccountId | None
    leased_until: datetime | None


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One place where a media lay."""

    exhibit: str
    path: str
    inside: tuple[str, ...]
    status: str
    reason: str
    modified_at: datetime | None
    deleted: bool


class HitInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A list entry that a media met: it explains, and never concludes."""

    list_name: str
    role: str
    strength: str
    algorithm: str
    distance_bits: int
    variant: str
    entry_number: int
    classifications: tuple[tuple[str, str], ...]
    silenced: bool


class NoteInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wrote."""

    id: int
    subject: str
    text: str
    written_by: AccountId | None
    written_at: datetime


class SeriesInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A series and how many media of the case asked about are in it."""

    id: SeriesId
    name: str
    media: int


class VictimInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A child, by a pseudonym, and how many media of the case asked about depict it."""

    id: VictimId
    pseudonym: str
    state: str
    reference: str
    media: int


class Totals(msgspec.Struct, frozen=True, kw_only=True):
    """Where the media of a case stand; `by_code` counts those that have a grade.

    Those whose grade who asks is yet to read blind are in `withheld` instead.
    """

    media: int
    pictures: int
    by_state: dict[str, int]
    by_code: dict[str, int]
    withheld: int
