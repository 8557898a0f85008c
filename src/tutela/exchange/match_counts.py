"""How often entries answered whom, by day: what an owner may know without seeing an upload."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Connection, bindparam, func, select, update

from tutela.core.ids import ListId, OrganisationId
from tutela.core.principal import Principal
from tutela.exchange import lists
from tutela.exchange.match_tally import Counted, Place
from tutela.store.bulk import insert_rows
from tutela.store.tables.access import Organisation
from tutela.store.tables.matching import MatchCount


class Answers(msgspec.Struct, frozen=True):
    """How often the entries of a list answered a member; `entries` is how many different ones."""

    organisation: str
    entries: int
    exact: int
    indicative: int


def day_of(moment: datetime) -> datetime:
    """Return the first moment of a day, in UTC as the moment is."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def add(
    tx: Connection, moment: datetime, counts: Mapping[tuple[Place, OrganisationId], Counted]
) -> None:
    """Add what was counted to the counts of today. Asks no permission: it is the service's own."""
    if not counts:
        return
    day = day_of(moment)
    ordered = sorted(counts.items())  # so that two servers wait for each other and do not deadlock
    keys = [
        {"list_id": list_id, "entry": entry, "organisation_id": organisation_id, "day": day}
        for ((list_id, entry), organisation_id), _ in ordered
    ]
    fresh = [{**key, "exact": 0, "indicative": 0} for key in keys]
    insert_rows(tx, MatchCount, fresh, ignore_existing=True)
    tx.execute(
        update(MatchCount)
        .where(*(getattr(MatchCount, name) == bindparam(f"key_{name}") for name in keys[0]))
        .values(
            exact=MatchCount.exact + bindparam("more_exact"),
            indicative=MatchCount.indicative + bindparam("more_indicative"),
        ),
        [
            {
                **{f"key_{name}": value for name, value in key.items()},
                "more_exact": counted.exact,
                "more_indicative": counted.indicative,
            }
            for key, (_, counted) in zip(keys, ordered, strict=True)
        ],
    )


def of_list(tx: Connection, who: Principal, list_id: ListId, since: datetime) -> list[Answers]:
    """Return how often a list answered each member since a day, by name of the member.

    Raises:
        AccessError: `who` does not manage the list.
    """
    lists.managed(tx, who, list_id)
    rows = tx.execute(
        select(
            Organisation.name,
            func.count(func.distinct(MatchCount.entry)),
            func.sum(MatchCount.exact),
            func.sum(MatchCount.indicative),
        )
        .join(Organisation, Organisation.id == MatchCount.organisation_id)
        .where(MatchCount.list_id == list_id, MatchCount.day >= day_of(since))
        .group_by(Organisation.name)
        .order_by(Organisation.name)
    )
    return [Answers(name, entries, int(e), int(i)) for name, entries, e, i in rows]
