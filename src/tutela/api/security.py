"""Who may come in: every request passes here before a handler sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler

from tutela.access import accounts
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.api.credentials import token_of
from tutela.core.errors import AccessError
from tutela.core.principal import Via
from tutela.edge.routes import PUBLIC

if TYPE_CHECKING:
    from litestar.types import Message, Scope

    from tutela.api.office import Desk

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def authorised(connection: ASGIConnection, handler: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """Find out who asks and whether they may; keep it for the handler.

    Raises:
        AccessError: no or nobody's token, or the account may not do this.
    """
    needs = handler.opt["needs"]
    if needs == PUBLIC:
        return
    token = token_of(connection)
    if token is None:
        raise AccessError(
            "this needs a credential",
            code="sign_in",
            hint="the token of a program, which an administrator enrols",
        )
    desk: Desk = connection.app.state.desk
    with desk.database.read() as tx:
        connection.state.who = accounts.by_token(tx, token, Via.API)
        require(tx, connection.state.who, Permission(needs))


async def add_headers(message: Message, scope: Scope) -> None:
    """Put our headers on every answer; what is not said to be kept is not kept."""
    if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers[name] = value
    if "cache-control" not in headers:
        headers["Cache-Control"] = "no-store"
