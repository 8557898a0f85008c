"""The lists that this installation publishes, in its own library: its matching answers for them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tutela.core.errors import UsageError
from tutela.core.principal import Principal
from tutela.exchange import generation
from tutela.exchange.generation import Generation
from tutela.exchange.model import ListView
from tutela.exchange.publish.copies import changes_of
from tutela.hashlist.live import Applied, LiveList
from tutela.store import Database

SOURCE = "own"


class Kept(msgspec.Struct, frozen=True):
    """What the list of the library remembers: of which list it is, and up to which change."""

    list_id: int
    change: int


def keep(
    database: Database, who: Principal, library: Path, view: ListView, sealed: Generation
) -> Applied:
    """Bring the library's own copy of a list to a generation.

    Raises:
        AccessError: `who` may not sync lists.
        ServiceError: another process has been writing the library all the time.
        UsageError: the library has another list of that name.
    """
    own = LiveList.create(
        library, view.name, role=view.role, source=SOURCE, received_from=view.owner
    )
    before = _before(own, view)
    with database.read() as tx:
        listed = generation.delta(tx, who, view, before, sealed.change)
        checkpoint = msgspec.json.encode(Kept(view.id, sealed.change))
        changes = changes_of(listed, view)
        return own.apply(changes, checkpoint) if before else own.load(changes, checkpoint)


def _before(own: LiveList, view: ListView) -> int:
    kept = own.checkpoint()
    if not kept:
        return 0
    try:
        before = msgspec.json.decode(kept, type=Kept)
    except msgspec.DecodeError:
        raise UsageError(
            f"the list {own.name!r} of the library comes from a subscription",
            code="list_exists",
            hint="follow that one under another name: tutela list subscribe --prefix",
        ) from None
    return before.change if before.list_id == view.id else 0
