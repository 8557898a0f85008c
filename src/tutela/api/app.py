"""Builds the application for programs: every route, guarded."""

from __future__ import annotations

from litestar import Litestar
from litestar.datastructures import State

from tutela.api import security
from tutela.api.callers import Callers
from tutela.api.errors import HANDLERS
from tutela.api.limits import Limits
from tutela.api.office import Desk
from tutela.api.routes import ROUTES
from tutela.edge.routes import refuse_unsaid


def build(desk: Desk) -> Litestar:
    """Return the application that serves `desk`.

    Raises:
        RuntimeError: a route does not say who may use it (a defect of ours).
    """
    app = Litestar(
        list(ROUTES),
        state=State(
            {
                "desk": desk,
                "limits": Limits(desk.settings.api.requests_per_minute),
                "callers": Callers(),
                "routes": tuple(ROUTES),
            }
        ),
        guards=[security.authorised],
        before_send=[security.add_headers],
        exception_handlers=dict(HANDLERS),
        openapi_config=None,
        logging_config=None,
        request_max_body_size=desk.settings.api.body_mib << 20,
    )
    refuse_unsaid(app)
    return app
