"""Who may change the keys of a publication, and what the log says of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from securesystemslib.signer import Key

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.principal import Principal
from tutela.exchange import lists
from tutela.exchange.publish.ceremony import OFFLINE, ONLINE, Ceremony, Standing
from tutela.exchange.publish.release import Publisher
from tutela.exchange.publish.repository import last_root
from tutela.store import Database

SUBJECT = "publication"


@dataclass(frozen=True)
class Custody:
    """Changes keys in somebody's name; hold the lock of the publication meanwhile.

    Every method raises AccessError where `who` may not publish lists.
    """

    database: Database
    who: Principal
    ceremony: Ceremony

    def begin(self, root: Sequence[Key], targets: Sequence[Key], threshold: int) -> list[Standing]:
        """Begin a publication, as `Ceremony.begin` does."""
        self._ask()
        lacking = self.ceremony.begin(root, targets, threshold)
        with self.database.write() as tx:
            log.record(
                tx, self.who, "publication.begun", SUBJECT, root=self._root, waits=bool(lacking)
            )
        return lacking

    def rotate(self, role: str, keys: Sequence[Key]) -> list[Standing]:
        """Replace the keys of a role, or those of a list by its name."""
        self._ask()
        signs, kind = role, role
        if role not in (*OFFLINE, *ONLINE):
            publisher = Publisher(self.database, self.who, self.ceremony)
            with self.database.read() as tx:
                view = lists.view(tx, self.who, role)
            signs, kind = publisher.role_of(view), f"list:{view.id}"
        lacking = self.ceremony.rotate(signs, keys)
        with self.database.write() as tx:
            log.record(
                tx,
                self.who,
                "publication.rotated",
                SUBJECT,
                role=kind,
                root=self._root,
                waits=bool(lacking),
            )
        return lacking

    def renew(self) -> list[Standing]:
        """Let root and targets run for another year."""
        self._ask()
        lacking = self.ceremony.renew()
        with self.database.write() as tx:
            log.record(
                tx, self.who, "publication.renewed", SUBJECT, root=self._root, waits=bool(lacking)
            )
        return lacking

    def accept(self) -> None:
        """Publish drafts that were signed elsewhere."""
        self._ask()
        self.ceremony.accept()
        with self.database.write() as tx:
            log.record(tx, self.who, "publication.accepted", SUBJECT, root=self._root)

    def _ask(self) -> None:
        with self.database.read() as tx:
            require(tx, self.who, Permission.LISTS_PUBLISH)

    @property
    def _root(self) -> int:
        """The version of the root that is published, 0 where none is yet."""
        last = last_root(self.ceremony.folder)
        return int(last.name.partition(".")[0]) if last else 0
