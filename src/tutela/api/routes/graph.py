"""Meta's ThreatExchange (Graph API, JSON): lists as privacy groups. The base is `/graph`.

A privacy group's number is that of the list, an application's that of the organisation. `fields`
is taken and not heeded: every field that there is comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Annotated, Any, NamedTuple
from urllib.parse import urlencode

from litestar.params import FromPath, FromQuery, QueryParameter
from sqlalchemy import Connection

from tutela.access.model import Permission
from tutela.api.listing import after_second, settle, walk
from tutela.api.office import Asked, desk, who
from tutela.api.protocols import graph
from tutela.api.protocols.paging import (
    LAST_SECOND,
    NUMBER,
    SECOND,
    Place,
    at_second,
    number,
    second_of,
)
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import ListId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.edge.routes import changes, reads
from tutela.exchange import changes as entries
from tutela.exchange import feedback, lists, lookup
from tutela.exchange.model import SERVED, Listed, ListView

PAGE = 100
LARGEST_PAGE = 1_000
MOST_IDS = 500


@reads("/graph/{group:int}/threat_updates", needs=Permission.LISTS_SYNC)
def updates(  # noqa: PLR0913, PLR0917 the parameters of the protocol
    request: Asked,
    group: FromPath[int],
    start_time: FromQuery[str | None] = None,
    stop_time: FromQuery[str | None] = None,
    types: FromQuery[str | None] = None,
    limit: FromQuery[str | None] = None,
    after: FromQuery[str | None] = None,
) -> dict[str, Any]:
    """Give indicators that were changed from the second `start_time` on, up to `stop_time`."""
    since = number(start_time, "start_time", default=0, least=0, most=LAST_SECOND)
    stop = number(stop_time, "stop_time", default=LAST_SECOND, least=0, most=LAST_SECOND)
    most = number(limit, "limit", default=PAGE, least=1, most=LARGEST_PAGE)
    place, asker = desk(request), who(request)
    with place.database.read() as tx:
        lists.read(tx, asker, ListId(group))
    begin = Place.parse(after) if after else after_second(at_second(since) - SECOND)
    until = settle(place, min(now(), at_second(stop)))
    wanted = frozenset(types.split(",")) if types else None
    with place.database.read() as tx:
        view = lists.read(tx, asker, ListId(group))
        found = walk(tx, asker, view, begin, until, fresh=since == 0)
        data, going_on = _page(tx, asker, view, found, most, wanted)
    if going_on is None:
        return {"data": [*data, graph.told_until(until)], "paging": {}}
    asked = dict(request.query_params.items()) | {
        "after": str(going_on),
        "stop_time": second_of(until),
    }
    origin = place.settings.api.origin.rstrip("/")
    following = f"{origin}/graph/{group}/threat_updates/?{urlencode(asked)}"
    return {"data": data, "paging": {"next": following}}


@reads("/graph/{app:int}/threat_privacy_groups_member", needs=Permission.LISTS_SYNC)
def groups(request: Asked, app: FromPath[int]) -> dict[str, Any]:
    """Tell which lists a member gets."""
    return _groups(request, app, owned=False)


@reads("/graph/{app:int}/threat_privacy_groups_owner", needs=Permission.LISTS_SYNC)
def groups_owned(request: Asked, app: FromPath[int]) -> dict[str, Any]:
    """Tell which lists a member owns."""
    return _groups(request, app, owned=True)


@reads("/graph/threat_tags", needs=Permission.LISTS_SYNC)
def tags(text: FromQuery[str] = "") -> dict[str, Any]:
    """Give the number of a tag; there is one for every word, used or not."""
    found = [{"id": graph.tag_id(text), "text": text}] if text else []
    return {"data": found, "paging": {}}


@reads("/graph/threat_descriptors", needs=Permission.LISTS_SYNC)
def search(
    request: Asked,
    groups_: Annotated[str | None, QueryParameter(name="privacy_groups")] = None,
    text: FromQuery[str | None] = None,
    kind: Annotated[str | None, QueryParameter(name="type")] = None,
) -> dict[str, Any]:
    """Find descriptors by the whole value that they are of, on one's lists or some of them."""
    value = graph.value_of(text)
    asker = who(request)
    with desk(request).database.read() as tx:
        views = lists.mine(tx, asker)
        if groups_:
            named = set(groups_.split(","))
            views = [view for view in views if str(view.id) in named]
        data = [
            graph.descriptor(listed, indicator, view.role)
            for view in views
            for algorithm in graph.algorithms_of(value)
            for listed in lookup.by_value(tx, asker, view, algorithm, value)
            for indicator in graph.indicators(listed)
            if indicator.value == value.hex() and kind in {None, indicator.kind}
        ]
    return {"data": data, "paging": {}}


@reads("/graph", needs=Permission.LISTS_SYNC)
def several(request: Asked, ids: FromQuery[str] = "") -> dict[str, Any]:
    """Give descriptors, indicators and groups by their numbers; unknown ones are left out."""
    wanted = [one for one in ids.split(",") if one]
    if not 0 < len(wanted) <= MOST_IDS:
        raise UsageError(f"ids are 1 to {MOST_IDS} numbers, with commas", code="parameter")
    asker = who(request)
    with desk(request).database.read() as tx:
        found = {one: _node(tx, asker, one) for one in dict.fromkeys(wanted)}
    return {one: said for one, said in found.items() if said is not None}


@reads("/graph/{node:str}", needs=Permission.LISTS_SYNC)
def one(request: Asked, node: FromPath[str]) -> dict[str, Any]:
    """Give a group, an indicator or a descriptor by its number."""
    with desk(request).database.read() as tx:
        found = _node(tx, who(request), node)
    if found is None:
        raise AccessError("there is no such object for you", code="not_found")
    return found


@changes("/graph/{node:str}", needs=Permission.LISTS_FEEDBACK)
def react(request: Asked, node: FromPath[str], reactions: FromQuery[str] = "") -> dict[str, Any]:
    """Take a reaction to a descriptor as what the member says of that value of the entry."""
    verdict = graph.reaction(reactions)
    asker = who(request)
    with desk(request).database.write() as tx:
        found = _find(tx, asker, node)
        if found is None or not found.about.descriptor:
            raise AccessError("there is no such descriptor for you", code="not_found")
        feedback.submit(
            *(tx, asker, found.view.id, found.listed.id, verdict),
            algorithm=found.about.algorithm,
            reasons=(reactions.lower(),),
        )
    return {"success": True}


class _Found(NamedTuple):
    """An indicator or descriptor, the entry that it is of, and the list."""

    about: graph.Object
    listed: Listed
    view: ListView
    indicator: graph.Indicator


def _page(  # noqa: PLR0913, PLR0917 a page, and what goes on it
    tx: Connection,
    asker: Principal,
    view: ListView,
    found: Iterator[Listed],
    most: int,
    types: frozenset[str] | None,
) -> tuple[list[dict[str, Any]], Place | None]:
    """Return items, and the place after them if there may be more; no page but the last is empty.

    Entries stay together, so a page may hold a few items more than `most`.
    """
    data: list[dict[str, Any]] = []
    while True:
        chunk = list(islice(found, most))
        data += (
            item
            for item in _items(tx, asker, view, chunk)
            if types is None or item["type"] in types
        )
        if len(chunk) < most:
            return data, None
        if data:
            return data, Place.of(chunk[-1])


def _items(
    tx: Connection, asker: Principal, view: ListView, chunk: Sequence[Listed]
) -> Iterator[dict[str, Any]]:
    """Give the values of entries; of two entries with one value, one that is served is told."""
    page = lookup.recalled(tx, asker, view, chunk)
    ceased = [listed for listed in page if listed.state not in SERVED]
    served = {
        (indicator.kind, indicator.value): graph.update(listed, indicator, view.role)
        for listed in lookup.bearers(tx, asker, view, ceased)
        for indicator in graph.indicators(listed)
    }
    for listed in page:
        told = [(one, graph.update(listed, one, view.role)) for one in graph.indicators(listed)]
        if listed.state in SERVED:
            yield from (item for _, item in told)
        elif told:
            yield from (served.get((one.kind, one.value), item) for one, item in told)
            if any((one.kind, one.value) in served for one, _ in told):
                yield from graph.forgotten(listed)
        else:
            yield from graph.forgotten(listed)


def _groups(request: Asked, app: int, *, owned: bool) -> dict[str, Any]:
    asker = who(request)
    if app != asker.organisation_id:
        raise AccessError("this is not your application", code="not_found")
    with desk(request).database.read() as tx:
        views = lists.mine(tx, asker)
    data = [graph.group(view, now()) for view in views if not owned or view.owner_id == app]
    return {"data": data, "paging": {}}


def _node(tx: Connection, asker: Principal, node: str) -> dict[str, Any] | None:
    """Return what a number stands for, or None where there is nothing for the member."""
    if NUMBER.fullmatch(node) and int(node) < graph.FIRST_OBJECT:
        mine = {view.id: view for view in lists.mine(tx, asker)}
        view = mine.get(ListId(int(node)))
        return None if view is None else graph.group(view, now())
    found = _find(tx, asker, node)
    if found is None:
        return None
    make = graph.descriptor if found.about.descriptor else graph.update
    return make(found.listed, found.indicator, found.view.role)


def _find(tx: Connection, asker: Principal, node: str) -> _Found | None:
    about = graph.object_of(node)
    if about is None:
        return None
    mine = {view.id: view for view in lists.mine(tx, asker)}
    listed = entries.one(tx, asker, list(mine.values()), about.entry_id)
    if listed is None:
        return None
    for indicator in graph.indicators(listed):
        if int(node) in {indicator.number, indicator.descriptor}:
            return _Found(about, listed, mine[listed.list_id], indicator)
    return None


ROUTES = [updates, groups, groups_owned, tags, search, several, one, react]
