"""Partner nodes: installations of other nations, what was told to them and what they told us."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from tutela.store.columns import Key, Table, refers


class Node(Table):
    """An installation of another nation.

    `pin` is the SHA-256 of its public key (SubjectPublicKeyInfo), `certificate` the PEM text with
    that key; `organisation_id` the organisation that stands for the nation here. `may_ask`,
    `votes`, `hears` (our votes) and `asks_per_day` are what it may; `wants` names its lists that
    are followed here. `asked` contents were asked about on `asked_day`, and on `capped_day` more
    than it may.

    Messages to it are numbered from 1 within `out_stream`, those from it within `in_stream` (null
    until the first came); both are 16 random bytes. With `in_open` it may begin a new run of
    numbers, once. `told_seq` is the event of our log up to which
    its nation was told our votes, -1 for none. `heard_at` is when it last answered, `trouble` the
    code of what went wrong since, empty for nothing.
    """

    __tablename__ = "nodes"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)
    country: Mapped[str]
    url: Mapped[str]
    contact: Mapped[str]
    certificate: Mapped[str]
    pin: Mapped[bytes] = mapped_column(unique=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), unique=True)
    may_ask: Mapped[bool]
    votes: Mapped[bool]
    hears: Mapped[bool]
    wants: Mapped[list[Any]]
    asks_per_day: Mapped[int]
    asked_day: Mapped[datetime | None]
    asked: Mapped[int]
    capped_day: Mapped[datetime | None]
    out_stream: Mapped[bytes]
    out_number: Mapped[int]
    in_stream: Mapped[bytes | None]
    in_number: Mapped[int]
    in_open: Mapped[bool]
    told_seq: Mapped[int]
    heard_at: Mapped[datetime | None]
    trouble: Mapped[str]
    added_at: Mapped[datetime]
    added_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    removed_at: Mapped[datetime | None]


class NodeSent(Table):
    """A message to a node, as it is sent until it is answered.

    `about` says what of ours each of its contents is: that does not leave the house.
    """

    __tablename__ = "node_sent"
    __table_args__ = (Index("ix_node_sent_waiting", "node_id", "answered_at"),)

    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"), primary_key=True)
    stream: Mapped[bytes] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    message: Mapped[bytes]
    about: Mapped[list[Any]]
    made_at: Mapped[datetime]
    made_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("cases.id"), index=True)
    answered_at: Mapped[datetime | None]
    answer: Mapped[bytes | None]


class NodeTaken(Table):
    """A message from a node: the SHA-256 of what came, and what was answered."""

    __tablename__ = "node_taken"

    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"), primary_key=True)
    stream: Mapped[bytes] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    sha256: Mapped[bytes]
    answer: Mapped[bytes]
    taken_at: Mapped[datetime]


class NodePointer(Table):
    """A reference that a node was given for something known here; only we know what it is.

    `media_id` is what the cases hold, null where `entry` of a list of the library is what is known.
    `purpose` is why the node asked, in its words.
    """

    __tablename__ = "node_pointers"

    reference: Mapped[str] = mapped_column(primary_key=True)
    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"), index=True)
    media_id: Mapped[int | None] = mapped_column(info=refers("media.id"), index=True)
    entry: Mapped[str]
    purpose: Mapped[str]
    at: Mapped[datetime]


class NodeTold(Table):
    """Which vote of our nation a node was told of a media last; `code` null for none any more.

    It is empty where it is not known what the node has: it is told anew, also that there is none.
    """

    __tablename__ = "node_told"

    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"), primary_key=True)
    media_id: Mapped[int] = mapped_column(primary_key=True, info=refers("media.id"))
    scheme: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str | None]


class NodeVote(Table):
    """The vote of a node's nation on a content, whether it is here or not; `code` null for none.

    `counted` tells whether it is among the votes on the media; one of a content that is not here,
    or of a scheme or code that is not known here, waits.
    """

    __tablename__ = "node_votes"
    __table_args__ = (
        Index("ix_node_votes_sha256", "sha256"),
        Index("ix_node_votes_at", "at"),
    )

    node_id: Mapped[int] = mapped_column(ForeignKey("nodes.id"), primary_key=True)
    sha256: Mapped[bytes] = mapped_column(primary_key=True)
    scheme: Mapped[str] = mapped_column(primary_key=True)
    code: Mapped[str | None]
    counted: Mapped[bool]
    at: Mapped[datetime]
