"""How often entries answered whom, by day: what an owner may know without seeing an upload."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from sqlalchemy import Connection, func, select

from tutela.core.ids import ListId, OrganisationId
from tutela.core.principal import Principal
from tutela.exchange import lists
from tutela.exchange.match_tally import OTHERS, Counted, Place
from tutela.store.bulk import add_rows
from tutela.store.tables.access import Organisation
from tutela.store.tables.matching import MatchCount


class Answers(msgspec.Struct, frozen=True):
    """How often the entries of a list answered a member.

    `entries` is how many different ones, of those that were told apart; see `MatchCount`.
    """

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
    day = day_of(moment)
    rows = [
        {
            "list_id": list_id,
            "entry": entry,
            "organisation_id": organisation_id,
            "day": day,
            "exact": counted.exact,
            "indicative": counted.indicative,
        }
        for ((list_id, entry), organisation_id), counted in counts.items()
    ]
    add_rows(tx, MatchCount, rows, ("exact", "indicative"))


def of_list(tx: Connection, who: Principal, list_id: ListId, since: datetime) -> list[Answers]:
    """Return how often a list answered each member since a day, by name of the member.

    Raises:
        AccessError: `who` does not manage the list.
    """
    lists.managed(tx, who, list_id)
    rows = tx.execute(
        select(
            Organisation.name,
            func.count(func.distinct(func.nullif(MatchCount.entry, OTHERS))),
            func.sum(MatchCount.exact),
            func.sum(MatchCount.indicative),
        )
        .join(Organisation, Organisation.id == MatchCount.organisation_id)
        .where(MatchCount.list_id == list_id, MatchCount.day >= day_of(since))
        .group_by(Organisation.name)
        .order_by(Organisation.name)
    )
    return [Answers(name, entries, int(e), int(i)) for name, entries, e, i in rows]
