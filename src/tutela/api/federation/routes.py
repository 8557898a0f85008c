"""The routes for partner nodes."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Response
from litestar.params import QueryParameter, RawBody

from tutela.api.federation.office import Asked, embassy, node
from tutela.core.errors import InputError
from tutela.edge.routes import PUBLIC, changes, reads
from tutela.exchange.federation import record, sharing
from tutela.exchange.federation.message import MESSAGE_BYTES, Terms, encoded
from tutela.exchange.federation.record import Side

# Of a change or a message: up to what JSON can hold.
Number = Annotated[int, QueryParameter(ge=0, le=2**53)]


@changes("/node/v1/messages", PUBLIC, request_max_body_size=MESSAGE_BYTES)
def messages(request: Asked, body: RawBody) -> Response[bytes]:
    """Take a message, and answer it."""
    answer = embassy(request).inbox.take(node(request), body)
    return Response(answer, media_type="application/json")


@reads("/node/v1/terms", PUBLIC)
def terms(request: Asked) -> Response[bytes]:
    """Return what the node may do here."""
    asker = node(request)
    return _json(Terms(may_ask=asker.may_ask, votes=asker.votes))


@reads("/node/v1/lists", PUBLIC)
def lists(request: Asked) -> Response[bytes]:
    """Return the lists that the node may follow."""
    with embassy(request).database.read() as tx:
        return _json(sharing.offers(tx, node(request)))


@reads("/node/v1/lists/{name:str}", PUBLIC)
def page(request: Asked, name: str, after: Number = 0) -> Response[bytes]:
    """Return what changed on a list after a change."""
    body = sharing.page(embassy(request).database, node(request), name, after)
    return Response(body, media_type="application/x-ndjson")


@reads("/node/v1/record/{side:str}", PUBLIC)
def rows(request: Asked, side: str, after: Number = 0) -> Response[bytes]:
    """Return what our log says of messages between the node and us."""
    try:
        wanted = Side(side)
    except ValueError:
        raise InputError("answered or taken", code="side") from None
    with embassy(request).database.read() as tx:
        return _json(record.rows(tx, node(request), wanted, after))


def _json(answer: Any) -> Response[bytes]:
    return Response(encoded(answer), media_type="application/json")


ROUTES = (messages, terms, lists, page, rows)
