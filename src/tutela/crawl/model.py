"""What a crawl is about: orders and their scopes, leases, links and outcomes; no I/O."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import Final

import msgspec

from tutela.core.ids import AccountId, ApprovalId, CaseId, CrawlOrderId

MOST_TRIES: Final = 5


class Net(enum.StrEnum):
    """Where a host lives."""

    CLEAR = "clear"
    ONION = "onion"


class Kind(enum.StrEnum):
    """What a URL was found as: something to read, or a media to be fingerprinted."""

    PAGE = "page"
    MEDIA = "media"


class State(enum.StrEnum):
    """Where a URL stands. All URLs found are in one of these."""

    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    REFUSED = "refused"  # by our own rules: robots.txt, a redirect out of scope, a limit
    SKIPPED = "skipped"  # not worth a request: a trap, the same again


class Scope(msgspec.Struct, frozen=True):
    """URLs of one host whose path lies under `path`, up to `depth` links from where it began.

    `url` is where it begins, in its one form; `path` is below which path, `/` for all of the host.
    """

    url: str
    host: str
    net: Net
    path: str
    depth: int


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody asks to be allowed.

    Attributes:
        legal_basis: The law.
        reference: Of the order, as its issuer files it.
        issuing_authority: Who issued it.
        scopes: What may be crawled.
        valid_from: From when.
        valid_until: Until when.
        page_budget: Pages that are leased at most.
        robots_override: Whether robots.txt may be gone against; the order itself must say so.
        robots_reason: Where it does.
    """

    legal_basis: str
    reference: str
    issuing_authority: str
    scopes: tuple[Scope, ...]
    valid_from: datetime
    valid_until: datetime
    page_budget: int
    robots_override: bool = False
    robots_reason: str = ""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order as it stands; see `store.tables.crawl.CrawlOrder`."""

    id: CrawlOrderId
    case_id: CaseId
    approval_id: ApprovalId
    asked_by: AccountId
    granted_by: AccountId
    legal_basis: str
    reference: str
    issuing_authority: str
    valid_from: datetime
    valid_until: datetime
    robots_override: bool
    robots_reason: str
    page_budget: int
    pages_taken: int
    media_taken: int
    made_at: datetime
    started_at: datetime | None
    paused_at: datetime | None
    revoked_at: datetime | None

    @property
    def subject(self) -> str:
        """What the log calls it."""
        return f"crawl:{self.id}"


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast hosts are asked, and how long a lease is.

    Attributes:
        interval: Between two requests to a host or group of mirrors.
        in_flight: Requests to it at a time.
        lease: After so long a URL that nothing was said about is leased to another.
        lift_loopback: Take the limits off hosts that are this machine, and off no other.
        lift_onion: Likewise off onion services; a worker sets it only where its tor knows a
            private network on loopback alone (`politeness.is_private`).
        lifted_in_flight: Requests to such a host at a time.
    """

    interval: timedelta = timedelta(seconds=2)
    in_flight: int = 2
    lease: timedelta = timedelta(minutes=5)
    lift_loopback: bool = False
    lift_onion: bool = False
    lifted_in_flight: int = 64

    @property
    def lifts(self) -> bool:
        """Whether it takes limits off anything."""
        return self.lift_loopback or self.lift_onion


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A URL that one worker may ask for, until `until`.

    Attributes:
        url_id: Of `crawl_urls`.
        turn: Which lease of this URL it is: an older one is worth nothing any more.
        order_id: Under which order.
        case_id: Of that order.
        scope_id: Under which of its scopes.
        host_id: Of `crawl_hosts`.
        url: In its one form. It belongs into no log.
        host: Likewise.
        net: Where the host lives.
        tag: What logs call the URL: 32 hexadecimal digits.
        kind: What it was found as.
        depth: How many links from where it began.
        tries: How often it failed before.
        worker: Who has it.
        until: Until when.
        robots_override: Whether the order says to go against robots.txt.
        backoff: How often its host had been overloaded in a row when it was leased.
    """

    url_id: int
    turn: int
    order_id: CrawlOrderId
    case_id: CaseId
    scope_id: int
    host_id: int
    url: str
    host: str
    net: Net
    tag: str
    kind: Kind
    depth: int
    tries: int
    worker: str
    until: datetime
    robots_override: bool
    backoff: int = 0


class Link(msgspec.Struct, frozen=True):
    """An absolute URL found on a page.

    `redirect` says that the page sent us there: it is as deep as the page itself.
    """

    url: str
    kind: Kind = Kind.PAGE
    redirect: bool = False


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a lease ended.

    Attributes:
        state: `done`, `failed`, `refused`, `skipped`, or `waiting` for another try later; after
            `MOST_TRIES` that is `failed`.
        reason: A code, such as `ok`, `not_found`, `robots`, `timeout`; never words of a page.
        status: What the server said, 0 for nothing.
        size_bytes: Of the body, as it came.
        overloaded: The host is to be left alone for a while: 429, 5xx, or no answer.
        wait_s: For how long it asks not to be asked again (Retry-After), 0 for nothing said.
        simhash: Of the text of a page (`traps.simhash`), None where there was too little.
        same_as: The tag of a URL with the same content, empty for none.
    """

    state: State
    reason: str
    status: int = 0
    size_bytes: int = 0
    overloaded: bool = False
    wait_s: float = 0.0
    simhash: int | None = None
    same_as: str = ""


class Finished(msgspec.Struct, frozen=True):
    """A lease with its outcome, and the links of its page."""

    lease: Lease
    outcome: Outcome
    links: tuple[Link, ...] = ()
