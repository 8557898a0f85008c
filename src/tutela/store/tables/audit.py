"""The audit log: leaves that are only ever appended, the head of the tree, signed checkpoints."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from tutela.store.columns import Table


class AuditEvent(Table):
    """One leaf. `seq` counts from 0 without a gap; `body` is the canonical JSON that was hashed.

    The other columns repeat what the body says, for searching; verification compares them.
    """

    __tablename__ = "audit_events"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    account_id: Mapped[int | None] = mapped_column(index=True)
    action: Mapped[str] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(index=True)
    body: Mapped[bytes]
    leaf_hash: Mapped[bytes]


class AuditHead(Table):
    """The one row that every append locks: size, frontier (32 bytes a full subtree) and root."""

    __tablename__ = "audit_heads"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int]
    frontier: Mapped[bytes]
    root: Mapped[bytes]


class AuditText(Table):
    """Words that a leaf only commits to (salted SHA-256), so that they can be erased lawfully."""

    __tablename__ = "audit_texts"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(primary_key=True)
    salt: Mapped[bytes]
    text: Mapped[str]


class AuditCheckpoint(Table):
    """A signed note over the tree at one size (C2SP tlog-checkpoint), with any co-signatures."""

    __tablename__ = "audit_checkpoints"

    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    note: Mapped[str]
