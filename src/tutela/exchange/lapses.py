"""Entries whose grades lapsed: what they rest on is not trusted any more.

Votes change without a thought of lists. So a watch looks every minute for such entries and marks
them as disputed, and no generation is sealed before that was looked for.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, and_, exists, func, select

from tutela.casework import scheme as schemes
from tutela.casework.agreement import AgreementState
from tutela.core.entry import Role
from tutela.core.ids import EntryId, ListId
from tutela.core.principal import SYSTEM
from tutela.exchange import entries
from tutela.exchange.model import EntryState
from tutela.store import Database
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.exchange import EntryCode, ListedEntry, PublishedList
from tutela.store.tables.grading import Agreement

REASON = "the votes on it do not say so any more"


def fitting(tx: Connection, scheme: str, role: Role) -> list[str]:
    """Return the codes by which a content may be on such a list: for alerts, the illegal ones.

    Raises:
        UsageError: there is no such scheme.
    """
    alert = role is Role.ALERT
    return [code.code for code in schemes.load(tx, scheme).codes if code.illegal == alert]


def under(tx: Connection, list_id: ListId, scheme: str, codes: Sequence[str]) -> list[EntryId]:
    """Return active entries from grades under a scheme that nobody trusts to be of those codes."""
    still = and_(
        Agreement.media_id == ListedEntry.media_id,
        Agreement.scheme == scheme,
        Agreement.state == AgreementState.TRUSTED,
        Agreement.code.in_(codes),
    )
    coded = and_(EntryCode.entry_id == ListedEntry.id, EntryCode.scheme == scheme)
    rows = tx.execute(
        select(ListedEntry.id)
        .where(*_graded(list_id), exists().where(coded), ~exists().where(still))
        .order_by(ListedEntry.id)
    )
    return [EntryId(number) for number in rows.scalars()]


def found(tx: Connection, list_id: ListId, role: Role) -> set[EntryId]:
    """Return all entries of a list whose grades lapsed. Asks nobody's permission."""
    used = select(EntryCode.scheme).join(ListedEntry, ListedEntry.id == EntryCode.entry_id)
    names = tx.execute(used.where(*_graded(list_id)).distinct()).scalars().all()
    return {one for name in names for one in under(tx, list_id, name, fitting(tx, name, role))}


def mark(tx: Connection, list_id: ListId, role: Role) -> int:
    """Mark them as disputed, as the system; return how many."""
    lapsed = found(tx, list_id, role)
    return entries.dispute(tx, SYSTEM, list_id, lapsed, REASON) if lapsed else 0


class Watch:
    """Looks on all lists for entries whose grades lapsed, whenever agreements have changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heeded = -1  # events of the log up to this one

    def look(self) -> int:
        """Mark what lapsed until now; return how many entries became disputed."""
        with self._database.read() as tx:
            last = tx.execute(select(func.max(AuditEvent.seq))).scalar()
            wanted = _lists(tx) if self._moved(tx) else []
            wanted = [(number, role) for number, role in wanted if found(tx, number, role)]
        count = 0
        for number, role in wanted:
            with self._database.write() as tx:
                count += mark(tx, number, role)
        self._heeded = -1 if last is None else last
        return count

    def _moved(self, tx: Connection) -> bool:
        if self._heeded < 0:
            return True
        since = AuditEvent.seq > self._heeded
        asked = exists().where(since, AuditEvent.action.startswith("agreement."))
        return bool(tx.execute(select(asked)).scalar())


def _lists(tx: Connection) -> list[tuple[ListId, Role]]:
    rows = tx.execute(select(PublishedList.id, PublishedList.role).order_by(PublishedList.id))
    return [(ListId(number), Role(role)) for number, role in rows]


def _graded(list_id: ListId) -> tuple[ColumnElement[bool], ...]:
    return (
        ListedEntry.list_id == list_id,
        ListedEntry.origin == "grade",
        ListedEntry.state == EntryState.ACTIVE.value,
    )
