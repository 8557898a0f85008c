"""Who is tied to whom among the first accounts of a ranking: links, and contacts that several give.

A tie is a reason to look. Names are those found outside quotes whose checksum holds.
"""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection

from tutela.actors import linking, ranking
from tutela.actors.linking import UNDONE, LinkInfo
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.observation import find
from tutela.observation.find import AccountInfo, NameInfo

FIRST: Final = 20


class Network(msgspec.Struct, frozen=True):
    """Accounts by number, their places, links among them, and names that several of them give."""

    accounts: dict[int, AccountInfo]
    places: dict[int, int]
    links: list[LinkInfo]
    names: list[tuple[int, NameInfo]]


def network(tx: Connection, who: Principal, case_id: CaseId, first: int = FIRST) -> Network:
    """Return what ties the first accounts of the newest ranking, with those linked to them.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    newest = ranking.latest(tx, who, case_id)
    if newest is None:
        return Network({}, {}, [], [])
    top = ranking.ranked(tx, who, case_id, newest.id, first)
    places = {member: one.place for one in top for member in one.members}
    if not places:
        return Network({}, {}, [], [])
    links = [
        one for one in linking.listed(tx, who, case_id, sorted(places)) if one.state != UNDONE
    ][: 4 * first]
    wanted = {*places, *(number for one in links for number in (one.one_id, one.other_id))}
    return Network(
        find.accounts(tx, who, case_id, sorted(wanted)),
        places,
        links,
        find.shared_names(tx, who, case_id, sorted(wanted)),
    )
