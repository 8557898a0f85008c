"""Saying something of an entry to the source that it came from."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from tutela.core.entry import ListEntry
from tutela.core.errors import UsageError
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.exchange.clients.role import Said
from tutela.exchange.clients.sources import client_of
from tutela.exchange.clients.wire import USUAL, Limits, Wire
from tutela.exchange.model import Verdict
from tutela.exchange.subscribe.subscription import PUBLICATION, Subscription, Subscriptions
from tutela.hashlist.format import RowError
from tutela.hashlist.live import LiveList
from tutela.hashlist.value import DIGEST_BYTES, digest, pdq


def source_of(subscriptions: Subscriptions, name: str) -> Subscription:
    """Return the subscription that keeps the list `name`.

    Raises:
        UsageError: none does, or it is a publication, which takes no feedback.
    """
    for one in subscriptions.all():
        if any(followed.local == name for followed in one.lists.values()):
            if one.kind == PUBLICATION:
                break
            return one
    raise UsageError(
        f"the list {name!r} does not come from a server that takes feedback",
        code="no_source",
        hint="such lists are followed with tutela list subscribe --from",
    )


def report(  # noqa: PLR0913 what is said, of what, and why
    subscription: Subscription,
    library: Path,
    hash_: str,
    verdict: Verdict,
    reasons: tuple[str, ...] = (),
    *,
    limits: Limits = USUAL,
    pause: Callable[[float], None] = time.sleep,
) -> int:
    """Say something of the entries that hold a hash; return of how many it was said.

    Args:
        subscription: Where they come from.
        library: Folder of the library.
        hash_: An MD5, SHA-1, SHA-256 or PDQ in hexadecimal.
        verdict: What is said.
        reasons: Why, in words that the source knows.
        limits: What asking may take.
        pause: Waits so many seconds before something is asked again.

    Raises:
        UsageError: no entry of the list holds it, or it cannot be said there.
        FetchError: the source did not take it.
    """
    client = client_of(subscription)
    (local,) = subscription.lists
    found = _holding(LiveList.open(library, local), hash_.strip().lower())
    if not found:
        raise UsageError("no entry of this list holds this hash", code="no_entry")
    with Wire(limits, pause) as wire:
        for algorithm, entry in found:
            client.feedback(Said(entry, verdict, algorithm, reasons), wire.tell)
    return len(found)


def _holding(live: LiveList, text: str) -> list[tuple[str, ListEntry]]:
    """Return the entries of a list that hold a hash, each with what it is there."""
    asked: list[tuple[str, Digests, tuple[Fingerprint, ...]]] = []
    try:
        for name, size_bytes in DIGEST_BYTES.items():
            if len(text) == 2 * size_bytes:
                asked.append((name, Digests(**{name: digest(name, text)}), ()))
        if len(text) == 2 * DIGEST_BYTES["sha256"]:
            asked.append((PDQ, Digests(), (Fingerprint(PDQ, pdq(text)),)))
    except RowError as error:
        raise UsageError(f"this is no hash: {error.reason}") from None
    number = live.info.number
    return [
        (algorithm, hit.entry)
        for algorithm, digests, prints in asked
        for hit in live.library.find(digests, prints, radius_bits=0, lists=[number])
    ]
