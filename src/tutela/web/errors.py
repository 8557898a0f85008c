"""Errors as pages or, for programs, as JSON (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

import structlog
from litestar import Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect

from tutela.core.errors import TutelaError
from tutela.edge.status import status_of
from tutela.web import render
from tutela.web.language import N_
from tutela.web.office import Asked

# What the framework says, in the words of HTTP.
PHRASES = (
    N_("bad request"),
    N_("not found"),
    N_("method not allowed"),
    N_("request entity too large"),
    N_("unsupported media type"),
    N_("internal server error"),
)

log = structlog.get_logger("tutela.web")


def on_ours(request: Asked, error: TutelaError) -> Response[object] | Redirect:
    """Answer with what went wrong; a person who is not signed in is asked to."""
    if error.code == "sign_in" and not wants_json(request):
        path = request.url.path
        target = "" if path == "/" or request.method != "GET" else f"?next={quote(path)}"
        return Redirect(f"/sign-in{target}", status_code=303)
    return _answer(request, status_of(error), error.message, error.hint, error.code)


def on_http(request: Asked, error: HTTPException) -> Response[object] | Redirect:
    """Answer for what the framework refuses: no such page, a form that does not fit."""
    status = HTTPStatus(error.status_code)
    detail = "" if status is HTTPStatus.NOT_FOUND else error.detail
    return _answer(request, status, status.phrase.lower(), detail, "http")


def on_any(request: Asked, error: Exception) -> Response[object] | Redirect:
    """Answer for a defect of ours without telling what it was; the log has it."""
    log.error(
        "page_failed", method=request.method, handler=str(request.route_handler), exc_info=error
    )
    return _answer(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        N_("something went wrong here"),
        N_("nothing that was acknowledged is lost; try again, and tell the administrator"),
        "defect",
    )


def wants_json(request: Asked) -> bool:
    """Tell whether a program asks."""
    return "application/json" in request.headers.get("accept", "")


def _answer(
    request: Asked, status: HTTPStatus, message: str, hint: str, code: str
) -> Response[object]:
    if wants_json(request):
        _ = render.language_of(request).told
        problem: object = {
            "status": status.value,
            "title": _(message),
            "detail": _(hint),
            "code": code,
        }
        return Response(problem, status_code=status, media_type="application/problem+json")
    return render.page(  # type: ignore[return-value]  # a page is a response of text
        request, "pages/error.html", status=status, message=message, hint=hint, number=status.value
    )
