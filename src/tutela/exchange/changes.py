"""What has changed for a member: the one way in which entries leave the database.

A member gets entries that are served (active, disputed) and of its jurisdictions, in full but for
codes of other jurisdictions. Of what ceased to be that, it is told the number and that it did.
What is proposed, or was declined, is nobody's but the list's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    false,
    func,
    or_,
    select,
    tuple_,
)

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework.among import among
from tutela.core.ids import EntryId, ListId, OrganisationId
from tutela.core.media import Digests
from tutela.core.principal import Principal
from tutela.exchange.candidate import values
from tutela.exchange.carry import shown
from tutela.exchange.head import answer_until
from tutela.exchange.model import (
    INTERNATIONAL,
    SERVED,
    UNTOLD,
    Coded,
    Content,
    EntryState,
    Listed,
    ListView,
)
from tutela.store.tables.access import Organisation
from tutela.store.tables.exchange import EntryCode, ListedEntry

__all__ = ["answer_until", "between", "count", "current", "one", "since"]

_SERVED = sorted(state.value for state in SERVED)
_UNTOLD = sorted(state.value for state in UNTOLD)


def since(tx: Connection, who: Principal, view: ListView, change: int, limit: int) -> list[Listed]:
    """Return what changed on a list after a change, in the order of changes.

    From change 0 on nothing is said of what ceased: whoever begins never had it.

    Raises:
        AccessError: `who` may not sync lists.
    """
    require(tx, who, Permission.LISTS_SYNC)
    asked = _select([view], ceased=change > 0).where(ListedEntry.change > change)
    return _listed(tx, [view], asked.order_by(ListedEntry.change).limit(limit))


def between(  # noqa: PLR0913, PLR0917 a range and a page of it
    tx: Connection,
    who: Principal,
    views: Sequence[ListView],
    after: tuple[datetime, int] | None,
    until: datetime,
    limit: int,
) -> list[Listed]:
    """Return what changed on some lists up to a moment, by date and number.

    `after` is the (date, number) of the last one known; for all after a moment, give a number
    that no entry reaches. For None nothing is said of what ceased. Ask `answer_until` for the
    moment first, in a transaction of its own.

    Raises:
        AccessError: `who` may not sync lists.
    """
    require(tx, who, Permission.LISTS_SYNC)
    asked = _select(views, ceased=after is not None).where(ListedEntry.changed_at <= until)
    if after is not None:
        asked = asked.where(tuple_(ListedEntry.changed_at, ListedEntry.id) > tuple_(*after))
    ordered = asked.order_by(ListedEntry.changed_at, ListedEntry.id).limit(limit)
    return _listed(tx, views, ordered)


def current(
    tx: Connection, who: Principal, view: ListView, at_once: int = 5_000
) -> Iterator[Listed]:
    """Yield all that a list serves now, by number, a bounded number of rows at a time.

    Raises:
        AccessError: `who` may not sync lists.
    """
    require(tx, who, Permission.LISTS_SYNC)
    last = 0
    while True:
        asked = _select([view], ceased=False).where(ListedEntry.id > last)
        found = _listed(tx, [view], asked.order_by(ListedEntry.id).limit(at_once))
        yield from found
        if len(found) < at_once:
            return
        last = found[-1].id


def count(tx: Connection, who: Principal, view: ListView) -> int:
    """Return how many entries a list serves now.

    Raises:
        AccessError: `who` may not sync lists.
    """
    require(tx, who, Permission.LISTS_SYNC)
    asked = select(func.count()).select_from(ListedEntry).where(_visible(view))
    return tx.execute(asked).scalar_one()


def one(
    tx: Connection, who: Principal, views: Sequence[ListView], entry_id: EntryId
) -> Listed | None:
    """Return one entry as a member gets it, or None where it is not for them (any more).

    Raises:
        AccessError: `who` may not sync lists.
    """
    require(tx, who, Permission.LISTS_SYNC)
    found = _listed(tx, views, _select(views, ceased=False).where(ListedEntry.id == entry_id))
    return found[0] if found else None


def _select(views: Sequence[ListView], *, ceased: bool) -> Select[Any]:
    visible = or_(false(), *(_visible(view) for view in views))
    asked = select(
        ListedEntry.__table__, Organisation.name.label("source"), visible.label("visible")
    ).join(Organisation, Organisation.id == ListedEntry.source_id)
    if not ceased:
        return asked.where(visible)
    numbers = [view.id for view in views]
    return asked.where(ListedEntry.list_id.in_(numbers), ListedEntry.state.not_in(_UNTOLD))


def _visible(view: ListView) -> ColumnElement[bool]:
    """Return the condition that an entry is served to a member of a list."""
    served = and_(ListedEntry.list_id == view.id, ListedEntry.state.in_(_SERVED))
    if not view.jurisdictions:
        return served
    wanted = sorted(view.jurisdictions | {INTERNATIONAL})
    coded = exists().where(EntryCode.entry_id == ListedEntry.id, EntryCode.jurisdiction.in_(wanted))
    return and_(served, coded)


def _listed(tx: Connection, views: Sequence[ListView], asked: Select[Any]) -> list[Listed]:
    rows = tx.execute(asked).all()
    theirs = {view.id: view.jurisdictions for view in views}
    codes = codes_of(tx, [row.id for row in rows if row.visible])
    return [
        _whole(row, codes.get(row.id, ()), theirs[row.list_id]) if row.visible else _gone(row)
        for row in rows
    ]


def codes_of(tx: Connection, entries: Sequence[int]) -> dict[int, list[Coded]]:
    """Return the codes of entries, all of them. Asks nobody's permission."""
    found: dict[int, list[Coded]] = {}
    rows = tx.execute(
        select(EntryCode.__table__)
        .where(among(tx, EntryCode.entry_id, entries))
        .order_by(EntryCode.entry_id, EntryCode.jurisdiction, EntryCode.scheme)
    )
    for entry_id, jurisdiction, scheme, code in rows:
        found.setdefault(entry_id, []).append(Coded(jurisdiction, scheme, code))
    return found


def _whole(row: Any, codes: Sequence[Coded], jurisdictions: frozenset[str]) -> Listed:
    digests, fingerprints = values(row)
    return msgspec.structs.replace(
        _gone(row),
        state=EntryState(row.state),
        digests=digests,
        fingerprints=fingerprints,
        codes=shown(codes, jurisdictions),
        tags=tuple(row.tags),
        reference=row.reference,
    )


def _gone(row: Any) -> Listed:
    """Return what a member is told of an entry that it has no more."""
    deleted = row.state == EntryState.DELETED.value
    return Listed(
        id=EntryId(row.id),
        list_id=ListId(row.list_id),
        content=Content(row.content),
        state=EntryState.DELETED if deleted else EntryState.WITHDRAWN,
        digests=Digests(),
        source_id=OrganisationId(row.source_id),
        source=row.source,
        change=row.change,
        changed_at=row.changed_at,
    )
