"""Signing in at the agency (OpenID Connect), and the second factor where the agency showed one."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from litestar import Response
from litestar.datastructures import Cookie
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from tutela.access import oidc, signin
from tutela.access.provider import Provider
from tutela.access.sessions import State
from tutela.core.errors import AccessError
from tutela.core.settings import WebSettings
from tutela.edge.routes import PUBLIC, reads
from tutela.web import render
from tutela.web.office import Asked, office
from tutela.web.pages.language import own_path
from tutela.web.pages.sign_in import address, let_in, way, way_cookie, way_name
from tutela.web.routes import changes
from tutela.web.security import forget

NEXT = "next-page"


class Code(msgspec.Struct):
    """The code of a second factor."""

    code: str = ""


@reads("/oidc/start", needs=PUBLIC)
def start(request: Asked) -> Response[Any]:
    """Send the browser to the agency."""
    place = office(request)
    way = oidc.begin(place.database, place.settings.web, _provider(place.settings.web))
    answer: Response[Any] = Redirect(way.url, status_code=303)
    answer.set_cookie(way_cookie(request, way.session))
    target = own_path(request.query_params.get("next", "/"))
    cookie = Cookie(key=NEXT, value=target, httponly=True, samesite="lax", max_age=600)
    answer.set_cookie(cookie)
    return answer


@reads(oidc.CALLBACK, needs=PUBLIC)
def come_back(request: Asked) -> Response[Any]:
    """Let in whom the agency sent back, or ask for the second factor.

    The answer is a page that goes on by itself, not a redirect: the browser does not send the
    session's cookie while it still follows another site.
    """
    place = office(request)
    query = {name: str(value) for name, value in request.query_params.items()}
    try:
        entered = oidc.finish(
            place.database,
            place.settings.web,
            _provider(place.settings.web),
            way(request),
            (query, address(request)),
        )
    except AccessError as error:
        return _refused(request, error)
    if entered.state is State.ACTIVE:
        return let_in(request, _onward(request, _next(request)), entered.session)
    answer = _onward(request, "/sign-in/code")
    answer.set_cookie(way_cookie(request, entered.session))
    return answer


@reads("/sign-in/code", needs=PUBLIC)
def ask(request: Asked) -> Response[str]:
    """Ask for the code of the second factor."""
    return render.page(request, "pages/sign_in/code.html", problem=None)


@changes("/sign-in/code", needs=PUBLIC)
def enter(request: Asked, data: URLEncodedBody[Code]) -> Response[Any]:
    """Let in who shows the second factor; a wrong code means to begin again."""
    place = office(request)
    try:
        token = signin.code(
            place.database,
            place.sealer,
            place.settings.web,
            way(request),
            data.code,
            address(request),
        )
    except AccessError as error:
        return _refused(request, error)
    answer: Response[Any] = Redirect(_next(request), status_code=303)
    forget(place, answer, way_name(place))
    return let_in(request, answer, token)


def _next(request: Asked) -> str:
    return own_path(request.cookies.get(NEXT, "/"))


def _onward(request: Asked, path: str) -> Response[Any]:
    return render.page(request, "pages/sign_in/onward.html", onward=path)


def _refused(request: Asked, error: AccessError) -> Response[str]:
    status = 429 if error.code == "locked" else 401
    return render.page(request, "pages/sign_in/refused.html", status=status, problem=error)


@cache
def _provider(web: WebSettings) -> Provider:
    return Provider(web)


ROUTES = [start, come_back, ask, enter]
