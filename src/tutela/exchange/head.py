"""The order of all changes: one row that every change of an entry locks until it is committed.

Changes are numbered and dated under that lock, so what a reader sees is always a whole beginning of
them. Dates grow, and are later than any moment up to which a client was told everything: a client
that asks by time, and goes on where it stopped, misses nothing, not even within one second.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Row, select, update

from tutela.core.ids import ListId
from tutela.core.time import now
from tutela.store.bulk import Columns, insert_rows, update_rows
from tutela.store.tables.exchange import ExchangeHead, ListedEntry

_SECOND = timedelta(seconds=1)
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)


class Turn(NamedTuple):
    """What the next changes get: their first number, and their date."""

    change: int
    at: datetime


def last(tx: Connection) -> int:
    """Return the number of the last change, 0 where there was none."""
    return tx.execute(select(ExchangeHead.change).where(ExchangeHead.id == 1)).scalar() or 0


def hold(tx: Connection) -> None:
    """Lock the order until the end of the transaction: what is read from here on stays so."""
    _locked(tx)


def take(tx: Connection, count: int) -> Turn:
    """Lock the order as `hold` does; take numbers for changes of one moment."""
    row = _locked(tx)
    at = max(now(), row.changed_at, row.answered_until + _SECOND)
    tx.execute(
        update(ExchangeHead)
        .where(ExchangeHead.id == 1)
        .values(change=row.change + count, changed_at=at)
    )
    return Turn(row.change + 1, at)


def touch(tx: Connection, list_id: ListId) -> None:
    """Let every entry of a list count as changed: somebody may see others of them from now on."""
    wanted = select(ListedEntry.id).where(ListedEntry.list_id == list_id).order_by(ListedEntry.id)
    numbers: Sequence[int] = tx.execute(wanted).scalars().all()
    if numbers:
        turn = take(tx, len(numbers))
        changes = list(range(turn.change, turn.change + len(numbers)))
        given = Columns({"id": numbers, "change": changes}, {"changed_at": turn.at})
        update_rows(tx, ListedEntry, given)


def answer_until(tx: Connection, wanted: datetime) -> datetime:
    """Promise that all changes up to a moment are known; return it: whole seconds, never future.

    Call it in a write transaction of its own, commit, and read after it: changes that were being
    written are then there, and those that come later are dated later.
    """
    moment = min(wanted, now()).astimezone(UTC).replace(microsecond=0)
    known = tx.execute(select(ExchangeHead.answered_until).where(ExchangeHead.id == 1)).scalar()
    if known is None or known < moment:
        row = _locked(tx)
        until = max(row.answered_until, moment)
        tx.execute(update(ExchangeHead).where(ExchangeHead.id == 1).values(answered_until=until))
    return moment


def _locked(tx: Connection) -> Row[int, datetime, datetime]:
    """Return the head, locked. SQLite holds its one lock since the transaction began."""
    wanted = (
        select(ExchangeHead.change, ExchangeHead.changed_at, ExchangeHead.answered_until)
        .where(ExchangeHead.id == 1)
        .with_for_update()
    )
    row = tx.execute(wanted).one_or_none()
    if row is None:
        first = {"id": 1, "change": 0, "changed_at": _NEVER, "answered_until": _NEVER}
        insert_rows(tx, ExchangeHead, [first], ignore_existing=True)
        row = tx.execute(wanted).one()
    return row
