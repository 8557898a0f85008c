"""What the evidence vault holds. Object keys are not here: a backup must not be able to open it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from tutela.store.columns import Table


class VaultObject(Table):
    """One encrypted object: `kind` is `original`, `thumbnail` (blurred, small) or `sheet`.

    A media has one of each kind in the whole installation, beside those that were shredded.
    """

    __tablename__ = "vault_objects"
    __table_args__ = (
        Index(
            "ix_vault_objects_live",
            "media_id",
            "kind",
            unique=True,
            sqlite_where=text("shredded_at IS NULL"),
            postgresql_where=text("shredded_at IS NULL"),
        ),
        Index("ix_vault_objects_media", "media_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id"))
    kind: Mapped[str]
    size_bytes: Mapped[int]
    created_at: Mapped[datetime]
    shredded_at: Mapped[datetime | None]
