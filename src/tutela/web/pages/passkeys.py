"""Passkeys: signing in with one, adding one to the own account. These two need JavaScript."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response
from litestar.datastructures import Cookie
from litestar.params import JSONBody

from tutela.access import own, passkeys
from tutela.access.ceremony import Ceremony
from tutela.access.model import Permission
from tutela.edge.routes import PUBLIC
from tutela.web.office import Asked, office, who
from tutela.web.pages.language import own_path
from tutela.web.pages.sign_in import address, let_in, way, way_cookie, way_name
from tutela.web.routes import changes
from tutela.web.security import forget

JSON = Response[dict[str, Any]]


class Confirmation(msgspec.Struct):
    """The own password, typed again: an open session alone must not become a lasting way in."""

    password: str = ""


class Answer(msgspec.Struct):
    """What the browser's passkey said, as the JSON of the browser itself."""

    credential: dict[str, Any]
    next: str = "/"
    label: str = ""


@changes("/sign-in/passkey/start", needs=PUBLIC)
def begin(request: Asked) -> JSON:
    """Begin to sign in with any passkey of this site."""
    place = office(request)
    with place.database.write() as tx:
        return _begun(request, passkeys.begin_signin(tx, place.settings.web))


@changes("/sign-in/passkey/finish", needs=PUBLIC)
def finish(request: Asked, data: JSONBody[Answer]) -> Response[Any]:
    """Let in who holds the passkey; the answer says where to go on."""
    place = office(request)
    token = passkeys.finish_signin(
        place.database, place.settings.web, way(request), _json(data), address(request)
    )
    answer: JSON = Response({"next": own_path(data.next)})
    forget(place, answer, way_name(place))
    return let_in(request, answer, token)


@changes("/account/passkeys/start", needs=Permission.OWN)
def begin_adding(request: Asked, data: JSONBody[Confirmation]) -> JSON:
    """Begin to add a passkey to the own account, after its password."""
    place = office(request)
    own.confirm(place.database, who(request), data.password, address(request))
    with place.database.write() as tx:
        return _begun(request, passkeys.begin_adding(tx, who(request), place.settings.web))


@changes("/account/passkeys/finish", needs=Permission.OWN)
def finish_adding(request: Asked, data: JSONBody[Answer]) -> JSON:
    """Keep a new passkey of the own account."""
    place = office(request)
    said = Ceremony(way(request), _json(data))
    made = passkeys.finish_adding(
        place.database, who(request), place.settings.web, said, data.label
    )
    answer: JSON = Response({"label": made.label})
    forget(place, answer, way_name(place))
    return answer


def _begun(request: Asked, ceremony: Ceremony) -> JSON:
    cookie: Cookie = way_cookie(request, ceremony.session)
    return Response({"publicKey": msgspec.json.decode(ceremony.options)}, cookies=[cookie])


def _json(data: Answer) -> str:
    return msgspec.json.encode(data.credential).decode()


ROUTES = [begin, finish, begin_adding, finish_adding]
