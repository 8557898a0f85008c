"""Following all subscriptions, and what the log says of it: what changed, and what was refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from tutela.audit import log
from tutela.core.errors import TutelaError
from tutela.core.principal import Principal
from tutela.exchange.clients.sync import ClientSync
from tutela.exchange.subscribe.subscription import PUBLICATION, Subscription, Subscriptions
from tutela.exchange.subscribe.sync import Synced, Syncer
from tutela.store import Database


class Outcome(msgspec.Struct, frozen=True):
    """What came of one subscription: its lists, or why it was refused as a whole."""

    subscription: str
    lists: tuple[Synced, ...] = ()
    error: TutelaError | None = None

    @property
    def refused(self) -> list[TutelaError]:
        """All refusals."""
        whole = [self.error] if self.error else []
        return whole + [one.error for one in self.lists if one.error]


def sync_all(
    subscriptions: Subscriptions,
    library: Path,
    file_bytes: int,
    log_to: tuple[Database, Principal] | None,
) -> Iterator[Outcome]:
    """Sync every subscription once; one that is refused does not keep the others from it.

    Args:
        subscriptions: Which.
        library: Folder of the library.
        file_bytes: Largest file that is taken.
        log_to: The database whose log hears of it, and who acts; None where there is none.
    """
    for before in subscriptions.all():
        try:
            syncer = _syncer(subscriptions, before, library, file_bytes)
            outcome = Outcome(before.name, tuple(syncer.sync()))
            after = msgspec.structs.replace(syncer.subscription, refused="")
        except TutelaError as error:
            outcome = Outcome(before.name, error=error)
            after = msgspec.structs.replace(before, refused=error.code)
        if after != before:
            subscriptions.save(after)
        if log_to:
            _tell(*log_to, before, outcome)
        yield outcome


def _syncer(
    subscriptions: Subscriptions, subscription: Subscription, library: Path, file_bytes: int
) -> Syncer | ClientSync:
    if subscription.kind == PUBLICATION:
        return Syncer(subscriptions, subscription, library, file_bytes)
    return ClientSync(subscriptions, subscription, library)


def _tell(database: Database, who: Principal, before: Subscription, outcome: Outcome) -> None:
    """Write what is new to the log: the same refusal every minute is one event."""
    on = f"subscription:{before.name}"
    refused = [] if outcome.error is None else [("", outcome.error, before.refused)]
    refused += [
        (one.list, one.error, before.lists[one.list].refused if one.list in before.lists else "")
        for one in outcome.lists
        if one.error
    ]
    news = [(name, error) for name, error, known in refused if error.code != known]
    applied = [one for one in outcome.lists if one.changed]
    if not news and not applied:
        return
    with database.write() as tx:
        for name, error in news:
            texts = {"list": name} if name else {}
            log.record(tx, who, "subscription.refused", on, texts=texts, code=error.code)
        for one in applied:
            log.record(
                tx,
                who,
                "subscription.applied",
                on,
                texts={"list": one.list},
                generation=one.generation,
                added=one.added,
                replaced=one.replaced,
                removed=one.removed,
                quarantined=one.quarantined,
            )
