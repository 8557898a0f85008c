"""Which node comes in: the key that it showed, as it is trusted at this moment."""

from __future__ import annotations

import anyio.to_thread
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from tutela.api.federation.office import Embassy
from tutela.api.federation.peer import PEER
from tutela.api.limits import Buckets, TooManyError
from tutela.core.errors import AccessError, InputError
from tutela.exchange.federation import nodes
from tutela.exchange.federation.identity import pin_of
from tutela.exchange.federation.nodes import Node

REQUESTS_PER_MINUTE = 600


async def known(connection: ASGIConnection, _handler: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """Find out which node asks; keep it for the handler.

    Raises:
        AccessError: the key is not that of a node which is trusted now.
        TooManyError: it asks too often.
    """
    shown = (connection.scope.get("extensions") or {}).get(PEER)
    embassy: Embassy = connection.app.state.embassy
    found = await anyio.to_thread.run_sync(_node, embassy, shown)
    buckets: Buckets = connection.app.state.buckets
    if wait_s := buckets.take(found.id):
        raise TooManyError("this node asks too often", wait_s)
    connection.state.node = found


def _node(embassy: Embassy, shown: object) -> Node:
    try:
        pin = pin_of(shown) if isinstance(shown, bytes) else b""
    except InputError as error:
        raise AccessError("this key is not that of a node", code="unknown_node") from error
    with embassy.database.read() as tx:
        return nodes.by_pin(tx, pin)
