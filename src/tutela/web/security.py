"""Who may come in: every request passes here before a handler sees it.

A route says what it needs; one that says nothing is refused when the app is built. A request that
changes something must come from our own pages: the browser says so itself (Sec-Fetch-Site, Origin),
as Go 1.25's CrossOriginProtection checks it, so forms need no token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from litestar import Response
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler

from tutela.access import accounts, sessions
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.access.sessions import State
from tutela.core.errors import AccessError
from tutela.core.ids import CaseId
from tutela.core.principal import Via
from tutela.edge.routes import PUBLIC

if TYPE_CHECKING:
    from litestar.types import Message, Scope

    from tutela.web.office import Office

SAFE = frozenset({"GET", "HEAD"})
# What a route needs that is for somebody who gave a password and owes the second factor.
HALF: Final = "half signed in"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Connection = ASGIConnection[Any, Any, Any, Any]


def known_host(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Refuse a request for a host that we are not (DNS rebinding); this machine's names are ours.

    Raises:
        AccessError: the Host header names another.
    """
    place: Office = connection.app.state.office
    ours = {urlsplit(place.settings.web.origin).hostname, "localhost", "127.0.0.1", "::1"}
    asked = urlsplit(f"//{connection.headers.get('host', '')}").hostname
    if asked not in ours:
        raise AccessError("this server has another name", code="host")


def same_origin(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Refuse a change that another site's page asks for.

    Raises:
        AccessError: the browser says that the request comes from elsewhere.
    """
    if connection.scope.get("method") in SAFE:
        return
    site = connection.headers.get("sec-fetch-site")
    origin = connection.headers.get("origin")
    if site in {"same-origin", "none"}:
        return
    host = connection.headers.get("host", "")
    if site is None and origin is not None and urlsplit(origin).netloc == host:
        return
    raise AccessError("this was asked for by another site's page", code="cross_site")


def authorised(connection: Connection, handler: BaseRouteHandler) -> None:
    """Find out who asks and whether they may; keep it for the handler.

    Raises:
        AccessError: nobody is signed in, or the role or case team does not allow it.
    """
    needs = handler.opt["needs"]
    place: Office = connection.app.state.office
    token = connection.cookies.get(cookie_name(place))
    with place.database.read() as tx:
        session = sessions.find(tx, token, place.settings.web) if token else None
        if session is not None:
            connection.state.session = session
            if session.state is State.ACTIVE and session.account_id is not None:
                connection.state.who = accounts.principal(tx, session.account_id, Via.WEB)
        if needs == PUBLIC or (needs == HALF and session is not None):
            return
        if "who" not in connection.state:
            raise AccessError("nobody is signed in", code="sign_in", hint="sign in first")
        case = connection.path_params.get("case_id")
        require(tx, connection.state.who, Permission(needs), None if case is None else CaseId(case))
    if token is not None:
        sessions.touch(place.database, token)


def forget(place: Office, answer: Response[Any], name: str) -> None:
    """Let the browser forget one of our cookies.

    A browser takes no cookie of a name with `__Host-` that is not secure, not even an empty one.
    """
    secure = place.settings.web.origin.startswith("https:")
    answer.set_cookie(Cookie(key=name, value="", max_age=0, httponly=True, secure=secure))


def cookie_name(place: Office) -> str:
    """Name the session cookie: bound to this very host where the browser can see to it."""
    return "__Host-tutela" if place.settings.web.origin.startswith("https:") else "tutela"


async def add_headers(message: Message, scope: Scope) -> None:
    """Put our security headers on every answer; what is not said to be kept is not kept."""
    if message["type"] != "http.response.start" or scope["type"] != ScopeType.HTTP:
        return
    headers = MutableScopeHeaders.from_message(message)
    for name, value in HEADERS.items():
        headers[name] = value
    if "cache-control" not in headers:
        headers["Cache-Control"] = "no-store"
