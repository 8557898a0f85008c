"""Builds the application: every route, guarded; security headers on every answer."""

from __future__ import annotations

from litestar import Litestar, MediaType, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, NotFoundException
from litestar.params import FromPath

from tutela.core.errors import TutelaError
from tutela.edge.routes import PUBLIC, reads, refuse_unsaid
from tutela.web import errors, render, security
from tutela.web.office import Office
from tutela.web.pages import ROUTES

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
    refuse_unsaid(app)
    return app
