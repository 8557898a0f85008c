"""Our own plain feed, `/feed/LIST`: whoever can fetch a file and check a signature can sync."""

from __future__ import annotations

from litestar import Response
from litestar.params import FromPath, FromQuery

from tutela.access.model import Permission
from tutela.api.office import Asked, desk, who
from tutela.api.protocols import feed
from tutela.api.protocols.paging import number
from tutela.core.time import now
from tutela.edge.routes import PUBLIC, reads
from tutela.exchange import changes, lists

PAGE = 1_000
LARGEST_PAGE = 10_000
TEXT = "text/plain; charset=utf-8"


@reads("/feed", needs=Permission.LISTS_SYNC)
def feeds(request: Asked) -> dict[str, object]:
    """Tell a program who it is, and of which lists there is a feed for it."""
    asker = who(request)
    with desk(request).database.read() as tx:
        views = lists.mine(tx, asker)
    return {
        "account": asker.name,
        "organisation": asker.organisation_id,
        "lists": [
            {
                "list": view.name,
                "title": view.title,
                "purpose": view.purpose,
                "owner": view.owner,
                "role": view.role.value,
                "radius_bits": view.radius_bits,
            }
            for view in views
        ],
    }


@reads("/feed-key", needs=PUBLIC)
def key(request: Asked) -> dict[str, str]:
    """Give the public key of the pages; compare it with what the operator told you otherwise."""
    verifier = feed.signing_key(desk(request).settings.api).verifier
    return {"verifier": str(verifier), "pem": feed.public_key(verifier)}


@reads("/feed/{name:str}", needs=Permission.LISTS_SYNC)
def page(
    request: Asked,
    name: FromPath[str],
    after: FromQuery[str | None] = None,
    limit: FromQuery[str | None] = None,
) -> Response[str]:
    """Give what changed on a list after a change, in order, as a signed page."""
    since = number(after, "after", default=0, least=0, most=10**18 - 1)
    most = number(limit, "limit", default=PAGE, least=1, most=LARGEST_PAGE)
    place, asker = desk(request), who(request)
    signer = feed.signing_key(place.settings.api)
    with place.database.read() as tx:
        view = lists.view(tx, asker, name)
        found = changes.since(tx, asker, view, since, most + 1)
    text = feed.page(
        view,
        asker.organisation_id,
        since,
        found[:most],
        now(),
        more=len(found) > most,
        key=signer,
    )
    return Response(text, media_type=TEXT)


ROUTES = [feeds, key, page]
