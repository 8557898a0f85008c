"""Syncing from a server of others, page by page: a sync that is stopped goes on where it was.

Every row of a page is counted as what came of it: rows = added + replaced + removed + unchanged +
quarantined. Entries that a full round no longer lists are `missing`, and removed as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from tutela.casework import scheme
from tutela.core.entry import ListEntry, Role
from tutela.core.errors import FetchError, InputError, SandboxError, TutelaError, UsageError
from tutela.core.time import now
from tutela.exchange.clients.kept import Mark, Quarantine, Seen, same_as_last
from tutela.exchange.clients.paging import Paging, Place, Turned
from tutela.exchange.clients.reading import page_reader
from tutela.exchange.clients.role import Client, Row, Terms, key_of
from tutela.exchange.clients.sources import client_of
from tutela.exchange.clients.wire import USUAL, Limits, Wire
from tutela.exchange.subscribe.subscription import Subscription, Subscriptions
from tutela.exchange.subscribe.sync import Synced
from tutela.hashlist.format import Received
from tutela.hashlist.library import Library
from tutela.hashlist.live import Change, LiveList

_QUIET_S = 3600  # so often it is kept how far we are where nothing changes


@dataclass
class _Counts:
    rows: int = 0
    added: int = 0
    replaced: int = 0
    removed: int = 0
    quarantined: int = 0
    missing: int = 0

    @property
    def unchanged(self) -> int:
        return self.rows - self.added - self.replaced - self.removed - self.quarantined


@dataclass
class _Waiting:
    """Rows that came and are not applied yet, since when."""

    rows: list[Row] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)


class ClientSync:
    """Syncs one subscription to a server of others.

    Args:
        subscriptions: Where it is kept.
        subscription: Which.
        library: Folder of the library.
        limits: What a round may take.
        pause: Waits so many seconds before something is asked again.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        subscription: Subscription,
        library: Path,
        limits: Limits = USUAL,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.subscription = subscription
        self._library, self._limits, self._pause = library, limits, pause
        folder = subscriptions.folder(subscription)
        self._seen, self._quarantine = Seen(folder), Quarantine(folder)
        (self._local,) = subscription.lists
        self._role = Role(subscription.lists[self._local].role)
        self._host = urlsplit(subscription.url).hostname or ""
        self._list: LiveList | None = None
        self._stored: Mark | None = None
        self._counts, self._waiting = _Counts(), _Waiting()

    def sync(self) -> list[Synced]:
        """Bring the list up to date; what came before something was refused is kept.

        Raises:
            ServiceError: the credential cannot be read.
            UsageError: it is none, or the library has another list of that name.
        """
        if self._exists():
            self._list = self._open()
        refused: TutelaError | None = None
        terms = Terms(self.subscription.kind, self._received(), scheme.names())
        # What is forked knows what was there before: neither the credential nor the connection.
        with page_reader(terms) as reader, Wire(self._limits, self._pause) as wire:
            client, at = client_of(self.subscription), int(now().timestamp())
            self._mark = self._begun(client, at)
            paging = Paging(client, self._limits, at, wire, reader)
            try:
                for turned in paging.pages(self._mark.place):
                    self._take(turned)
            except (FetchError, InputError, SandboxError) as error:
                refused = error
        if refused is None or self._waiting.rows:
            self._apply()
        if refused is None and self._mark.place.full:
            refused = self._end_of_full(Place.first(client, at))
        return [self._told(refused)]

    def _received(self) -> Received:
        info = self._list.info if self._list else None
        return Received(
            list=self._local,
            source=self._source,
            received_at=info.received_at if info else now(),
            received_from=self._host,
            role=self._role,
        )

    @property
    def _source(self) -> str:
        group = "".join(f"#{one}" for one in self.subscription.wanted)
        return self.subscription.url + group

    def _begun(self, client: Client, at: int) -> Mark:
        """Return how far the list is, and where it begins if it is not there."""
        first = Place.first(client, at)
        fresh = Mark(subscription=self.subscription.name, kind=client.kind, place=first)
        kept = self._list.checkpoint() if self._list else b""
        if not kept:
            return fresh
        try:
            mark = msgspec.json.decode(kept, type=Mark)
        except msgspec.DecodeError:
            mark = msgspec.structs.replace(fresh, subscription="elsewhere")
        if (mark.subscription, mark.kind) != (fresh.subscription, fresh.kind):
            raise UsageError(
                f"the list {self._local!r} of the library comes from {mark.subscription}",
                code="list_exists",
                hint="follow this one under another name: --as or --prefix",
            )
        lost = mark.place.full and not self._seen.holds(mark.seen_bytes)
        full_s = client.full_s
        due = full_s and not mark.place.full and at - mark.place.full_at > full_s
        if lost or due:
            return fresh
        self._stored = mark
        return mark

    def _exists(self) -> bool:
        if not (self._library / "library.json").exists():
            return False
        return any(info.name == self._local for info in Library.open(self._library).lists)

    def _open(self) -> LiveList:
        return LiveList.create(
            self._library,
            self._local,
            role=self._role,
            source=self._source,
            received_from=self._host,
        )

    def _take(self, turned: Turned) -> None:
        if turned.anew:
            self._apply()
            self._mark = msgspec.structs.replace(self._mark, seen_bytes=0)
        if not self._waiting.rows:
            self._waiting.since = time.monotonic()
        self._counts.rows += len(turned.rows)
        self._waiting.rows += turned.rows
        self._mark = msgspec.structs.replace(self._mark, place=turned.place)
        waited_s = time.monotonic() - self._waiting.since
        if len(self._waiting.rows) >= self._limits.together or waited_s > self._limits.together_s:
            self._apply()

    def _apply(self) -> None:
        """Apply the rows that wait, and keep how far we are, unless nothing of it is new."""
        rows, self._waiting.rows = self._waiting.rows, []
        self._counts.quarantined += sum(row.entry is None and not row.gone for row in rows)
        self._quarantine.add(one for row in rows for one in row.bad)
        last = same_as_last(rows)
        if self._list and self._known_already(rows, last):
            self._list.tend()
            return
        self._list = self._list or self._open()
        mark = self._mark
        if mark.place.full:
            keys = [row.key for row in rows if row.key and not row.gone]
            mark = msgspec.structs.replace(mark, seen_bytes=self._seen.add(mark.seen_bytes, keys))
        self._mark = msgspec.structs.replace(mark, last=last if rows else mark.last)
        changes = (_change(row.key, row.entry) for row in rows if row.gone or row.entry is not None)
        done = self._list.apply(changes, self._mark.encoded())
        self._stored = self._mark
        self._counts.added += done.added
        self._counts.replaced += done.replaced
        self._counts.removed += done.removed

    def _known_already(self, rows: list[Row], last: str) -> bool:
        """Tell whether applying rows would change nothing but how far we are, and that by little.

        Rounds overlap, so a quiet source gives the same rows every minute.
        """
        stored, place = self._stored, self._mark.place
        if stored is None or (rows and last != stored.last) or not last:
            return False
        same = (place.token, place.full) == (stored.place.token, stored.place.full)
        return same and 0 <= place.since - stored.place.since < _QUIET_S

    def _end_of_full(self, first: Place) -> FetchError | None:
        """Remove what the full round did not list, and go on with what changes from now on.

        A list that was there and is said to be empty is kept, and the error returned.
        """
        assert self._list is not None, "a round that was applied has a list"
        info = self._list.info
        emptied = bool(info.entries and not self._mark.seen_bytes)
        place = msgspec.structs.replace(self._mark.place, full=False)
        keys: Iterator[str] = iter(())
        if emptied:
            place = first
        else:
            entries = self._list.library.entries(info.number)
            keys = self._seen.missing(key_of(entry, self.subscription.kind) for entry in entries)
        self._mark = msgspec.structs.replace(self._mark, place=place, seen_bytes=0)
        gone = (_change(key, None) for key in keys)
        self._counts.missing = self._list.apply(gone, self._mark.encoded()).removed
        self._seen.forget()
        if not emptied:
            return None
        return FetchError(
            "the server lists nothing at all any more",
            code="emptied",
            hint="what came before is kept; if it is right, tutela list remove",
        )

    def _told(self, refused: TutelaError | None) -> Synced:
        counts = self._counts
        changed = counts.added or counts.replaced or counts.removed or counts.missing
        known = self.subscription.lists[self._local]
        heard = msgspec.structs.replace(
            known,
            refused=refused.code if refused else "",
            synced_at=known.synced_at if refused else now().replace(microsecond=0),
        )
        self.subscription = msgspec.structs.replace(self.subscription, lists={self._local: heard})
        return Synced(
            self._local,
            self._local,
            "refused" if refused else "pages" if changed else "nothing",
            0,
            len(self._list) if self._list else 0,
            counts.added,
            counts.replaced,
            counts.removed + counts.missing,
            error=refused,
            rows=counts.rows,
            unchanged=counts.unchanged,
            quarantined=counts.quarantined,
            missing=counts.missing,
        )


def _change(key: str, entry: ListEntry | None) -> Change:
    return Change(key.encode("utf-8", "surrogatepass"), entry)
