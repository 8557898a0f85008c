"""Conversations that were taken into a case: who spoke, when, and what signs of risk they showed.

Words, names and names of files stand only sealed, under the key of their case, source and week
(`text_keys`). Scores are codes, points and numbers of messages: there is no text in them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tutela.store.columns import Key, Table, refers


class ChatImport(Table):
    """One source of conversations that was read into a case, such as a file of an export.

    `name` is sealed. `sha256` is of the source: the same one is taken once. `authority_id` is what
    the case stood under when it began; `left` counts what was left out, by reason. `ended_at` is
    null until all of it was read.
    """

    __tablename__ = "chat_imports"
    __table_args__ = (UniqueConstraint("case_id", "sha256"),)

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    format: Mapped[str]
    sha256: Mapped[bytes]
    name: Mapped[bytes | None]
    authority_id: Mapped[int] = mapped_column(ForeignKey("authorities.id"))
    text_key_id: Mapped[int] = mapped_column(ForeignKey("text_keys.id"), index=True)
    begun_at: Mapped[datetime]
    begun_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    ended_at: Mapped[datetime | None]
    conversations: Mapped[int]
    messages: Mapped[int]
    left: Mapped[dict[str, Any]]


class Conversation(Table):
    """A conversation, and how far people are with it.

    `tag` tells it from others of its import: a MAC of the export's id under the week's key.
    `signs` are codes of its heaviest pair that may alert, else of its heaviest; `troubles` counts
    what was repaired. `point` is what `alert` was decided by, `parts_sha256` names lexicon, weights
    and prototypes. `state` is `open`, `read`, `handed_over` (to `handed_to`) or `dismissed`.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("import_id", "tag"),
        Index("ix_conversations_order", "case_id", "points", "id"),
    )

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"))
    import_id: Mapped[int] = mapped_column(info=refers("chat_imports.id"))
    text_key_id: Mapped[int] = mapped_column(info=refers("text_keys.id"), index=True)
    tag: Mapped[bytes]
    name: Mapped[bytes | None]
    speakers: Mapped[int]
    messages: Mapped[int]
    first_at: Mapped[datetime | None]
    last_at: Mapped[datetime | None]
    troubles: Mapped[dict[str, Any]]
    points: Mapped[float]
    point: Mapped[float]
    alert: Mapped[bool]
    signs: Mapped[list[Any]]
    parts_sha256: Mapped[bytes]
    scored_at: Mapped[datetime | None]
    state: Mapped[str]
    handed_to: Mapped[int | None] = mapped_column(ForeignKey("cases.id"))
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    decided_at: Mapped[datetime | None]


class ConversationSpeaker(Table):
    """A speaker, by the number in which they came, from 0; the export's id and name are sealed.

    `age_band` is what a platform says: empty, `minor` or `adult`.
    """

    __tablename__ = "conversation_speakers"

    conversation_id: Mapped[int] = mapped_column(primary_key=True, info=refers("conversations.id"))
    number: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    name: Mapped[bytes | None]
    age_band: Mapped[str]


class ConversationMessage(Table):
    """A message, by its place in its conversation, from 0.

    `speaker` is null for what nobody said. `sealed` holds words, the export's id and files; of what
    was read of a site it is null: there `post_id` names the post that has the words.
    """

    __tablename__ = "conversation_messages"
    __table_args__ = (
        Index(
            "ix_conversation_messages_post",
            "post_id",
            sqlite_where=text("post_id IS NOT NULL"),
            postgresql_where=text("post_id IS NOT NULL"),
        ),
    )

    conversation_id: Mapped[int] = mapped_column(primary_key=True, info=refers("conversations.id"))
    number: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    speaker: Mapped[int | None]
    at: Mapped[datetime | None]
    deleted: Mapped[bool]
    system: Mapped[bool]
    replies_to: Mapped[int | None]
    files: Mapped[int]
    characters: Mapped[int]
    troubles: Mapped[str]
    sealed: Mapped[bytes | None]
    post_id: Mapped[int | None] = mapped_column(info=refers("posts.id"))


class ConversationPair(Table):
    """What signs one speaker showed towards another, the heaviest pair first.

    `reasons` are `{"sign", "stage", "points", "count", "shown": [{"number", "start", "end", "rule",
    "similarity"}]}`, `against` codes of what speaks against it.
    """

    __tablename__ = "conversation_pairs"

    conversation_id: Mapped[int] = mapped_column(primary_key=True, info=refers("conversations.id"))
    place: Mapped[int] = mapped_column(primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    author: Mapped[int]
    other: Mapped[int]
    points: Mapped[float]
    reasons: Mapped[list[Any]]
    against: Mapped[list[Any]]
    may_alert: Mapped[bool]
    crossed_at: Mapped[int | None]
    probability: Mapped[float | None]


class ChatFeedback(Table):
    """What a person says of a score: `true`, `false` or `unsure`; never changed, only added to.

    `message` is null, and `sign` empty, where it is about the whole. Points, alert and parts are as
    they were then: what is learnt from it must not depend on a later score.
    """

    __tablename__ = "chat_feedback"

    id: Mapped[Key]
    case_id: Mapped[int] = mapped_column(ForeignKey("cases.id"), index=True)
    conversation_id: Mapped[int] = mapped_column(info=refers("conversations.id"), index=True)
    message: Mapped[int | None]
    sign: Mapped[str]
    verdict: Mapped[str]
    points: Mapped[float]
    alert: Mapped[bool]
    parts_sha256: Mapped[bytes]
    given_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    given_at: Mapped[datetime]
