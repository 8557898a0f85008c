"""Errors as JSON (RFC 9457, problem details)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import structlog
from litestar import Response
from litestar.exceptions import HTTPException

from tutela.api.limits import TooManyError
from tutela.api.office import Asked
from tutela.core.errors import TutelaError
from tutela.edge.status import status_of

log = structlog.get_logger("tutela.api")


def on_ours(_request: Asked, error: TutelaError) -> Response[object]:
    """Answer with what went wrong and what to do about it."""
    answer = _problem(status_of(error), error.message, error.hint, error.code)
    if isinstance(error, TooManyError):
        answer.headers["Retry-After"] = str(math.ceil(error.wait_s))
    return answer


def on_http(_request: Asked, error: HTTPException) -> Response[object]:
    """Answer for what the framework refuses."""
    status = HTTPStatus(error.status_code)
    detail = "" if status is HTTPStatus.NOT_FOUND else error.detail
    return _problem(status, status.phrase.lower(), detail, "http")


def on_any(request: Asked, error: Exception) -> Response[object]:
    """Answer for a defect of ours without telling what it was; the log has it."""
    log.error("request_failed", handler=str(request.route_handler), exc_info=error)
    return _problem(
        HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here", "try again later", "defect"
    )


def _problem(status: HTTPStatus, title: str, detail: str, code: str) -> Response[object]:
    said = {"status": status.value, "title": title, "detail": detail, "code": code}
    headers = {"WWW-Authenticate": 'Basic realm="Tutela"'} if status == 401 else {}
    return Response(
        said, status_code=status, media_type="application/problem+json", headers=headers
    )


HANDLERS: Final[Mapping[int | type[Exception], Callable[..., Response[object]]]] = {
    TutelaError: on_ours,
    HTTPException: on_http,
    Exception: on_any,
}
