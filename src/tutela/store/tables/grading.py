"""Grades as they were given, the vote that counts of each organisation, and what votes agree on."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tutela.store.columns import Key, Table, refers


class Grade(Table):
    """A grade that was given; history, never changed.

    `basis` is `viewed` (a vote), `known` (an exact match of a trusted entry), `inferred` (a stack
    member that was not displayed), `imported` (another system's word), `second` (a blind second
    reading), `adjudicated`, `cleared` (taken back: `code` is null), `undone` (`code` is what
    stands again) or `partner` (the vote of another nation; `code` is null where it took it back).
    `facets` are the axes chosen (generation, self-generated, ...), `law` the jurisdiction whose law
    was applied.
    """

    __tablename__ = "grades"
    __table_args__ = (Index("ix_grades_media", "media_id", "scheme"),)

    id: Mapped[Key]
    media_id: Mapped[int] = mapped_column(info=refers("media.id"))
    case_id: Mapped[int | None] = mapped_column(index=True, info=refers("cases.id"))
    organisation_id: Mapped[int] = mapped_column(info=refers("organisations.id"))
    account_id: Mapped[int | None] = mapped_column(info=refers("accounts.id"))
    scheme: Mapped[str]
    code: Mapped[str | None]
    facets: Mapped[dict[str, Any]]
    law: Mapped[str]
    basis: Mapped[str]
    at: Mapped[datetime]


class GradingAct(Table):
    """One call that graded, cleared or undid: what a retry of it is answered, and what undo needs.

    `kind` is `give`, `clear` or `undo`; `request` is the key that the client chose, `digest` the
    SHA-256 of what it asked. `answer` lists what was given; `before` has one entry a decision, with
    what stood before it (both MessagePack, nobody searches them); `left` counts the decisions that
    can still be taken back.
    """

    __tablename__ = "grading_acts"
    __table_args__ = (
        UniqueConstraint("account_id", "request"),
        Index("ix_grading_acts_last", "account_id", "case_id", "id"),
    )

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    kind: Mapped[str]
    request: Mapped[str | None]
    digest: Mapped[bytes]
    at: Mapped[datetime]
    answer: Mapped[bytes]
    before: Mapped[bytes]
    left: Mapped[int]


class Vote(Table):
    """The one vote of an organisation on a media under a scheme: its last `viewed` grade."""

    __tablename__ = "votes"

    media_id: Mapped[int] = mapped_column(primary_key=True, info=refers("media.id"))
    scheme: Mapped[str] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(primary_key=True, info=refers("organisations.id"))
    grade_id: Mapped[int] = mapped_column(info=refers("grades.id"))
    code: Mapped[str]


class Agreement(Table):
    """What the votes on a media under a scheme come to.

    `state` is `indicative`, `trusted` or `disputed`; `code` is null while disputed. An
    adjudication settles a dispute: `adjudicated_by` says who.
    """

    __tablename__ = "agreements"
    __table_args__ = (Index("ix_agreements_state", "state", "scheme"),)

    media_id: Mapped[int] = mapped_column(primary_key=True, info=refers("media.id"))
    scheme: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    code: Mapped[str | None]
    votes: Mapped[int]
    updated_at: Mapped[datetime]
    adjudicated_by: Mapped[int | None] = mapped_column(info=refers("accounts.id"))


class SecondReading(Table):
    """A media to be graded again by someone who does not see the first grade.

    `reason` is `sample` (quality control), `known_sample`, or `asked`; `state` is `open`, `agreed`,
    `differed`, `settled` (differed, and a supervisor decided) or `withdrawn` (the first grade was
    taken back).
    """

    __tablename__ = "second_readings"
    # Asked for each page of the review: the media at hand, and whether a reading of it is alive.
    __table_args__ = (Index("ix_second_readings_media", "media_id", "state"),)

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id"))
    first_account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    first_code: Mapped[str | None]
    reason: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    second_account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    second_code: Mapped[str | None]
    asked_at: Mapped[datetime]
    read_at: Mapped[datetime | None]


class SchemeCode(Table):
    """A code that an agency filled into a profile whose numbers are not public."""

    __tablename__ = "scheme_codes"

    scheme: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    label: Mapped[str]
    meaning: Mapped[str]
    illegal: Mapped[bool]
    source: Mapped[str]


class View(Table):
    """A picture was shown clear to a person: the exposure meter (the audit log has it too)."""

    __tablename__ = "views"
    __table_args__ = (Index("ix_views_account", "account_id", "at"),)

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id"))
    at: Mapped[datetime]
    reason: Mapped[str]
