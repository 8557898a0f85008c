"""What contributors propose for a list, and wait for: the owner's queue, or one's own proposals."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, select

from tutela.core.ids import EntryId, OrganisationId
from tutela.core.media import Digests, Fingerprint
from tutela.core.principal import Principal
from tutela.exchange import changes, lists
from tutela.exchange.candidate import values
from tutela.exchange.model import Coded, Content, EntryState, ListView, MemberPermission
from tutela.store.tables.access import Organisation
from tutela.store.tables.exchange import ListedEntry


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that waits for its owner; `source` is the organisation that proposes it."""

    id: EntryId
    content: Content
    digests: Digests
    fingerprints: tuple[Fingerprint, ...]
    codes: tuple[Coded, ...]
    tags: tuple[str, ...]
    source_id: OrganisationId
    source: str
    reference: str
    proposed_at: datetime


def waiting(
    tx: Connection, who: Principal, view: ListView, limit: int = 100, after: EntryId | None = None
) -> list[Proposal]:
    """Return proposals for a list, the oldest first: all for who manages it, else one's own.

    Raises:
        AccessError: `who` may not publish, or only reads the list.
    """
    lists.managed(tx, who, view.id, MemberPermission.CONTRIBUTE)
    asked = (
        select(ListedEntry.__table__, Organisation.name.label("source"))
        .join(Organisation, Organisation.id == ListedEntry.source_id)
        .where(*_waiting(who, view), ListedEntry.id > (after or 0))
        .order_by(ListedEntry.id)
        .limit(limit)
    )
    rows = tx.execute(asked).all()
    codes = changes.codes_of(tx, [row.id for row in rows])
    return [_proposal(row, tuple(codes.get(row.id, ()))) for row in rows]


def count(tx: Connection, who: Principal, view: ListView) -> int:
    """Return how many proposals wait; none for who only reads.

    Raises:
        AccessError: `who` may not publish.
    """
    if view.permission is MemberPermission.READ:
        return 0
    lists.managed(tx, who, view.id, MemberPermission.CONTRIBUTE)
    asked = select(func.count()).select_from(ListedEntry).where(*_waiting(who, view))
    return tx.execute(asked).scalar_one()


def _waiting(who: Principal, view: ListView) -> list[ColumnElement[bool]]:
    found = [
        ListedEntry.list_id == view.id,
        ListedEntry.state == EntryState.PROPOSED.value,
    ]
    if view.permission is not MemberPermission.MANAGE:
        found.append(ListedEntry.source_id == who.organisation_id)
    return found


def _proposal(row: Row[Any], codes: tuple[Coded, ...]) -> Proposal:
    digests, fingerprints = values(row)
    return Proposal(
        id=EntryId(row.id),
        content=Content(row.content),
        digests=digests,
        fingerprints=fingerprints,
        codes=codes,
        tags=tuple(row.tags),
        source_id=OrganisationId(row.source_id),
        source=row.source,
        reference=row.reference,
        proposed_at=row.created_at,
    )
