"""Every route of the API, by protocol."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from tutela.api.routes import match, status

ROUTES: list[HTTPRouteHandler] = [*status.ROUTES, *match.ROUTES]
