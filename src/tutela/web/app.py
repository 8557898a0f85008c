"""Builds the application: every route, guarded; security headers on every answer."""

from __future__ import annotations

from litestar import Litestar, MediaType, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from tutela.core.errors import TutelaError
from tutela.web import errors, render, security
from tutela.web.office import Office
from tutela.web.pages import ROUTES
from tutela.web.routes import PUBLIC, needs_of, reads

MAX_BODY_BYTES = 1 << 20
YEAR_S = 31_536_000


@reads("/static/{version:str}/{name:str}", needs=PUBLIC)
def static(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """Give a file that pages are made of."""
    present, found = render.static_files()
    if name not in found or version != present:
        raise NotFoundException
    kinds = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    return Response(
        found[name],
        media_type=kinds.get(name.rpartition(".")[2], MediaType.TEXT),
        headers={"Cache-Control": f"public, max-age={YEAR_S}, immutable"},
    )


def build(office: Office) -> Litestar:
    """Return the application that serves `office`.

    Raises:
        RuntimeError: a route does not say who may use it (a defect of ours).
    """
    app = Litestar(
        [static, *ROUTES],
        state=State({"office": office}),
        guards=[security.known_host, security.same_origin, security.authorised],
        before_send=[security.add_headers],
        exception_handlers={
            TutelaError: errors.on_ours,
            HTTPException: errors.on_http,
            Exception: errors.on_any,
        },
        openapi_config=None,
        logging_config=None,
        request_max_body_size=MAX_BODY_BYTES,
        on_shutdown=[],
    )
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler) and needs_of(handler) is None:
                _automatic(handler, route.path)
    return app


def _automatic(handler: HTTPRouteHandler, path: str) -> None:
    """Accept what the framework adds by itself (OPTIONS answers with methods only)."""
    if handler.http_methods != {"OPTIONS"}:
        raise RuntimeError(f"{path} does not say who may use it")
    handler.opt["needs"] = PUBLIC
