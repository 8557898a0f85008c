"""Publishing lists: seal, read, encrypt, sign, in an order in which any moment may be the last.

All that a publication needs to know of the one before it stands in the heads that it can decrypt
itself. So nothing has to be kept in step with the repository: a publication that was killed is
followed by the next one as if it had not begun.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from sqlalchemy import Connection, func, select
from tuf.api.metadata import TargetFile

from tutela.core.ids import ListId
from tutela.core.principal import Principal
from tutela.exchange import generation, lists, members, own
from tutela.exchange.crypt import Identity
from tutela.exchange.generation import Generation
from tutela.exchange.model import ListView, Member, MemberPermission
from tutela.exchange.publication import role_names
from tutela.exchange.publish.ceremony import Ceremony
from tutela.exchange.publish.group import Drawn, Group, GroupPublisher
from tutela.exchange.publish.repository import Repository
from tutela.store import Database
from tutela.store.tables.exchange import ListedEntry

IDENTITY = "publisher.age"
_SCRATCH = "scratch"
_TRIES = 5


class Published(msgspec.Struct, frozen=True):
    """What was done with a list.

    `outcome` is `published`, `unchanged`, or `unsigned`: its delegation waits for a signature of
    the targets keys. `members` get it; those without an age recipient do not.
    """

    list: str
    outcome: str
    generation: int
    active: int
    members: int
    without_recipient: int
    size_bytes: int


class Publisher:
    """Publishes lists of an installation; hold the lock of the publication meanwhile.

    Args:
        database: Where the lists are.
        who: Acts; has to manage each list.
        ceremony: The repository and its keys.
    """

    def __init__(self, database: Database, who: Principal, ceremony: Ceremony) -> None:
        self._database, self._who, self._ceremony = database, who, ceremony
        self._folder = ceremony.ring.folder
        self._identity = own_identity(self._folder)

    def publish(self, names: Sequence[str] = ()) -> list[Published]:
        """Publish the lists of those names, or all that the own organisation owns.

        Raises:
            AccessError: `who` may not publish one of them.
            UsageError: there is no publication, or a key is not here.
        """
        # What a ceremony or a publication that was killed had begun.
        shutil.rmtree(self._folder / _SCRATCH, ignore_errors=True)
        views = self._views(names)
        unsigned = self._delegated(views)
        repository = self._ceremony.repository()
        targets: dict[str, dict[str, TargetFile]] = {}
        done: list[Published] = []
        for view in views:
            role = self.role_of(view)
            if role in unsigned:
                done.append(Published(view.name, "unsigned", view.generation, 0, 0, 0, 0))
                continue
            made, told = self._list(view, role, repository)
            present = repository.lists.get(role)
            if present is None or made != present.signed.targets:
                targets[role] = made
            done.append(told)
        repository.publish(targets)
        with self._database.write() as tx:
            for view, one in zip(views, done, strict=True):
                if one.outcome == "published":
                    generation.published(tx, self._who, view.id, one.generation)
        return done

    def keep(self, library: Path, names: Sequence[str] = ()) -> None:
        """Bring the own library to the present state of the same lists.

        Raises:
            ServiceError: another process has been writing the library all the time.
            UsageError: the library has another list of such a name.
        """
        for view in self._views(names):
            with self._database.write() as tx:
                sealed = generation.seal(tx, self._who, view.id)
            own.keep(self._database, self._who, library, view, sealed)

    def role_of(self, view: ListView) -> str:
        """Return the name of the role that signs a list, which says nothing to others."""
        return self._identity.tag("list", str(view.id), view.name)

    def _views(self, names: Sequence[str]) -> list[ListView]:
        with self._database.read() as tx:
            if names:
                return [lists.view(tx, self._who, name) for name in names]
            mine = lists.mine(tx, self._who)
        return [view for view in mine if view.owner_id == self._who.organisation_id]

    def _delegated(self, views: Sequence[ListView]) -> set[str]:
        """Delegate to new lists; return the roles that wait for a signature."""
        there = set(role_names(self._ceremony.repository().targets.signed))
        waiting = set()
        for role in (self.role_of(view) for view in views):
            if role not in there and self._ceremony.delegate(role):
                waiting.add(role)
        return waiting

    def _list(
        self, view: ListView, role: str, repository: Repository
    ) -> tuple[dict[str, TargetFile], Published]:
        with self._reading(view.id) as (tx, sealed, present):
            groups = [
                GroupPublisher(group, repository, self._identity, self._scratch(number))
                for number, group in enumerate(_groups(view, role, present))
            ]
            same = [one.current(sealed) for one in groups]
            drawn: list[Drawn | None] = [
                None if kept is not None else one.draw(tx, self._who, sealed)
                for one, kept in zip(groups, same, strict=True)
            ]
        made: dict[str, TargetFile] = {}
        for one, kept, read in zip(groups, same, drawn, strict=True):
            made |= one.make(sealed, read) if read is not None else kept or {}
        shutil.rmtree(self._folder / _SCRATCH, ignore_errors=True)
        keyless = sum(not member.recipient for member in present)
        told = Published(
            view.name,
            "published" if any(drawn) else "unchanged",
            sealed.number,
            sealed.active,
            len(present) - keyless,
            keyless,
            sum(target.length for target in made.values()),
        )
        return made, told

    def _scratch(self, number: int) -> Path:
        folder = self._folder / _SCRATCH / str(number)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    @contextmanager
    def _reading(self, list_id: ListId) -> Iterator[tuple[Connection, Generation, list[Member]]]:
        """Seal a list, and give a view of the database in which it is as it was sealed.

        That is one of its own, so that a long list does not keep others from writing; only where
        the list will not stand still is it the one that seals.
        """
        for _ in range(_TRIES):
            with self._database.write() as tx:
                sealed = generation.seal(tx, self._who, list_id)
            with self._database.read() as tx:
                if _last_change(tx, list_id) == sealed.change:
                    yield tx, sealed, members.of(tx, self._who, list_id)
                    return
        with self._database.write() as tx:
            sealed = generation.seal(tx, self._who, list_id)
            yield tx, sealed, members.of(tx, self._who, list_id)


def own_identity(keys: Path) -> Identity:
    """Return the identity with which a publisher reads what it published, made where missing."""
    path = keys / IDENTITY
    return Identity.read(path) if path.exists() else Identity.make(path)


def _last_change(tx: Connection, list_id: ListId) -> int:
    asked = select(func.max(ListedEntry.change)).where(ListedEntry.list_id == list_id)
    return tx.execute(asked).scalar() or 0


def _groups(view: ListView, role: str, present: Sequence[Member]) -> Iterator[Group]:
    """Yield the members by jurisdictions; those without a recipient get nothing this way."""
    by_law: dict[frozenset[str], list[str]] = {}
    for member in present:
        if member.recipient:
            by_law.setdefault(member.jurisdictions, []).append(member.recipient)
    for jurisdictions in sorted(by_law, key=sorted):
        seen = msgspec.structs.replace(
            view, permission=MemberPermission.READ, jurisdictions=jurisdictions
        )
        yield Group(role, seen, tuple(sorted(by_law[jurisdictions])))
