"""Syncing a subscription: verify everything, then change the list, in one commit or not at all."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from pathlib import Path

import msgspec
from tuf.api.metadata import TargetFile

from tutela.core.errors import FetchError, IntegrityError, ServiceError, TutelaError, UsageError
from tutela.core.time import now
from tutela.exchange.crypt import Identity
from tutela.exchange.publication import HEAD_LIMIT, HEAD_SUFFIX, Head, Part, Step, decoded
from tutela.exchange.subscribe.mirror import PART, Mirror, name_of
from tutela.exchange.subscribe.reading import changes_in, received_as
from tutela.exchange.subscribe.subscription import Followed, Subscription, Subscriptions
from tutela.fetch.http import Fetcher
from tutela.hashlist.live import Applied, Change, LiveList
from tutela.match.segment import Segment

CLOCKS_APART = timedelta(minutes=15)


class Checkpoint(msgspec.Struct, frozen=True):
    """What a list of the library remembers of where it comes from, and of how far it is."""

    publication: str
    role: str
    generation: int
    state: str


class Synced(msgspec.Struct, frozen=True):
    """What a sync did with a list: `by` is `copy`, `steps`, `pages`, `nothing` or `refused`.

    A server of others sends `rows`: each was added, replaced, removed, left unchanged or put into
    quarantine; `missing` is how many of the removed ones it just does not list any more.
    """

    list: str
    local: str
    by: str
    generation: int
    entries: int = 0
    added: int = 0
    replaced: int = 0
    removed: int = 0
    error: TutelaError | None = None
    rows: int = 0
    unchanged: int = 0
    quarantined: int = 0
    missing: int = 0

    @property
    def changed(self) -> bool:
        """Tell whether anything of the list changed; with `refused` something may have."""
        return self.by in {"copy", "steps"} or bool(self.added or self.replaced or self.removed)


class Syncer:
    """Syncs one subscription.

    Args:
        subscriptions: Where it is kept.
        subscription: Which.
        library: Folder of the library.
        file_bytes: Largest file that is taken.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        subscription: Subscription,
        library: Path,
        file_bytes: int,
    ) -> None:
        self._subscriptions, self.subscription = subscriptions, subscription
        self.folder = subscriptions.folder(subscription)
        self.library, self._file_bytes = library, file_bytes
        self.identity = Identity.read(Path(subscription.identity))

    def sync(self) -> list[Synced]:
        """Bring every list up to date; one that is refused does not keep the others from it.

        Raises:
            IntegrityError: the publication as a whole is refused.
            FetchError: it cannot be had.
            UsageError: the key opens none of the lists that are wanted (code `no_member`).
        """
        root = self._subscriptions.root(self.subscription)
        with Fetcher() as fetcher:
            mirror = Mirror(self.subscription.url, self.folder, root, fetcher, self._file_bytes)
            mirror.refresh()
            done = [self._one(mirror, role, *found) for role, found in self._heads(mirror)]
        self._missing(done)
        return done

    def _heads(self, mirror: Mirror) -> Iterator[tuple[str, tuple[Head, dict[str, TargetFile]]]]:
        """Yield what our key opens of what we want, with the role of each."""
        for role, targets in mirror.lists():
            for path, target in sorted(targets.items()):
                if not path.endswith(HEAD_SUFFIX):
                    continue
                sink = io.BytesIO()
                body = mirror.read(target, HEAD_LIMIT)
                if not self.identity.decrypt(io.BytesIO(body), sink):
                    continue
                head = decoded(sink.getvalue())
                if not self.subscription.wanted or head.list in self.subscription.wanted:
                    yield role, (head, targets)
                break

    def _missing(self, done: list[Synced]) -> None:
        """Say of lists that were opened before, or are wanted, that they are not opened now."""
        there = {one.list for one in done}
        for name in {*self.subscription.wanted, *self.subscription.lists} - there:
            known = self.subscription.lists.get(name) or self._new(name)
            error = UsageError(
                f"the key opens no list {name!r} of this publication (any more)",
                code="no_member",
                hint="ask its owner whether your organisation is a member, with this recipient: "
                f"{self.identity.recipient}",
            )
            self._heard(name, msgspec.structs.replace(known, refused=error.code))
            done.append(Synced(name, known.local, "refused", known.generation, error=error))
        if not done:
            raise UsageError(
                "the key opens no list of this publication",
                code="no_member",
                hint=f"tell the publisher this recipient: {self.identity.recipient}",
            )

    def _new(self, name: str) -> Followed:
        return Followed(local=self.subscription.prefix + name)

    def _heard(self, name: str, followed: Followed) -> None:
        lists = self.subscription.lists | {name: followed}
        self.subscription = msgspec.structs.replace(self.subscription, lists=lists)

    def _one(self, mirror: Mirror, role: str, head: Head, targets: dict[str, TargetFile]) -> Synced:
        known = self.subscription.lists.get(head.list) or self._new(head.list)
        try:
            done = ListSync(self, mirror, role, head, targets).run(known.local)
        except (IntegrityError, ServiceError, UsageError) as error:
            self._heard(head.list, msgspec.structs.replace(known, refused=error.code))
            return Synced(head.list, known.local, "refused", known.generation, error=error)
        self._heard(
            head.list,
            Followed(
                local=known.local,
                role=head.role.value,
                title=head.title,
                owner=head.owner,
                radius_bits=head.radius_bits,
                generation=head.generation,
                synced_at=now().replace(microsecond=0),
            ),
        )
        return done


class ListSync:
    """Brings one list to the state that a head tells."""

    def __init__(
        self,
        syncer: Syncer,
        mirror: Mirror,
        role: str,
        head: Head,
        targets: dict[str, TargetFile],
    ) -> None:
        self._syncer, self._mirror, self._role = syncer, mirror, role
        self._head, self._targets = head, targets
        self._files = syncer.folder / "files" / role

    def run(self, local: str) -> Synced:
        """Do it.

        Raises:
            IntegrityError: something does not fit; the list is as it was.
            ServiceError: something did not come; the list is as it was.
            UsageError: the name is taken in the library.
        """
        head = self._head
        if head.published_at > now() + CLOCKS_APART:
            raise IntegrityError(
                f"the list was published in the future: {head.published_at:%Y-%m-%d %H:%M} UTC",
                code="clock",
                hint="set the clock of this machine",
            )
        source = f"{self._syncer.subscription.url}#{head.list}"
        growing = LiveList.create(
            self._syncer.library, local, role=head.role, source=source, received_from=head.owner
        )
        before = self._before(growing)
        steps = head.after(before.state) if before else None
        if steps == ():
            growing.tend()
            return self._told(growing, "nothing", None)
        self._files.mkdir(parents=True, mode=0o700, exist_ok=True)
        self._sweep()
        try:
            done, by = self._change(growing, steps)
        except FetchError:
            raise  # what came stays, and the next sync goes on
        except BaseException:
            shutil.rmtree(self._files)
            raise
        shutil.rmtree(self._files)
        return self._told(growing, by, done)

    def _sweep(self) -> None:
        """Remove what an earlier sync began to fetch and is published no more."""
        keep = {name_of(target) for target in self._targets.values()}
        keep |= {name + PART for name in keep}
        keep |= {part.sha256 for part in self._head.parts()}
        for path in self._files.iterdir():
            if path.name not in keep:
                path.unlink()

    def _before(self, growing: LiveList) -> Checkpoint | None:
        kept = growing.checkpoint()
        if not kept:
            return None
        try:
            before = msgspec.json.decode(kept, type=Checkpoint)
        except msgspec.DecodeError:
            before = Checkpoint("elsewhere", "", 0, "")
        if before.publication != self._syncer.subscription.name:
            raise UsageError(
                f"the list {growing.name!r} of the library comes from {before.publication}",
                code="list_exists",
                hint="follow this one under another name: --prefix",
            )
        if before.role == self._role and self._head.generation < before.generation:
            raise IntegrityError(
                f"generation {self._head.generation} of {self._head.list!r} is offered, and "
                f"{before.generation} is here",
                code="roll_back",
            )
        return before

    def _change(self, growing: LiveList, steps: tuple[Step, ...] | None) -> tuple[Applied, str]:
        if steps is not None:
            try:
                return self._apply(growing, steps), "steps"
            except IntegrityError as error:
                if error.code != "count":
                    raise
        return self._load(growing), "copy"

    def _apply(self, growing: LiveList, steps: tuple[Step, ...]) -> Applied:
        files = [self._fetched(step.part) for step in steps]
        changes = chain.from_iterable(self._read(path, growing) for path in files)
        return growing.apply(changes, self._checkpoint(), expected=self._head.active)

    def _load(self, growing: LiveList) -> Applied:
        full = self._head.full
        steps = self._head.after(full.state) or ()
        rows = self._fetched(full.rows)
        index = [(part, self._fetched(part.part)) for part in full.segments]
        later = [self._fetched(step.part) for step in steps]
        segments = [Segment(path.parent, part.record(path.name)) for part, path in index]
        return growing.load(
            self._read(rows, growing),
            self._checkpoint(),
            segments,
            then=chain.from_iterable(self._read(path, growing) for path in later),
            expected=self._head.active,
        )

    def _fetched(self, part: Part) -> Path:
        """Fetch, verify and decrypt a file; return where its content lies."""
        path = self._files / part.sha256
        if path.exists():
            return path
        target = self._targets.get(part.target)
        if target is None:
            raise IntegrityError(
                f"the head of {self._head.list!r} names a file that is not published",
                code="altered",
            )
        encrypted = self._mirror.fetch(target, self._files)
        opening = self._files / "opening"
        with encrypted.open("rb") as stream, opening.open("wb") as sink:
            ours = self._syncer.identity.decrypt(stream, sink)
        with opening.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            sound = ours and (digest, stream.tell()) == (part.sha256, part.size_bytes)
        encrypted.unlink()
        if not sound:
            raise IntegrityError(
                "a file of the publication is not what the head of the list says", code="altered"
            )
        opening.replace(path)
        return path

    def _read(self, path: Path, growing: LiveList) -> Iterator[Change]:
        received = received_as(growing.name, growing.info.source, now(), self._head.owner)
        return changes_in(path, received)

    def _checkpoint(self) -> bytes:
        head = self._head
        name = self._syncer.subscription.name
        return msgspec.json.encode(Checkpoint(name, self._role, head.generation, head.state))

    def _told(self, growing: LiveList, by: str, done: Applied | None) -> Synced:
        head = self._head
        counts = (done.added, done.replaced, done.removed) if done else (0, 0, 0)
        return Synced(head.list, growing.name, by, head.generation, len(growing), *counts)
