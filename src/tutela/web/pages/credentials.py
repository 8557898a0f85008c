"""What people change about their own way in: password, authenticator, recovery codes."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from tutela.access import own
from tutela.access.model import Permission
from tutela.core.errors import UsageError
from tutela.edge.routes import reads
from tutela.web import render
from tutela.web.office import Asked, office, who
from tutela.web.pages.sign_in import address, let_in
from tutela.web.pages.welcome import recovery_page
from tutela.web.routes import changes
from tutela.web.security import cookie_name


class Typed(msgspec.Struct):
    """The present password (`old`), and what shall be new."""

    old: str = ""
    password: str = ""
    code: str = ""


@reads("/account/credentials", needs=Permission.OWN)
def show(request: Asked) -> Response[str]:
    """Show the forms."""
    return _page(request, None, "")


@changes("/account/password", needs=Permission.OWN)
def password(request: Asked, data: URLEncodedBody[Typed]) -> Response[Any]:
    """Set a new password; all other sessions end."""
    place = office(request)
    typed = (data.old, data.password)
    try:
        token = own.change_password(
            place.database, place.settings.web, who(request), typed, address(request)
        )
    except UsageError as error:
        return _page(request, error, "password")
    return let_in(request, Redirect("/account", status_code=303), token)


@changes("/account/authenticator", needs=Permission.OWN)
def authenticator(request: Asked, data: URLEncodedBody[Typed]) -> Response[Any]:
    """Take another authenticator; there are new recovery codes with it."""
    place, asker = office(request), who(request)
    try:
        own.confirm(place.database, asker, data.old, address(request))
        codes = own.change_authenticator(
            place.database, place.sealer, asker, _session(request), data.code
        )
    except UsageError as error:
        return _page(request, error, "authenticator")
    return recovery_page(request, codes, "/account")


@changes("/account/recovery", needs=Permission.OWN)
def recovery(request: Asked, data: URLEncodedBody[Typed]) -> Response[Any]:
    """Make new recovery codes; the old ones are worth nothing from then on."""
    place, asker = office(request), who(request)
    try:
        own.confirm(place.database, asker, data.old, address(request))
        codes = own.renew_recovery(place.database, asker)
    except UsageError as error:
        return _page(request, error, "recovery")
    return recovery_page(request, codes, "/account")


def _session(request: Asked) -> str:
    return request.cookies[cookie_name(office(request))]


def _page(request: Asked, problem: UsageError | None, where: str) -> Response[str]:
    offer = own.offer(office(request).sealer, who(request), _session(request))
    return render.page(
        request,
        "pages/account/credentials.html",
        status=400 if problem else 200,
        problem=problem,
        where=where,
        offer=offer,
    )


ROUTES = [show, password, authenticator, recovery]
