"""Every route of the API, by protocol."""

from __future__ import annotations

from litestar.handlers import HTTPRouteHandler

from tutela.api.routes import (
    chat,
    feed,
    graph,
    hma,
    hma_match,
    lists,
    match,
    ncmec,
    openapi,
    prefix,
    status,
    stopncii,
)

ROUTES: list[HTTPRouteHandler] = [
    *status.ROUTES,
    *match.ROUTES,
    *prefix.ROUTES,
    *chat.ROUTES,
    *lists.ROUTES,
    *openapi.ROUTES,
    *ncmec.ROUTES,
    *stopncii.ROUTES,
    *graph.ROUTES,
    *hma.ROUTES,
    *hma_match.ROUTES,
    *feed.ROUTES,
]
