"""The role of a client: what to ask a server for, how its pages read, how to tell it something.

A page is read by a confined process that holds no credential. What a client keeps of how far it
is, is the same for all of them: everything up to a second is here, and of what came since then a
token names the next page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, Protocol

import msgspec

from tutela.core.entry import ListEntry, Role
from tutela.exchange.model import Verdict
from tutela.fetch.http import Question
from tutela.hashlist.format import BadRow, Received
from tutela.hashlist.model import UNCLASSIFIED

CARRIED_BYTES = 4_096  # of a value that is carried and not compared


class Row(msgspec.Struct, frozen=True, array_like=True):
    """A record of a page: its key, and the entry that it has from now on.

    An entry of None removes the one there was if the record is `gone`; otherwise nothing of the
    record could be read and the one there was stays. `bad` tells which of its values were not.
    """

    key: str
    entry: ListEntry | None = None
    gone: bool = False
    bad: tuple[BadRow, ...] = ()


class Tail(msgspec.Struct, frozen=True, array_like=True):
    """What a page says beside its records.

    `following` names the next page, empty where there is none; `more` that there is one all the
    same. `latest` is the second up to which everything was told with this page, 0 where it does
    not say.
    """

    following: str = ""
    more: bool = False
    latest: int = 0


class Terms(msgspec.Struct, frozen=True):
    """What a reader of pages is told: what is known of the entries, and our grading schemes."""

    kind: str
    received: Received
    schemes: tuple[str, ...] = ()


# Reads one page: gives each record away and returns what else it says; raises InputError.
Reader = Callable[[BinaryIO, Terms, Callable[[Row], None]], Tail]


class Said(msgspec.Struct, frozen=True):
    """What somebody says of an entry to its source; `algorithm` is that of the value meant."""

    entry: ListEntry
    verdict: Verdict
    algorithm: str = ""
    reasons: tuple[str, ...] = ()


class Client(Protocol):
    """One way to ask one server.

    Attributes:
        kind: Its name, as in a subscription.
        windows: Whether a range of time is asked for, which may then be made smaller.
        zero: The second from which everything is asked for.
        overlap_s: How much earlier than where it stopped a round begins: clocks differ, and not
            all servers tell things in their order.
        token_s: For how long a token is good.
        full_s: How long after a full round the next one comes, because not all deletions are told
            or told for ever; 0 for never.
    """

    kind: str
    windows: bool
    zero: int
    overlap_s: int
    token_s: int
    full_s: int

    def page(self, since: int, until: int, token: str) -> Question:
        """Return how to ask for what was changed in a range of seconds, or for the page `token`."""

    def feedback(self, said: Said, ask: Callable[[Question], bytes]) -> None:
        """Tell the source what is said of an entry.

        Raises:
            UsageError: it cannot be said there, or not so.
            FetchError: it was not taken.
        """


def classified(entry: ListEntry, role: Role) -> ListEntry:
    """Return an entry that says so where an alert has no code."""
    if entry.classifications or role is not Role.ALERT:
        return entry
    return msgspec.structs.replace(entry, classifications=(UNCLASSIFIED,))


def key_of(entry: ListEntry, kind: str) -> str:
    """Return the key under which an entry was kept, empty where it says none."""
    return str(held(entry, kind).get("key", ""))


def held(entry: ListEntry, kind: str) -> dict[str, object]:
    """Return what the source said of an entry beyond our fields."""
    found = msgspec.json.decode(entry.extra).get(kind) if entry.extra else None
    return found if isinstance(found, dict) else {}
