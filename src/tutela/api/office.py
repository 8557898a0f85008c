"""What the handlers of the API work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from litestar import Request
from litestar.datastructures import State

from tutela.api.limits import Limits
from tutela.chat import service
from tutela.core.errors import AccessError, ServiceError
from tutela.core.principal import Principal
from tutela.core.settings import Settings
from tutela.exchange.match import Matching
from tutela.exchange.match_prefix import Prefixes
from tutela.hashlist.library import Library
from tutela.scan.hasher import Hasher
from tutela.store import Database

T = TypeVar("T")
Asked = Request[Principal, str | None, State]


@dataclass(frozen=True)
class Desk:
    """One running API server.

    `library`, `matching` and `prefixes` are None where no list was imported or published yet,
    `hasher` where the operator takes no files, `chat` where no conversations are scored.
    """

    settings: Settings
    database: Database
    library: Library | None = None
    matching: Matching | None = None
    prefixes: Prefixes | None = None
    hasher: Hasher | None = None
    chat: service.Service | None = None


def desk(request: Asked) -> Desk:
    """Return what the handlers of a request work with."""
    found: Desk = request.app.state.desk
    return found


def limits(request: Asked) -> Limits:
    """Return the limits of this server."""
    found: Limits = request.app.state.limits
    return found


def who(request: Asked) -> Principal:
    """Return who asks; the guard has made sure of it."""
    asker: Principal = request.state.who
    return asker


def matching(request: Asked) -> Matching:
    """Return the matching service of a request.

    Raises:
        ServiceError: code `no_library`: this server has no list to match against.
    """
    return _there(desk(request).matching)


def prefixes(request: Asked) -> Prefixes:
    """Return the look-up by prefix.

    Raises:
        ServiceError: as `matching`.
    """
    return _there(desk(request).prefixes)


def chat(request: Asked) -> service.Service:
    """Return what scores conversations.

    Raises:
        ServiceError: code `chat_off`, `chat_no_basis` or `chat_closed`: it does not here.
    """
    found = desk(request).chat
    if found is None:
        service.require_basis(desk(request).settings.chat)
        raise ServiceError("conversations are not scored here now", code="chat_closed")
    return found


def _there(found: T | None) -> T:
    if found is None:
        raise ServiceError(
            "there is no list here to match against", code="no_library", hint="ask the operator"
        )
    return found


def hasher(request: Asked) -> Hasher:
    """Return what fingerprints files that are sent.

    Raises:
        AccessError: code `no_files`: the operator takes none.
    """
    found = desk(request).hasher
    if found is None:
        raise AccessError(
            "this service takes no files", code="no_files", hint="send hashes, or ask the operator"
        )
    return found
