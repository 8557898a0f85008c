"""Lists as banks of HMA: the reading routes under `/c`.

What is on a list is changed by its owner with `tutela list`, not here; matching (`/m`) and hashing
(`/h`) have modules of their own.
"""

from __future__ import annotations

from typing import Any

from litestar.params import FromPath, FromQuery
from sqlalchemy import Connection

from tutela.access.model import Permission
from tutela.api.office import Asked, desk, who
from tutela.api.protocols import hma
from tutela.core.errors import AccessError
from tutela.core.ids import EntryId
from tutela.core.principal import Principal
from tutela.edge.routes import reads
from tutela.exchange import lists, lookup
from tutela.exchange.model import ListView

NEEDS = Permission.LISTS_SYNC


@reads("/c/banks", needs=NEEDS)
def banks(request: Asked) -> list[dict[str, Any]]:
    """Give one's lists."""
    with desk(request).database.read() as tx:
        return [hma.bank(view) for view in lists.mine(tx, who(request))]


@reads("/c/bank/{bank:str}", needs=NEEDS)
def bank(request: Asked, bank: FromPath[str]) -> dict[str, Any]:
    """Give a list."""
    with desk(request).database.read() as tx:
        return hma.bank(lists.view(tx, who(request), hma.list_name(bank)))


@reads("/c/bank/{bank:str}/content/{content:int}", needs=NEEDS)
def content(
    request: Asked,
    bank: FromPath[str],
    content: FromPath[int],
    include_signals: FromQuery[str] = "false",
    include_metadata: FromQuery[str] = "false",
) -> dict[str, Any]:
    """Give an entry of a list, which must be of that list."""
    asker = who(request)
    with desk(request).database.read() as tx:
        view = lists.view(tx, asker, hma.list_name(bank))
        listed = lookup.entry(tx, asker, view, EntryId(content))
    return hma.content(
        view,
        listed,
        with_signals=include_signals.lower() == "true",
        with_metadata=include_metadata.lower() == "true",
    )


@reads("/c/exchanges/apis", needs=NEEDS)
def apis() -> list[str]:
    """Give the one way by which lists come here."""
    return [hma.API]


@reads("/c/exchanges/api/{api:str}", needs=NEEDS)
def api(api: FromPath[str]) -> dict[str, bool]:
    """Tell that it needs a credential, which whoever asks has shown."""
    if api != hma.API:
        raise AccessError("there is no such exchange API here", code="not_found")
    return {"supports_authentification": True, "has_set_authentification": True}


@reads("/c/exchanges", needs=NEEDS)
def exchanges(request: Asked) -> list[str]:
    """Give the names of the lists that others share with one."""
    asker = who(request)
    with desk(request).database.read() as tx:
        views = lists.mine(tx, asker)
    return [hma.bank_name(view) for view in views if view.owner_id != asker.organisation_id]


@reads("/c/exchange/{name:str}", needs=NEEDS)
def exchange(request: Asked, name: FromPath[str]) -> dict[str, Any]:
    """Give a list that others share with one."""
    with desk(request).database.read() as tx:
        return hma.exchange(_shared(tx, who(request), name))


@reads("/c/exchange/{name:str}/status", needs=NEEDS)
def exchange_status(request: Asked, name: FromPath[str]) -> dict[str, Any]:
    """Tell how far such a list got."""
    with desk(request).database.read() as tx:
        _shared(tx, who(request), name)
        return hma.fetched(lookup.newest(tx))


@reads("/c/signal_type", needs=NEEDS)
def signal_types() -> list[dict[str, Any]]:
    """Give the kinds of values that are matched."""
    return [{"name": name, "enabled_ratio": 1.0} for name in hma.SIGNALS]


@reads("/c/content_type", needs=NEEDS)
def content_types() -> list[dict[str, Any]]:
    """Give the kinds of content that there are."""
    return [{"name": name, "enabled": True} for name in hma.CONTENTS]


def _shared(tx: Connection, asker: Principal, name: str) -> ListView:
    view = lists.view(tx, asker, hma.list_name(name))
    if view.owner_id == asker.organisation_id:
        raise AccessError("this list is your own and comes by no exchange", code="not_found")
    return view


ROUTES = [
    banks,
    bank,
    content,
    apis,
    api,
    exchanges,
    exchange,
    exchange_status,
    signal_types,
    content_types,
]
