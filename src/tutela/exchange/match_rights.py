"""Which lists of the library a member may ask: the published lists that it may use, by name.

A list of the library answers the members of the published list that has its name, with the radius
and the jurisdictions that stand there; a list that nobody published answers nobody.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tutela.core.ids import ListId, OrganisationId
from tutela.core.principal import Principal
from tutela.exchange import lists
from tutela.exchange.model import ListView
from tutela.hashlist.library import Library
from tutela.hashlist.model import ListInfo
from tutela.store import Database

# Who was taken off a list is answered so long at most.
KEPT_S = 5.0
_MEMBERS_KEPT = 10_000


@dataclass(frozen=True)
class Right:
    """What a member may ask of one list; `info` is that of the library."""

    list_id: ListId
    info: ListInfo
    radius_bits: int
    jurisdictions: frozenset[str]


@dataclass(frozen=True)
class Rights:
    """What a member may ask of the library, by name of list."""

    by_name: Mapping[str, Right] = field(default_factory=dict)

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers that the lists have in the library."""
        return frozenset(right.info.number for right in self.by_name.values())

    @property
    def radius_bits(self) -> int:
        """The widest radius of all lists."""
        return max((right.radius_bits for right in self.by_name.values()), default=0)

    def only(self, names: Collection[str]) -> Rights:
        """Return the rights on some lists; those that are not there are left out without a word."""
        if not names:
            return self
        return Rights({name: right for name, right in self.by_name.items() if name in names})


@dataclass
class _Kept:
    views: Sequence[ListView]
    until_s: float
    generation: int = -1
    rights: Rights = field(default_factory=Rights)


class RightsOffice:
    """Finds out what members may ask, and remembers it for a few seconds. Threads may share it."""

    def __init__(self, library: Library, database: Database) -> None:
        self._library = library
        self._database = database
        self._kept: dict[OrganisationId | None, _Kept] = {}
        self._lock = threading.Lock()

    def of(self, who: Principal) -> Rights:
        """Return what `who` may ask.

        Raises:
            AccessError: `who` may use no lists at all.
        """
        kept = self._kept.get(who.organisation_id)
        if kept is None or kept.until_s < time.monotonic():
            with self._database.read() as tx:
                kept = _Kept(lists.mine(tx, who), time.monotonic() + KEPT_S)
            with self._lock:
                if len(self._kept) >= _MEMBERS_KEPT:
                    self._kept.clear()
                self._kept[who.organisation_id] = kept
        self._library.refresh()
        generation = self._library.generation
        if kept.generation != generation:
            kept.rights = _joined(kept.views, self._library.lists)
            kept.generation = generation
        return kept.rights


def _joined(views: Sequence[ListView], there: Sequence[ListInfo]) -> Rights:
    infos = {info.name: info for info in there}
    return Rights(
        {
            view.name: Right(view.id, infos[view.name], view.radius_bits, view.jurisdictions)
            for view in views
            if view.name in infos
        }
    )
