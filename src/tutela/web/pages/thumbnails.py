"""Pictures: the blurred thumbnail of the grid, and the clear one that is asked for on purpose."""

from __future__ import annotations

from litestar import Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from tutela.access.model import Permission
from tutela.casework import case as cases
from tutela.casework import exposure, overview
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, MediaId
from tutela.edge.routes import reads
from tutela.evidence.vault import objects
from tutela.web.office import Asked, Office, office, who
from tutela.web.routes import changes

# Blurred and small, in the browser's own cache for a while: scrolling back must not wait.
KEPT_S = 600
CLEAR_PX = 1600


@reads("/cases/{case_id:int}/media/{media_id:int}/thumbnail", needs=Permission.CASE_READ)
def thumbnail(request: Asked, case_id: FromPath[int], media_id: FromPath[int]) -> Response[bytes]:
    """Give the blurred thumbnail, as it was made when the picture came in."""
    place = office(request)
    data = _stored(place, request, CaseId(case_id), MediaId(media_id), "thumbnail")
    if data is None:
        raise NotFoundException
    return Response(
        data,
        media_type="image/jpeg",
        headers={"Cache-Control": f"private, max-age={KEPT_S}"},
    )


@changes("/cases/{case_id:int}/media/{media_id:int}/clear", needs=Permission.VIEW_CLEAR)
def clear(request: Asked, case_id: FromPath[int], media_id: FromPath[int]) -> Response[bytes]:
    """Give the picture clear, drawn anew by a confined process, and record that it was seen.

    It is recorded before it is sent: a view that failed is in the log, never the other way round.
    """
    place = office(request)
    case, media = CaseId(case_id), MediaId(media_id)
    data = _stored(place, request, case, media, "original")
    if data is None or place.renderer is None:
        raise UsageError(
            "this picture is not kept here",
            code="not_found",
            hint="the case holds fingerprints only, or the picture was deleted",
        )
    picture = place.renderer.clear(data, CLEAR_PX)
    with place.database.write() as tx:
        exposure.viewed(tx, who(request), case, media, "review")
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def _stored(
    place: Office, request: Asked, case_id: CaseId, media_id: MediaId, kind: str
) -> bytes | None:
    if place.vault is None:
        return None
    with place.database.read() as tx:
        overview.require_media(tx, who(request), case_id, media_id)
        # What the vault has was kept for another case, under that one's authority.
        if not cases.info(tx, who(request), case_id).keeps_media:
            return None
        found = objects.of_media(tx, media_id, kind)
    return None if found is None else place.vault.open(found)


ROUTES = [thumbnail, clear]
