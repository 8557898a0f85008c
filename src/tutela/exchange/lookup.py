"""Finds entries of a list by number or value, for protocols that name them so.

Clients that keep entries by value, and not by number, can only delete what they are told the value
of; and what one entry holds no more, another may hold still.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, exists, or_, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.core.errors import AccessError
from tutela.core.ids import EntryId
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.core.principal import Principal
from tutela.exchange import changes
from tutela.exchange.model import (
    INTERNATIONAL,
    SERVED,
    EntryState,
    Listed,
    ListView,
    MemberPermission,
)
from tutela.store.tables.access import Organisation
from tutela.store.tables.exchange import EntryCode, ExchangeHead, ListedEntry, ListMember

# Values by which entries are found; of these the table has an index.
INDEXED = {PDQ: ListedEntry.pdq, "md5": ListedEntry.md5, "sha256": ListedEntry.sha256}
_SERVED = sorted(state.value for state in SERVED)
_AT_ONCE = 500


def entry(tx: Connection, who: Principal, view: ListView, entry_id: EntryId) -> Listed:
    """Return an entry that is served to a member.

    Raises:
        AccessError: code `not_found`: there is none, or it is not for `who`.
    """
    found = changes.one(tx, who, [view], entry_id)
    if found is None:
        raise AccessError(
            "there is no such entry for you", code="not_found", hint="it may have been withdrawn"
        )
    return found


def by_value(
    tx: Connection, who: Principal, view: ListView, algorithm: str, value: bytes
) -> list[Listed]:
    """Return the entries that are served to a member and hold a value (`pdq`, `md5`, `sha256`)."""
    return _whole(tx, who, view, _holding(tx, view, algorithm, [value]))


def bearers(
    tx: Connection, who: Principal, view: ListView, ceased: Iterable[Listed]
) -> list[Listed]:
    """Return the entries that are served to a member and hold a value of one that ceased."""
    values: dict[str, set[bytes]] = {algorithm: set() for algorithm in INDEXED}
    for one in ceased:
        values["md5"] |= {one.digests.md5} if one.digests.md5 else set()
        values["sha256"] |= {one.digests.sha256} if one.digests.sha256 else set()
        values[PDQ] |= {f.bits for f in one.fingerprints if f.algorithm == PDQ}
    found: set[EntryId] = set()
    for algorithm, some in values.items():
        found |= _holding(tx, view, algorithm, sorted(some))
    return _whole(tx, who, view, found)


def recalled(
    tx: Connection, who: Principal, view: ListView, page: Sequence[Listed]
) -> list[Listed]:
    """Return entries with the values of those that were withdrawn, so that they can be deleted.

    Only what was for the member by its jurisdictions: they are told no value that they never had.
    Of what was deleted nothing is left to tell.
    """
    require(tx, who, Permission.LISTS_SYNC)
    wanted = [one.id for one in page if one.state is EntryState.WITHDRAWN]
    rows: dict[int, Any] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        asked = select(
            ListedEntry.id,
            ListedEntry.md5,
            ListedEntry.sha1,
            ListedEntry.sha256,
            ListedEntry.pdq,
            ListedEntry.pdq_quality,
        ).where(
            ListedEntry.list_id == view.id,
            ListedEntry.state == EntryState.WITHDRAWN.value,
            ListedEntry.id.in_(wanted[start : start + _AT_ONCE]),
        )
        if view.jurisdictions:
            theirs = sorted(view.jurisdictions | {INTERNATIONAL})
            asked = asked.where(
                exists().where(
                    EntryCode.entry_id == ListedEntry.id, EntryCode.jurisdiction.in_(theirs)
                )
            )
        rows |= {row.id: row for row in tx.execute(asked)}
    return [_with_values(one, rows[one.id]) if one.id in rows else one for one in page]


def contributors(tx: Connection, who: Principal, view: ListView) -> dict[int, str]:
    """Return by number the organisations whose entries may be on a list."""
    require(tx, who, Permission.LISTS_SYNC)
    more = select(ListMember.organisation_id).where(
        ListMember.list_id == view.id, ListMember.permission != MemberPermission.READ.value
    )
    rows = tx.execute(
        select(Organisation.id, Organisation.name)
        .where(or_(Organisation.id == view.owner_id, Organisation.id.in_(more)))
        .order_by(Organisation.id)
    )
    return {row.id: row.name for row in rows}


def newest(tx: Connection) -> datetime:
    """Return when anything on any list was changed last, or the beginning of time for never."""
    at = tx.execute(select(ExchangeHead.changed_at)).scalar_one_or_none()
    return datetime.fromtimestamp(0, UTC) if at is None else at


def _holding(
    tx: Connection, view: ListView, algorithm: str, values: Sequence[bytes]
) -> set[EntryId]:
    column = INDEXED[algorithm]
    found: set[EntryId] = set()
    for start in range(0, len(values), _AT_ONCE):
        asked = select(ListedEntry.id).where(
            column.in_(values[start : start + _AT_ONCE]),
            ListedEntry.list_id == view.id,
            ListedEntry.state.in_(_SERVED),
        )
        found |= {EntryId(number) for number in tx.execute(asked).scalars()}
    return found


def _whole(
    tx: Connection, who: Principal, view: ListView, entries: Iterable[EntryId]
) -> list[Listed]:
    found = (changes.one(tx, who, [view], number) for number in sorted(entries))
    return [one for one in found if one is not None]


def _with_values(one: Listed, row: Any) -> Listed:
    quality = 100 if row.pdq_quality is None else row.pdq_quality
    return msgspec.structs.replace(
        one,
        digests=Digests(row.md5, row.sha1, row.sha256),
        fingerprints=() if row.pdq is None else (Fingerprint(PDQ, row.pdq, quality),),
    )
