"""Builds the application for partner nodes: every route behind the key of a trusted node."""

from __future__ import annotations

from litestar import Litestar
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from tutela.api import errors, security
from tutela.api.federation.office import Embassy
from tutela.api.federation.routes import ROUTES
from tutela.api.federation.security import REQUESTS_PER_MINUTE, known
from tutela.api.limits import Buckets
from tutela.core.errors import TutelaError
from tutela.edge.routes import refuse_unsaid
from tutela.exchange.federation.message import MESSAGE_BYTES


def build(embassy: Embassy) -> Litestar:
    """Return the application that serves partner nodes.

    Raises:
        RuntimeError: a route does not say who may use it (a defect of ours).
    """
    app = Litestar(
        list(ROUTES),
        state=State({"embassy": embassy, "buckets": Buckets(REQUESTS_PER_MINUTE)}),
        guards=[known],
        before_send=[security.add_headers],
        exception_handlers={
            TutelaError: errors.on_ours,
            HTTPException: errors.on_http,
            Exception: errors.on_any,
        },
        openapi_config=None,
        logging_config=None,
        request_max_body_size=MESSAGE_BYTES,
    )
    refuse_unsaid(app)
    return app
