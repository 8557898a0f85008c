"""The one-time link: an invited person chooses a password and sets up an authenticator."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response
from litestar.params import FromPath, URLEncodedBody

from tutela.access import enrolment
from tutela.core.errors import AccessError, UsageError
from tutela.edge.routes import PUBLIC, reads
from tutela.web import render
from tutela.web.office import Asked, office
from tutela.web.pages.sign_in import let_in
from tutela.web.routes import changes


class Chosen(msgspec.Struct):
    """What the invited person chose, and what the authenticator shows now."""

    password: str = ""
    code: str = ""


@reads("/welcome/{token:str}", needs=PUBLIC)
def show(request: Asked, token: FromPath[str]) -> Response[str]:
    """Show what to set up, or the same calm page for any link that does not open."""
    return _form(request, token, None)


@changes("/welcome/{token:str}", needs=PUBLIC)
def accept(
    request: Asked,
    token: FromPath[str],
    data: URLEncodedBody[Chosen],
) -> Response[Any]:
    """Take the invitation up; recovery codes are on this answer and never again."""
    place = office(request)
    try:
        made = enrolment.accept(
            place.database, place.sealer, place.settings.web, token, (data.password, data.code)
        )
    except AccessError as error:
        return _over(request, error)
    except UsageError as error:
        return _form(request, token, error)
    return let_in(request, recovery_page(request, made.recovery_codes, "/"), made.session)


def recovery_page(request: Asked, codes: list[str], onward: str) -> Response[str]:
    """Return the page that shows recovery codes, once."""
    return render.page(request, "pages/sign_in/recovery.html", codes=codes, onward=onward)


def _form(request: Asked, token: str, problem: UsageError | None) -> Response[str]:
    place = office(request)
    try:
        with place.database.read() as tx:
            offer = enrolment.offer(tx, place.sealer, token)
    except AccessError as error:
        return _over(request, error)
    return render.page(
        request,
        "pages/sign_in/welcome.html",
        status=400 if problem else 200,
        offer=offer,
        problem=problem,
    )


def _over(request: Asked, error: AccessError) -> Response[str]:
    return render.page(request, "pages/sign_in/over.html", status=404, problem=error)


ROUTES = [show, accept]
