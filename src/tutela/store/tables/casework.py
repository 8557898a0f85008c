"""Cases: under which authority, which exhibits, which contents lay where, and what links them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tutela.store.columns import Key, Table


class Authority(Table):
    """The legal basis under which a case is worked on; outside its validity nothing is added."""

    __tablename__ = "authorities"

    id: Mapped[Key]
    legal_basis: Mapped[str]
    reference: Mapped[str]
    scope: Mapped[str]
    granted_by: Mapped[str]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime]


class Case(Table):
    """A case of one organisation; `state` is `open`, `closed` or `deleted`.

    `keeps_media` is false for a hash-only case; `extra` holds keys of an imported case that we do
    not know, for the way back.
    """

    __tablename__ = "cases"

    id: Mapped[Key]
    number: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    authority_id: Mapped[int] = mapped_column(ForeignKey("authorities.id"))
    scheme: Mapped[str]
    state: Mapped[str]
    keeps_media: Mapped[bool]
    legal_hold: Mapped[bool]
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    # Counts up with every change of grades, stacks or members: what was computed can be dated.
    generation: Mapped[int]
    extra: Mapped[dict[str, Any]]


class Exhibit(Table):
    """A seized thing, or a file of another system: where sightings come from.

    `state` is `adding` (resumable) or `complete`; the totals are those of its sightings.
    """

    __tablename__ = "exhibits"
    __table_args__ = (UniqueConstraint("case_id", "label"),)

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    label: Mapped[str]
    source: Mapped[str]
    device: Mapped[str]
    state: Mapped[str]
    seen: Mapped[int]
    hashed: Mapped[int]
    skipped: Mapped[int]
    failed: Mapped[int]
    size_bytes: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    extra: Mapped[dict[str, Any]]


class Media(Table):
    """One content, wherever it lay. `sha256` may be unknown for what another system told us.

    `kind` is the picture format or container kind, or empty; `pdq` and `scene` have 32 bytes.
    """

    __tablename__ = "media"
    __table_args__ = (
        Index("ix_media_camera", "camera_serial"),
        Index("ix_media_place", "latitude", "longitude"),
    )

    id: Mapped[Key]
    sha256: Mapped[bytes | None] = mapped_column(unique=True)
    sha1: Mapped[bytes | None] = mapped_column(index=True)
    md5: Mapped[bytes | None] = mapped_column(index=True)
    size_bytes: Mapped[int]
    kind: Mapped[str]
    is_picture: Mapped[bool]
    width: Mapped[int | None]
    height: Mapped[int | None]
    pdq: Mapped[bytes | None]
    pdq_quality: Mapped[int | None]
    scene: Mapped[bytes | None]
    camera_make: Mapped[str | None]
    camera_model: Mapped[str | None]
    camera_serial: Mapped[str | None]
    captured_at: Mapped[datetime | None]
    latitude: Mapped[float | None]
    longitude: Mapped[float | None]
    first_seen_at: Mapped[datetime]


class MediaFact(Table):
    """A named fact about a content (EXIF and the like), in the words of the one who read it."""

    __tablename__ = "media_facts"

    media_id: Mapped[int] = mapped_column(ForeignKey("media.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class Sighting(Table):
    r"""One place where a content lay, or something seen that has no content (skipped, failed).

    `ordinal` counts from 0 in walk order; `path` and the names in `inside` are text with `\xNN`
    for bytes that are no UTF-8; `place` is the SHA-256 of the place's bytes, unique in its exhibit.
    """

    __tablename__ = "sightings"
    __table_args__ = (
        UniqueConstraint("exhibit_id", "place"),
        Index("ix_sightings_exhibit_media", "exhibit_id", "media_id"),
    )

    id: Mapped[Key]
    exhibit_id: Mapped[int] = mapped_column(ForeignKey("exhibits.id"))
    media_id: Mapped[int | None] = mapped_column(ForeignKey("media.id"), index=True)
    ordinal: Mapped[int]
    place: Mapped[bytes]
    path: Mapped[str]
    inside: Mapped[list[Any]]
    status: Mapped[str]
    reason: Mapped[str]
    detail: Mapped[str]
    size_bytes: Mapped[int | None]
    modified_at: Mapped[datetime | None]
    deleted: Mapped[bool]
    extra: Mapped[dict[str, Any]]


class MediaHit(Table):
    """A media met a list entry: why it is known, or why it is looked at first."""

    __tablename__ = "media_hits"
    __table_args__ = (
        UniqueConstraint("case_id", "media_id", "list_name", "entry_number", "algorithm"),
    )

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id"), index=True)
    list_name: Mapped[str]
    role: Mapped[str]
    strength: Mapped[str]
    algorithm: Mapped[str]
    distance_bits: Mapped[int]
    variant: Mapped[str]
    entry_number: Mapped[int]
    classifications: Mapped[list[Any]]
    silenced: Mapped[bool]


class Stack(Table):
    """Media of one case that look alike: one decision. A media that is like no other has its own.

    `lead_media_id` is the one displayed; `cutoff_bits` the distance within which members lie. A
    lease keeps two graders from looking at the same thing.
    """

    __tablename__ = "stacks"

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    lead_media_id: Mapped[int] = mapped_column(ForeignKey("media.id"))
    size: Mapped[int]
    cutoff_bits: Mapped[int]
    leased_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    leased_until: Mapped[datetime | None]


class CaseMedia(Table):
    """A media in a case: where its grading stands.

    `state` is `open`, `known` (graded on arrival), `graded` (seen by a person), `inferred`
    (graded as a stack member that was not displayed) or `set_aside` (nothing to grade: no picture,
    ignorable). `code` is the grade in the case's scheme; `position` the order of review, dense from
    0 among pictures; `priority` orders work and never concludes, `reasons` say why.
    """

    __tablename__ = "case_media"
    # The first index answers the usual review question without a look at the rows themselves.
    __table_args__ = (
        Index("ix_case_media_review", "case_id", "position", "state", "stack_id", "media_id"),
        Index("ix_case_media_stack", "stack_id"),
    )

    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id"), primary_key=True, index=True)
    state: Mapped[str]
    code: Mapped[str | None]
    stack_id: Mapped[int | None] = mapped_column(ForeignKey("stacks.id"))
    position: Mapped[int | None]
    priority: Mapped[int]
    reasons: Mapped[list[Any]]
    sightings: Mapped[int]
    sampled: Mapped[bool]
    extra: Mapped[dict[str, Any]]


class Series(Table):
    """Media made together: same child, same place, same maker."""

    __tablename__ = "series"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))


class SeriesMedia(Table):
    """A media of a series, and why it was put there."""

    __tablename__ = "series_media"

    series_id: Mapped[int] = mapped_column(ForeignKey("series.id"), primary_key=True)
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id"), primary_key=True, index=True)
    reason: Mapped[str]


class Victim(Table):
    """A child, by a pseudonym; a name is never kept here.

    `state` is `unidentified`, `identified` or `safe`.
    """

    __tablename__ = "victims"

    id: Mapped[Key]
    pseudonym: Mapped[str] = mapped_column(unique=True)
    state: Mapped[str]
    reference: Mapped[str]
    created_at: Mapped[datetime]


class VictimMedia(Table):
    """A media in which a victim is depicted."""

    __tablename__ = "victim_media"

    victim_id: Mapped[int] = mapped_column(ForeignKey("victims.id"), primary_key=True)
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id"), primary_key=True, index=True)


class Note(Table):
    """What a person wrote about something; `subject` is `case:3`, `media:12`, `series:1` ..."""

    __tablename__ = "notes"

    id: Mapped[Key]
    case_id: Mapped[int | None] = mapped_column(ForeignKey("cases.id"), index=True)
    subject: Mapped[str] = mapped_column(index=True)
    text: Mapped[str]
    written_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    written_at: Mapped[datetime]


class Tag(Table):
    """A word on a media within a case."""

    __tablename__ = "tags"

    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), primary_key=True)
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id"), primary_key=True, index=True)
    name: Mapped[str] = mapped_column(primary_key=True)
