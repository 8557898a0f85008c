"""Signing in by password and code, and signing out; cookies of sessions are made here only."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response
from litestar.datastructures import Cookie
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from tutela.access import accounts, preferences, sessions, signin
from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.casework import case as cases
from tutela.casework import review
from tutela.core.errors import AccessError
from tutela.core.principal import Principal, Via
from tutela.edge.routes import PUBLIC, reads
from tutela.store import Database
from tutela.web import render
from tutela.web.language import NAMES
from tutela.web.office import Asked, Office, office
from tutela.web.pages.language import YEAR_S, own_path
from tutela.web.routes import changes
from tutela.web.security import cookie_name, forget

# What the browser may still have of pages; cookies it must keep, the language is one.
CLEARED = '"cache", "storage"'


class Typed(msgspec.Struct):
    """The sign-in form. `next` is the page that was asked for."""

    name: str = ""
    password: str = ""
    code: str = ""
    next: str = "/"


@reads("/sign-in", needs=PUBLIC)
def ask(request: Asked) -> Response[str] | Redirect:
    """Ask who it is; somebody who is signed in goes on."""
    target = own_path(request.query_params.get("next", "/"))
    if render.asker(request) is not None:
        return Redirect(target, status_code=303)
    return _form(request, Typed(next=target), None)


@changes("/sign-in", needs=PUBLIC)
def enter(request: Asked, data: URLEncodedBody[Typed]) -> Response[str] | Response[Any]:
    """Let somebody in who shows password and code; every other answer is the same one."""
    place = office(request)
    given = signin.Credentials(data.name, data.password, data.code, address(request))
    try:
        token = signin.password(place.database, place.sealer, place.settings.web, given)
    except AccessError as error:
        return _form(request, data, error)
    return let_in(request, Redirect(own_path(data.next), status_code=303), token)


@changes("/sign-out", needs=PUBLIC)
def leave(request: Asked) -> Response[Any]:
    """End the session, give back what was leased, and let the browser forget the pages."""
    place = office(request)
    token = request.cookies.get(cookie_name(place))
    person = render.asker(request)
    if person is not None:
        _release(place.database, person)
    if token is not None:
        with place.database.write() as tx:
            sessions.end(tx, token)
    answer: Response[Any] = Redirect("/sign-in", status_code=303)
    forget(place, answer, cookie_name(place))
    answer.headers["Clear-Site-Data"] = CLEARED
    return answer


def address(request: Asked) -> str:
    """Return the IP address that asks, as the server was told it."""
    return request.client.host if request.client else ""


def way_name(place: Office) -> str:
    """Name the cookie of a way in that is not finished: a passkey's or the agency's answer."""
    return f"{cookie_name(place)}-way"


def way(request: Asked) -> str:
    """Return the token of a way in that this browser has begun.

    Raises:
        AccessError: it has not, or too long ago.
    """
    token = request.cookies.get(way_name(office(request)))
    if token is None:
        raise AccessError("this took too long", code="sign_in", hint="begin again")
    return token


def way_cookie(request: Asked, token: str) -> Cookie:
    """Return the cookie of a way in. Lax: the agency's answer comes from another site."""
    place = office(request)
    return Cookie(
        key=way_name(place),
        value=token,
        httponly=True,
        samesite="lax",
        max_age=sessions.HALF_MINUTES * 60,
        secure=place.settings.web.origin.startswith("https:"),
    )


def let_in(request: Asked, answer: Response[Any], token: str) -> Response[Any]:
    """Put the cookie of an active session on an answer, and the language its person chose.

    The session that the browser had before ends.
    """
    place = office(request)
    before = request.cookies.get(cookie_name(place))
    if before is not None and before != token:
        with place.database.write() as tx:
            sessions.end(tx, before)
    secure = place.settings.web.origin.startswith("https:")
    cookie = Cookie(
        key=cookie_name(place), value=token, httponly=True, samesite="strict", secure=secure
    )
    answer.set_cookie(cookie)
    if chosen := _language(place, token):
        answer.set_cookie(language_cookie(chosen))
    return answer


def language_cookie(code: str) -> Cookie:
    """Return the cookie that keeps the language of a browser's pages."""
    return Cookie(key="language", value=code, max_age=YEAR_S, httponly=True, samesite="lax")


def _language(place: Office, token: str) -> str | None:
    with place.database.read() as tx:
        session = sessions.find(tx, token, place.settings.web)
        if session is None or session.account_id is None:
            return None
        person = accounts.principal(tx, session.account_id, Via.WEB)
        kept = preferences.read(tx, person, "language").get("language")
    return kept if kept in NAMES else None


def _release(database: Database, person: Principal) -> None:
    if not allows(person, Permission.CASE_LIST):
        return
    with database.write() as tx:
        for case in cases.list_(tx, person):
            review.release(tx, person, case.id)


def _form(request: Asked, typed: Typed, error: AccessError | None) -> Response[str]:
    web = office(request).settings.web
    status = 200
    if error is not None:
        status = 429 if error.code == "locked" else 401
    return render.page(
        request,
        "pages/sign_in/password.html",
        status=status,
        next=own_path(typed.next),
        name=typed.name[:100],
        problem=error,
        oidc=bool(web.oidc_issuer),
        idle_minutes=web.idle_minutes,
    )


ROUTES = [ask, enter, leave]
