"""Which HTTP status says what went wrong."""

from __future__ import annotations

from http import HTTPStatus

from tutela.core.errors import (
    AccessError,
    ConflictError,
    InputError,
    IntegrityError,
    ServiceError,
    TutelaError,
    UsageError,
)

_BY_CODE = {
    "sign_in": HTTPStatus.UNAUTHORIZED,
    "not_found": HTTPStatus.NOT_FOUND,
    "too_many": HTTPStatus.TOO_MANY_REQUESTS,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
_BY_KIND: tuple[tuple[type[TutelaError], HTTPStatus], ...] = (
    (AccessError, HTTPStatus.FORBIDDEN),
    (ConflictError, HTTPStatus.CONFLICT),
    (UsageError, HTTPStatus.BAD_REQUEST),
    (InputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (IntegrityError, HTTPStatus.INTERNAL_SERVER_ERROR),
    (ServiceError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def status_of(error: TutelaError) -> HTTPStatus:
    """Return the status of an error: by its code where that says more, else by its class."""
    if error.code in _BY_CODE:
        return _BY_CODE[error.code]
    return next((s for kind, s in _BY_KIND if isinstance(error, kind)), HTTPStatus(500))
