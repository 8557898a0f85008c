"""What every wire server does to answer: find the list, settle the time, walk the entries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection

from tutela.api.office import Desk
from tutela.api.protocols.paging import Place, end_of
from tutela.core.entry import Role
from tutela.core.errors import UsageError
from tutela.core.principal import Principal
from tutela.exchange import changes, lists
from tutela.exchange.model import SERVED, Listed, ListView

# Entries that are read at once; the memory of an answer does not grow with the list.
STEP = 5_000
# Greater than any number of an entry.
LAST_NUMBER = 2**62


def alerts(tx: Connection, who: Principal, name: str) -> ListView:
    """Return a list for a protocol in which every entry is to be found and reported.

    Raises:
        AccessError: there is no such list for `who`.
        UsageError: what is on it is to be passed over or allowed, which the protocol cannot say.
    """
    view = lists.view(tx, who, name)
    if view.role is not Role.ALERT:
        raise UsageError(
            f"the list {name} is no alert list, and this protocol has no others",
            code="role",
            hint="ThreatExchange, HMA's routes and the feed say what a list is for",
        )
    return view


def settle(desk: Desk, wanted: datetime) -> datetime:
    """Return the last moment up to which everything is known: `wanted`, or now if that is later.

    Whatever is changed after this is dated in a later second. So a client that goes on from there
    misses nothing, though protocols tell whole seconds only.
    """
    with desk.database.write() as tx:
        return end_of(changes.answer_until(tx, wanted))


def after_second(moment: datetime) -> Place:
    """Return the place after everything that was changed in the second of `moment`."""
    return Place(end_of(moment), LAST_NUMBER)


def walk(  # noqa: PLR0913 a list, for whom, and a range of it
    tx: Connection,
    who: Principal,
    view: ListView,
    after: Place,
    until: datetime,
    *,
    fresh: bool,
) -> Iterator[Listed]:
    """Give what was changed after a place, in order of time, a few thousand in memory at once.

    With `fresh` nothing is said of what ceased: who has nothing yet has nothing to delete.
    """
    while found := changes.between(tx, who, [view], after.after, until, STEP):
        yield from (one for one in found if not fresh or one.state in SERVED)
        if len(found) < STEP:
            return
        after = Place.of(found[-1])
