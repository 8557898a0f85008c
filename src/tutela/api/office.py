"""What the handlers of the API work with."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Request
from litestar.datastructures import State

from tutela.api.limits import Limits
from tutela.core.principal import Principal
from tutela.core.settings import Settings
from tutela.hashlist.library import Library
from tutela.store import Database

Asked = Request[Principal, str | None, State]


@dataclass(frozen=True)
class Desk:
    """One running API server. `library` is None where no list was imported or published yet."""

    settings: Settings
    database: Database
    library: Library | None = None


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
