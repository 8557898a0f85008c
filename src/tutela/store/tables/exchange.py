"""Lists that are published: owners, members, what is on them, and what members say of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tutela.store.columns import Key, Table, refers


class PublishedList(Table):
    """A list of fingerprints that its owner gives to members.

    `role` is what a match with it means (`alert`, `ignorable`, `allow`), `radius_bits` the PDQ
    distance up to which it does; `state` is `open` or `closed`; `generation` the last one sealed.
    """

    __tablename__ = "published_lists"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    purpose: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), index=True)
    role: Mapped[str]
    radius_bits: Mapped[int]
    state: Mapped[str]
    generation: Mapped[int]
    created_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))


class ListMember(Table):
    """An organisation that may use a list.

    `permission` is `read`, `contribute` (adds entries) or `manage`; `jurisdictions` limits what it
    gets to entries classified under one of them, empty means all. `recipient` is the age public key
    to which generations are encrypted, null for who asks the servers only.
    """

    __tablename__ = "list_members"

    list_id: Mapped[int] = mapped_column(ForeignKey("published_lists.id"), primary_key=True)
    organisation_id: Mapped[int] = mapped_column(
        ForeignKey("organisations.id"), primary_key=True, index=True
    )
    permission: Mapped[str]
    jurisdictions: Mapped[list[Any]]
    recipient: Mapped[str | None]
    added_at: Mapped[datetime]
    added_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    removed_at: Mapped[datetime | None]


class ListedEntry(Table):
    """One content on a list, with its values, its origin and where it stands.

    `identity` names the content within the list: the same values added again are the same entry.
    `content` is `image` or `video`; `others` holds values of other algorithms as text, by
    algorithm; `state` is `proposed`, `active`, `disputed`, `withdrawn` or `deleted`. `source_id` is
    the organisation that contributed it, `origin` how (`grade`, `import`, `member`), `media_id` the
    media that was graded. `change` and `changed_at` are those of the last change and grow over the
    whole installation.
    """

    __tablename__ = "listed_entries"
    __table_args__ = (
        UniqueConstraint("list_id", "identity"),
        Index("ix_listed_entries_change", "list_id", "change"),
        Index("ix_listed_entries_changed_at", "list_id", "changed_at", "id"),
    )

    id: Mapped[Key]
    list_id: Mapped[int] = mapped_column(ForeignKey("published_lists.id"))
    identity: Mapped[bytes]
    content: Mapped[str]
    sha256: Mapped[bytes | None] = mapped_column(index=True)
    sha1: Mapped[bytes | None]
    md5: Mapped[bytes | None] = mapped_column(index=True)
    pdq: Mapped[bytes | None] = mapped_column(index=True)
    pdq_quality: Mapped[int | None]
    others: Mapped[dict[str, Any]]
    tags: Mapped[list[Any]]
    state: Mapped[str]
    source_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    origin: Mapped[str]
    reference: Mapped[str]
    media_id: Mapped[int | None] = mapped_column(info=refers("media.id"), index=True)
    change: Mapped[int]
    changed_at: Mapped[datetime]
    created_at: Mapped[datetime]
    extra: Mapped[dict[str, Any]]


class EntryCode(Table):
    """What an entry is under a scheme, by the law of a jurisdiction (ISO 3166-1, or `INT`)."""

    __tablename__ = "listed_entry_codes"

    entry_id: Mapped[int] = mapped_column(ForeignKey("listed_entries.id"), primary_key=True)
    jurisdiction: Mapped[str] = mapped_column(primary_key=True)
    scheme: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str]


class ExchangeHead(Table):
    """The one row that every change of an entry locks, so that changes have one order.

    `answered_until` is the latest moment up to which a client was told everything: whatever is
    changed afterwards is dated later, so that a client who goes on from there misses nothing.
    """

    __tablename__ = "exchange_head"

    id: Mapped[int] = mapped_column(primary_key=True)
    change: Mapped[int]
    changed_at: Mapped[datetime]
    answered_until: Mapped[datetime]


class ListGeneration(Table):
    """A numbered state of a list: all changes up to `change`; counts are those of the list then."""

    __tablename__ = "list_generations"

    list_id: Mapped[int] = mapped_column(ForeignKey("published_lists.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    change: Mapped[int]
    active: Mapped[int]
    added: Mapped[int]
    removed: Mapped[int]
    sealed_at: Mapped[datetime]
    sealed_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    published_at: Mapped[datetime | None]


class Feedback(Table):
    """What a member says of an entry; the last word of each member on each algorithm counts.

    `verdict` is `confirm`, `dispute` or `false_positive`; `state` is `open`, `accepted` or
    `declined` (by the owner). `algorithm` is the value that matched, empty for the entry as such.
    """

    __tablename__ = "list_feedback"
    __table_args__ = (
        UniqueConstraint("entry_id", "organisation_id", "algorithm"),
        Index("ix_list_feedback_state", "list_id", "state", "id"),
    )

    id: Mapped[Key]
    list_id: Mapped[int] = mapped_column(ForeignKey("published_lists.id"))
    entry_id: Mapped[int] = mapped_column(ForeignKey("listed_entries.id"))
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    algorithm: Mapped[str]
    verdict: Mapped[str]
    reasons: Mapped[list[Any]]
    note: Mapped[str]
    at: Mapped[datetime]
    state: Mapped[str]
    answered_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    answered_at: Mapped[datetime | None]
