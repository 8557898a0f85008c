"""What the pages work with: settings, database, vault, renderer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from litestar import Request
from litestar.datastructures import State

from tutela.core.principal import Principal
from tutela.core.settings import Settings
from tutela.store import Database
from tutela.web.counts import Counts

if TYPE_CHECKING:
    from tutela.access.seal import Sealer
    from tutela.evidence.render import Renderer
    from tutela.evidence.vault.vault import Vault

Asked = Request[Principal, str | None, State]


@dataclass(frozen=True)
class Office:
    """One running installation. `vault` and `renderer` are None where no media are kept."""

    settings: Settings
    database: Database
    sealer: Sealer
    vault: Vault | None = None
    renderer: Renderer | None = None
    counts: Counts = field(default_factory=Counts)


def office(request: Asked) -> Office:
    """Return what the handlers of a request work with."""
    found: Office = request.app.state.office
    return found


def who(request: Asked) -> Principal:
    """Return who asks; the guard has made sure of it."""
    asker: Principal = request.state.who
    return asker
