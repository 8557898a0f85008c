"""Following all subscriptions, and what the log says of it: what changed, and what was refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tutela.audit import log
from tutela.core.errors import TutelaError
from tutela.core.principal import Principal
from tutela.exchange.subscribe.subscription import Subscription, Subscriptions
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
            syncer = Syncer(subscriptions, before, library, file_bytes)
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


def _tell(database: Database, who: Principal, before: Subscription, outcome: Outcome) -> None:
    """Write what is new to the log: the same refusal every minute is one event."""
    on = f"subscription:{before.name}"
    news: list[tuple[str, dict[str, Any], str]] = []
    if outcome.error and outcome.error.code != before.refused:
        news.append(("subscription.refused", {"code": outcome.error.code}, ""))
    for one in outcome.lists:
        known = before.lists.get(one.list)
        if one.error:
            if known is None or known.refused != one.error.code:
                news.append(("subscription.refused", {"code": one.error.code}, one.list))
        elif one.by != "nothing":
            counts = ("generation", "added", "replaced", "removed")
            facts = {name: getattr(one, name) for name in counts}
            news.append(("subscription.applied", facts, one.list))
    if news:
        with database.write() as tx:
            for action, data, name in news:
                log.record(tx, who, action, on, texts={"list": name} if name else {}, **data)
