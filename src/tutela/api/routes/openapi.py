"""What this API is, for programs and people: `/v1/openapi.json`."""

from __future__ import annotations

from litestar import Response

from tutela.api.document import document
from tutela.api.office import Asked
from tutela.edge.routes import PUBLIC, reads


@reads("/v1/openapi.json", needs=PUBLIC)
def openapi(request: Asked) -> Response[bytes]:
    """Give this document."""
    return Response(document(request.app.state.routes), media_type="application/json")


ROUTES = [openapi]
