"""What is ranked and what comes of it: frozen values, easily filled from rows, no I/O.

Accounts and posts are told apart by the numbers of their rows; nothing here names a person.
Times are UTC-aware. A media is whatever string the caller tells contents apart by.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime

import msgspec

from tutela.observation.model import EntityKind, EventKind, MediaRole


class Account(msgspec.Struct, frozen=True):
    """An account of one site, as the crawler read it.

    Attributes:
        id: The number of its row.
        site: The number of its site.
        handle: As written.
        key: By which the site itself tells accounts apart; empty for the handle.
        role: What the site says it is.
        says_minor: Its profile, or an analyst, says that a child may be behind it.
        avatar: What tells its picture apart, empty for none.
    """

    id: int
    site: int
    handle: str
    key: str = ""
    role: str = ""
    says_minor: bool = False
    avatar: str = ""


class Shown(msgspec.Struct, frozen=True):
    """A media in a post, and how it stands there."""

    media: str
    role: MediaRole = MediaRole.POSTED


class Named(msgspec.Struct, frozen=True):
    """A name in a post, as `observation.model.EntitySeen`, and what was signed.

    Attributes:
        kind: What it is.
        value: In its normal form.
        quoted: It stands in words of somebody else.
        checked: Its checksum holds, or its form is exact.
        verified: Of a PGP key: it signed this very text.
        statement: Tells apart the texts that were signed (a digest); empty where none was.
        names_author: The signed text names the handle of the account that posted it.
    """

    kind: EntityKind
    value: str
    quoted: bool = False
    checked: bool = False
    verified: bool = False
    statement: str = ""
    names_author: bool = False


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One post of an account; `answers` are the numbers of the posts that it answers or quotes."""

    id: int
    account: int
    at: datetime | None = None
    shown: tuple[Shown, ...] = ()
    views: int | None = None
    events: tuple[EventKind, ...] = ()
    answers: tuple[int, ...] = ()
    named: tuple[Named, ...] = ()
    text: str = ""


class Known(msgspec.Struct, frozen=True):
    """What one list says of a media.

    Attributes:
        entity: Tells near duplicates together: one thing, however often it was resized.
        source: The list.
        severity: By the agency's scale, 1 for the least; see `weights.Weights.severity`.
        exact: The hit rests on a digest; otherwise on a perceptual fingerprint, at the threshold
            of the list itself.
        self_generated: The list says that the child in it made it.
        known_since: When the list got it, where it says.
    """

    entity: str
    source: str
    severity: int
    exact: bool = True
    self_generated: bool = False
    known_since: datetime | None = None


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """All that leads are made of.

    Attributes:
        accounts: Every account that was seen.
        posts: Every post that was seen.
        known: What lists say of media; what is not in it counts nothing.
        until: When the observation ends: recency is counted from there.
        protected: Tokens of a blind list (see `blind`): who must not be harmed.
        token_key: By which tokens are made.
        proved: Pairs of accounts that a site itself shows to be one (a renamed account).
        markers: How many marks of contact abuse an analyst confirmed, of each account.
    """

    accounts: tuple[Account, ...]
    posts: tuple[Post, ...]
    known: Mapping[str, tuple[Known, ...]]
    until: datetime
    protected: frozenset[str] = frozenset()
    token_key: bytes = b""
    proved: tuple[tuple[int, int], ...] = ()
    markers: Mapping[int, int] = {}


class TermKind(enum.StrEnum):
    """What a term of a score counts."""

    EXACT = "exact"  # a known thing, by its digest
    PERCEPTUAL = "perceptual"  # a known thing, by likeness only
    ROLE = "role"
    SPREAD = "spread"
    RECENCY = "recency"
    MARKERS = "markers"


class Term(msgspec.Struct, frozen=True, kw_only=True):
    """One summand of a score, with the factors and the posts that it came from."""

    kind: TermKind
    about: str
    points: float
    posts: tuple[int, ...]
    factors: tuple[tuple[str, float], ...] = ()
    capped: bool = False


class CounterKind(enum.StrEnum):
    """What speaks against a lead."""

    ONE_SOURCE = "one_source"
    PERCEPTUAL_ONLY = "perceptual_only"
    SOURCES_DIFFER = "sources_differ"
    ONE_BURST = "one_burst"
    NEVER_FIRST = "never_first"
    SELF_GENERATED = "self_generated"
    OTHER_HOURS = "other_hours"
    OTHER_STYLE = "other_style"
    QUIET_BEFORE = "quiet_before"
    UNSURE_CREDIT = "unsure_credit"
    VIEWS_ASSUMED = "views_assumed"
    PRIVATE_UNSEEN = "private_unseen"


class CounterEvidence(msgspec.Struct, frozen=True):
    """Something that speaks against a lead, in one sentence, with its posts."""

    kind: CounterKind
    sentence: str
    posts: tuple[int, ...] = ()
    value: float | None = None


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """What an account, or a merged group of accounts, comes to.

    Attributes:
        accounts: Whose.
        terms: All summands; those of known things first, the largest first.
        material: Points of known things alone.
        lower: The lower confidence bound of `material`.
        worst: The same after the best window of days was taken away.
        context: Points of the context, capped.
        total: `material` and `context`: shown, and never ranked by.
        ranked: What ranks.
    """

    accounts: tuple[int, ...]
    terms: tuple[Term, ...]
    material: float
    lower: float
    worst: float
    context: float
    total: float
    ranked: float


class Reason(enum.StrEnum):
    """Why an account with hits is no lead."""

    TOO_LITTLE = "too_little"
    SAFEGUARDING = "safeguarding"
    PROTECTED = "protected"
    TAKEN_OVER = "taken_over"
    PASSES_ON_ONLY = "passes_on_only"
    PROGRAM = "program"


class Abstention(msgspec.Struct, frozen=True):
    """An account (or merged group) that is not ranked, why, and what shows it.

    `shown` is for whoever works on leads: what the blind list holds is never told apart there from
    other things that a person has to check. `evidence` of what is withheld for a check is for those
    who check it, and for nobody who works on leads: for the blind list it is empty.
    """

    accounts: tuple[int, ...]
    reason: Reason
    evidence: tuple[CounterEvidence, ...] = ()

    @property
    def shown(self) -> str:
        """The reason as an investigator may read it."""
        return _SHOWN[self.reason]


_SHOWN = {
    Reason.TOO_LITTLE: "too little evidence",
    Reason.SAFEGUARDING: "passed to safeguarding",
    Reason.PROTECTED: "withheld for a check by a person",
    Reason.TAKEN_OVER: "withheld for a check by a person",
    Reason.PASSES_ON_ONLY: "withheld for a check by a person",
    Reason.PROGRAM: "withheld for a check by a person",
}


class Tier(enum.StrEnum):
    """What evidence that two accounts are one may do."""

    A = "A"  # may merge, reversibly
    B = "B"  # links where two are independent; never merges
    C = "C"  # hints


class LinkEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that speaks for two accounts being one person's; `bits` is its match weight."""

    first: int
    second: int
    tier: Tier
    kind: str
    bits: float
    sentence: str
    posts: tuple[int, ...] = ()


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Two accounts, and all that speaks for their being one person's.

    `merges` says that tier A evidence is there, `links` that two independent ones of tier B are.
    """

    first: int
    second: int
    evidence: tuple[LinkEvidence, ...]
    merges: bool
    links: bool

    @property
    def bits(self) -> float:
        """The sum of the match weights: shown, and never merged by."""
        return sum(each.bits for each in self.evidence)


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """A ranked account, or merged group; `rank` begins at 1."""

    rank: int
    score: Score
    counter: tuple[CounterEvidence, ...] = ()

    @property
    def accounts(self) -> tuple[int, ...]:
        """Whose lead it is, the strongest account first."""
        return self.score.accounts


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """All leads in order, all that was left out and why, and the version of the weights."""

    weights: str
    until: datetime
    leads: tuple[Lead, ...]
    abstained: tuple[Abstention, ...]
    merged: tuple[Link, ...]
