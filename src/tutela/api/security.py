"""Who may come in: every request passes here before a handler sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio.to_thread
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from sqlalchemy import Connection

from tutela.access import accounts, attempts, signin
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.api.credentials import Credential, credential_of
from tutela.core.errors import AccessError
from tutela.core.principal import Principal, Via
from tutela.edge.routes import PUBLIC

if TYPE_CHECKING:
    from litestar.types import Message, Scope

    from tutela.api.callers import Callers
    from tutela.api.limits import Limits
    from tutela.api.office import Desk

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


async def authorised(connection: ASGIConnection, handler: BaseRouteHandler) -> None:  # type: ignore[type-arg]
    """Find out who asks and whether they may; keep it for the handler.

    A credential that is nobody's, or half another's, is noted in the log. A route that says
    `remembers` believes a credential that was good a few seconds ago without a look.

    Raises:
        AccessError: no or nobody's credential, or the account may not do this.
        TooManyError: it asks too often, or too many wrong credentials came from there.
    """
    needs = handler.opt["needs"]
    if needs == PUBLIC:
        return
    credential = credential_of(connection)
    if credential is None:
        raise AccessError(
            "this needs a credential",
            code="sign_in",
            hint="the token of a program, which an administrator enrols",
        )
    limits: Limits = connection.app.state.limits
    callers: Callers = connection.app.state.callers
    permission, remembers = Permission(needs), handler.opt.get("remembers", False)
    who = callers.known(credential, permission) if remembers else None
    if who is None:
        desk: Desk = connection.app.state.desk
        address = connection.client.host if connection.client else ""
        who = await anyio.to_thread.run_sync(
            _let_in, desk, limits, (credential, address), permission
        )
        if remembers:
            callers.remember(credential, permission, who)
    else:
        limits.request(who.account_id)
    connection.state.who = who


def _let_in(
    desk: Desk, limits: Limits, came: tuple[Credential, str], needs: Permission
) -> Principal:
    """Return whom a credential from an address stands for, if they may."""
    credential, address = came
    with desk.database.read() as tx:
        who, refusal = _known(tx, credential)
        if refusal is None:
            limits.request(who.account_id)
            require(tx, who, needs)
            return who
    limits.refusal(attempts.network(address))
    with desk.database.write() as tx:
        signin.refuse(tx, who.account_id, address, via=Via.API)
    raise refusal


def _known(tx: Connection, credential: Credential) -> tuple[Principal, AccessError | None]:
    """Return whom a credential stands for, and what is wrong with it."""
    try:
        who = accounts.by_token(tx, credential.token, Via.API)
    except AccessError as error:
        return signin.NOBODY, error
    if credential.fits(who):
        return who, None
    return who, AccessError(
        "this token goes with another name",
        code="sign_in",
        hint="name and token, or number and token, are those of one account",
    )


async def add_headers(message: Message, scope: Scope) -> None:
    """Put our headers on every answer; what is not said to be kept is not kept."""
    if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers[name] = value
    if "cache-control" not in headers:
        headers["Cache-Control"] = "no-store"
