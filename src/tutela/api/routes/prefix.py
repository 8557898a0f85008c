"""Look-up of exact digests by prefix: `/v1/prefix`."""

from __future__ import annotations

import msgspec
from litestar.params import RawBody

from tutela.access.model import Permission
from tutela.api.office import Asked, prefixes, who
from tutela.core.errors import InputError
from tutela.core.prefixes import PrefixAnswer, PrefixQuestion, Terms
from tutela.edge.routes import changes, reads

_decode = msgspec.json.Decoder(PrefixQuestion).decode


@reads("/v1/prefix", needs=Permission.MATCH)
def terms(request: Asked) -> Terms:
    """Tell how long prefixes are for the member, and how many it may ask for in a day."""
    return prefixes(request).terms(who(request))


@changes("/v1/prefix", needs=Permission.MATCH, takes={"application/json": PrefixQuestion})
def rows(request: Asked, body: RawBody) -> PrefixAnswer:
    """Give everything that is listed under some prefixes, as much for every prefix."""
    try:
        question = _decode(body)
    except msgspec.DecodeError as error:
        raise InputError(f"the question cannot be read: {error}", code="malformed") from None
    return prefixes(request).answer(who(request), question)


ROUTES = [terms, rows]
