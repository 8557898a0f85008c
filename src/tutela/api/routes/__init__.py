"""Every route of the API, by protocol."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from tutela.api.routes import status

ROUTES: list[HTTPRouteHandler] = [*status.ROUTES]
