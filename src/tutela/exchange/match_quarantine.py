"""Noisy entries: put aside, told to their owner, and let go again by the owner alone."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, func, select, update

from tutela.audit import log
from tutela.core.errors import UsageError
from tutela.core.ids import ListId
from tutela.core.principal import SYSTEM, Principal
from tutela.core.time import now
from tutela.exchange import lists
from tutela.exchange.match_tally import Place
from tutela.exchange.model import Verdict
from tutela.store.bulk import upsert_rows
from tutela.store.tables.exchange import Feedback
from tutela.store.tables.matching import MatchQuarantine

QUARANTINED = "quarantined"
RELEASED = "released"


class Cause(enum.StrEnum):
    """Why an entry was put aside, and thereby what it does not answer any more.

    `RESEMBLES`: what resembles it; the very content still meets it. `REPORTS`: anything.
    """

    RESEMBLES = "resembles"
    REPORTS = "reports"


class Noisy(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that was put aside, as its owner sees it; `count` is of contents or of reports."""

    list_id: ListId
    entry: int
    cause: Cause
    state: str
    count: int
    releases: int
    at: datetime
    released_at: datetime | None


class Standing(NamedTuple):
    """What the service must know of noisy entries: which are aside, and releases of any."""

    aside: Mapping[Place, Cause]
    releases: Mapping[Place, int]


def standing(tx: Connection) -> Standing:
    """Return how all noisy entries stand. Asks no permission: it is the service's own."""
    rows = tx.execute(
        select(
            MatchQuarantine.list_id,
            MatchQuarantine.entry,
            MatchQuarantine.cause,
            MatchQuarantine.state,
            MatchQuarantine.releases,
        )
    ).all()
    return Standing(
        {
            (ListId(row.list_id), row.entry): Cause(row.cause)
            for row in rows
            if row.state == QUARANTINED
        },
        {(ListId(row.list_id), row.entry): row.releases for row in rows if row.releases},
    )


def put_aside(tx: Connection, noisy: Mapping[Place, tuple[Cause, int]]) -> list[Place]:
    """Put entries aside that are not yet; return which. The log tells, one leaf an entry.

    One that is aside because of what it resembles is put aside for reports too.
    """
    before = standing(tx)
    fresh = [
        place
        for place, (cause, _) in sorted(noisy.items())
        if before.aside.get(place) not in {cause, Cause.REPORTS}
    ]
    if not fresh:
        return []
    moment = now()
    upsert_rows(
        tx,
        MatchQuarantine,
        [
            {
                "list_id": place[0],
                "entry": place[1],
                "cause": noisy[place][0].value,
                "state": QUARANTINED,
                "count": noisy[place][1],
                "releases": before.releases.get(place, 0),
                "at": moment,
            }
            for place in fresh
        ],
    )
    log.record_many(
        tx,
        SYSTEM,
        [
            log.Event(
                "entry.quarantined",
                f"list:{list_id}",
                {"entry": entry, "cause": cause.value, "count": count},
            )
            for (list_id, entry), (cause, count) in ((place, noisy[place]) for place in fresh)
        ],
    )
    return fresh


def reported(tx: Connection, limit: int, releases: Mapping[Place, int]) -> dict[Place, int]:
    """Return entries that at least `limit` members report as a false positive, and how many.

    Reports that the owner has declined do not count; each release doubles the limit.
    """
    if not limit:
        return {}
    members = func.count(func.distinct(Feedback.organisation_id))
    rows = tx.execute(
        select(Feedback.list_id, Feedback.entry_id, members.label("members"))
        .where(Feedback.verdict == Verdict.FALSE_POSITIVE.value, Feedback.state != "declined")
        .group_by(Feedback.list_id, Feedback.entry_id)
        .having(members >= limit)
    )
    found = {(ListId(row.list_id), int(row.entry_id)): int(row.members) for row in rows}
    return {
        place: count for place, count in found.items() if count >= limit << releases.get(place, 0)
    }


def queue(tx: Connection, who: Principal, list_id: ListId) -> list[Noisy]:
    """Return the noisy entries of a list, those that are aside first, then the latest first.

    Raises:
        AccessError: `who` does not manage the list.
    """
    lists.managed(tx, who, list_id)
    table = MatchQuarantine
    rows = tx.execute(
        select(
            table.list_id,
            table.entry,
            table.cause,
            table.state,
            table.count,
            table.releases,
            table.at,
            table.released_at,
        )
        .where(table.list_id == list_id)
        .order_by(table.state, table.at.desc(), table.entry)
    )
    return [msgspec.convert(dict(row._mapping), Noisy) for row in rows]  # noqa: SLF001 its public name


def release(tx: Connection, who: Principal, list_id: ListId, entry: int) -> None:
    """Let an entry answer again; it takes twice as much to put it aside once more.

    Raises:
        AccessError: `who` does not manage the list.
        UsageError: code `not_found`: the entry is not aside.
    """
    view = lists.managed(tx, who, list_id)
    changed = tx.execute(
        update(MatchQuarantine)
        .where(
            MatchQuarantine.list_id == list_id,
            MatchQuarantine.entry == entry,
            MatchQuarantine.state == QUARANTINED,
        )
        .values(
            state=RELEASED,
            releases=MatchQuarantine.releases + 1,
            released_by=who.account_id,
            released_at=now(),
        )
    )
    if changed.rowcount != 1:
        raise UsageError(f"entry {entry} of {view.name} is not in quarantine", code="not_found")
    log.record(tx, who, "entry.released", f"list:{list_id}", entry=entry)
