"""What references stand for: the contact is asked about one, and finds what is meant."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import Connection, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.core.errors import UsageError
from tutela.core.principal import Principal, Via
from tutela.store.tables.access import CaseMember
from tutela.store.tables.casework import Case, CaseMedia
from tutela.store.tables.federation import Node, NodePointer


class Pointed(msgspec.Struct, frozen=True, kw_only=True):
    """A reference that a node was given; `cases` are those of one's own teams that hold it."""

    reference: str
    node: str
    purpose: str
    at: datetime
    media_id: int | None
    entry: str
    cases: tuple[str, ...]


def resolve(tx: Connection, who: Principal, reference: str) -> Pointed:
    """Return what a reference stands for.

    Raises:
        AccessError: `who` may not see cases.
        UsageError: it is none that this installation gave, or what it stands for lies only in
            cases of other teams: the same refusal.
    """
    require(tx, who, Permission.CASE_LIST)
    row = tx.execute(
        select(NodePointer.__table__, Node.name)
        .join(Node, Node.id == NodePointer.node_id)
        .where(NodePointer.reference == reference.strip().lower())
    ).one_or_none()
    held = () if row is None or row.media_id is None else _cases(tx, who, row.media_id)
    if row is None or (row.media_id is not None and not held):
        raise UsageError(
            "there is no such reference for you",
            code="not_found",
            hint="ask a supervisor whose cases it may concern",
        )
    return Pointed(
        reference=row.reference,
        node=row.name,
        purpose=row.purpose,
        at=row.at,
        media_id=row.media_id,
        entry=row.entry,
        cases=held,
    )


def _cases(tx: Connection, who: Principal, media_id: int) -> tuple[str, ...]:
    asked = select(Case.number).join(CaseMedia, CaseMedia.case_id == Case.id)
    if who.via is not Via.BREAK_GLASS:
        teams = select(CaseMember.case_id).where(CaseMember.account_id == who.account_id)
        asked = asked.where(Case.id.in_(teams))
    rows = tx.execute(asked.where(CaseMedia.media_id == media_id).order_by(Case.number))
    return tuple(rows.scalars())
