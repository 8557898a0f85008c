"""Generations: numbered states of a list, and what has changed from one to the next.

A generation is all changes up to a number. An entry keeps only its present state, so whoever
publishes a generation reads it in the transaction that sealed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, and_, func, insert, select, update

from tutela.audit import log
from tutela.core.errors import UsageError
from tutela.core.ids import ListId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.exchange import changes, head, lapses, lists
from tutela.exchange.model import SERVED, UNTOLD, EntryState, Listed, ListView
from tutela.store.tables.exchange import ListedEntry, ListGeneration, PublishedList

_AT_ONCE = 5_000


class Generation(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed state: `change` is its last one; `added` and `removed` count since the one before.

    `active` counts what is served; `added` what is served and changed, `removed` what ceased.
    """

    list_id: ListId
    number: int
    change: int
    active: int
    added: int
    removed: int
    sealed_at: datetime
    published_at: datetime | None = None


def seal(tx: Connection, who: Principal, list_id: ListId) -> Generation:
    """Number the present state of a list; where nothing has changed, return the last one.

    What rests on grades that nobody trusts any more is marked as disputed first.

    Raises:
        AccessError: `who` does not manage the list.
    """
    view = lists.managed(tx, who, list_id)
    head.hold(tx)
    before = of(tx, view, view.generation) if view.generation else None
    begin = before.change if before else 0
    lapses.mark(tx, list_id, view.role)
    told = ListedEntry.state.not_in(sorted(state.value for state in UNTOLD))
    last = select(func.max(ListedEntry.change)).where(ListedEntry.list_id == list_id, told)
    change = tx.execute(last).scalar() or 0
    if before is not None and change <= begin:
        return before
    added, removed = _counts(tx, list_id, begin, change, first=before is None)
    made = Generation(
        list_id=list_id,
        number=view.generation + 1,
        change=change,
        active=_active(tx, list_id),
        added=added,
        removed=removed,
        sealed_at=now(),
    )
    tx.execute(
        insert(ListGeneration).values(
            {**msgspec.structs.asdict(made), "sealed_by": who.account_id, "published_at": None}
        )
    )
    tx.execute(
        update(PublishedList).where(PublishedList.id == list_id).values(generation=made.number)
    )
    log.record(
        tx,
        who,
        "list.sealed",
        f"list:{list_id}",
        generation=made.number,
        active=made.active,
        added=added,
        removed=removed,
    )
    return made


def published(tx: Connection, who: Principal, list_id: ListId, number: int) -> None:
    """Remember that a generation lies where members get it.

    Raises:
        AccessError: `who` does not manage the list.
    """
    lists.managed(tx, who, list_id)
    tx.execute(
        update(ListGeneration)
        .where(ListGeneration.list_id == list_id, ListGeneration.number == number)
        .values(published_at=now())
    )
    log.record(tx, who, "list.published", f"list:{list_id}", generation=number)


def of(tx: Connection, view: ListView, number: int) -> Generation:
    """Return one generation of a list.

    Raises:
        UsageError: there is no such generation.
    """
    row = tx.execute(
        select(ListGeneration.__table__).where(
            ListGeneration.list_id == view.id, ListGeneration.number == number
        )
    ).one_or_none()
    if row is None:
        raise UsageError(
            f"the list {view.name} has no generation {number}",
            code="not_found",
            hint=f"it has 1 to {view.generation}" if view.generation else "none was sealed yet",
        )
    return _generation(row)


def latest(tx: Connection, view: ListView, limit: int) -> list[Generation]:
    """Return the last generations of a list, the newest first."""
    asked = select(ListGeneration.__table__).where(ListGeneration.list_id == view.id)
    rows = tx.execute(asked.order_by(ListGeneration.number.desc()).limit(limit))
    return [_generation(row) for row in rows]


def delta(tx: Connection, who: Principal, view: ListView, begin: int, end: int) -> Iterator[Listed]:
    """Yield what changed after one change and up to another, as the member `view` gets it.

    Raises:
        AccessError: `who` may not sync lists.
    """
    if not begin:  # whoever begins gets all that is served, and nothing of what ceased
        yield from (one for one in changes.current(tx, who, view) if one.change <= end)
        return
    while begin < end:
        found = changes.since(tx, who, view, begin, _AT_ONCE)
        yield from (one for one in found if one.change <= end)
        if len(found) < _AT_ONCE:
            return
        begin = found[-1].change


def _generation(row: Row[Any]) -> Generation:
    return Generation(
        list_id=ListId(row.list_id),
        number=row.number,
        change=row.change,
        active=row.active,
        added=row.added,
        removed=row.removed,
        sealed_at=row.sealed_at,
        published_at=row.published_at,
    )


def _counts(
    tx: Connection, list_id: ListId, begin: int, end: int, *, first: bool
) -> tuple[int, int]:
    moved = and_(
        ListedEntry.list_id == list_id, ListedEntry.change > begin, ListedEntry.change <= end
    )
    rows = tx.execute(
        select(ListedEntry.state, func.count()).where(moved).group_by(ListedEntry.state)
    )
    counts = {EntryState(state): count for state, count in rows}
    added = sum(counts.get(state, 0) for state in SERVED)
    ceased = (EntryState.WITHDRAWN, EntryState.DELETED)
    return added, 0 if first else sum(counts.get(state, 0) for state in ceased)


def _active(tx: Connection, list_id: ListId) -> int:
    served = ListedEntry.state.in_(sorted(state.value for state in SERVED))
    asked = select(func.count()).where(ListedEntry.list_id == list_id, served)
    return tx.execute(asked).scalar_one()
