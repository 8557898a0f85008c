"""Whether the server is up, for load balancers and people: `/status`."""

from __future__ import annotations

from tutela.api.office import Asked, desk
from tutela.edge.routes import PUBLIC, reads


@reads("/v1/status", needs=PUBLIC)
def status(request: Asked) -> dict[str, object]:
    """Tell whether there is a library to match against, and its generation."""
    library = desk(request).library
    return {"up": True, "generation": library.generation if library else None}


ROUTES = [status]
