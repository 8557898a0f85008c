"""What a world consists of: what a crawler could see of it, and the truth behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)


class Kind(StrEnum):
    """What a person of the world is. All but the first eight did nothing that a lead is for."""

    UPLOADER = "uploader"
    HEAVY_MAKER = "heavy_maker"  # makes much of what they share
    HEAVY_SPREADER = "heavy_spreader"  # is first with much that others made
    HEAVY_DUMPER = "heavy_dumper"  # shares in a few short bursts
    HEAVY_WANDERER = "heavy_wanderer"  # many handles over many sites
    HEAVY_QUIET = "heavy_quiet"  # few things, seen by very many
    LATECOMER = "latecomer"  # talked for long before they began to share
    ADMIN = "admin"
    LURKER = "lurker"
    TALKER = "talker"
    BOT = "bot"
    FRAMER = "framer"
    MODERATOR = "moderator"
    JOURNALIST = "journalist"
    RESEARCHER = "researcher"
    OFFICER = "officer"
    VICTIM = "victim"
    HIJACKED = "hijacked"
    VOLUNTEER = "volunteer"
    NAMESAKE = "namesake"  # has the handle of an offender of another site


OFFENDERS = frozenset(list(Kind)[:8])


class Standing(StrEnum):
    """How a picture stands in a post, as the crawler read it."""

    POSTED = "posted"
    LINKED = "linked"
    QUOTED = "quoted"


@dataclass(frozen=True, slots=True)
class Named:
    """A name in a post; `statement` tells apart texts that a verified signature covers."""

    kind: str
    value: str
    quoted: bool = False
    verified: bool = False
    statement: str = ""
    names_author: bool = False


@dataclass(frozen=True, slots=True)
class Post:
    """One post; `at_days` counts from the epoch, `about` is the post it answers or quotes."""

    id: int
    account: int
    at_days: float
    media: tuple[tuple[int, Standing], ...] = ()
    views: int | None = None
    acts: tuple[str, ...] = ()
    about: int | None = None
    named: tuple[Named, ...] = ()
    voice: int = -1  # whose words; see `corpus`
    words: int = -1  # which of them


@dataclass(frozen=True, slots=True)
class Account:
    """One account; `says_minor` where its profile says so."""

    id: int
    site: int
    handle: str
    role: str = ""
    says_minor: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """What one list says of one item (a variant of an entity)."""

    item: int
    entity: int
    source: str
    severity: int
    perceptual: bool = False
    self_generated: bool = False


@dataclass(frozen=True, slots=True)
class Truth:
    """What nobody outside knows.

    Attributes:
        kind: Of each person.
        owner: Whose an account is.
        harm: Of each person, wherever they did it.
        harm_here: What the owner of an account did through it.
        innocent: Accounts whose owner did nothing a lead is for.
    """

    kind: dict[int, Kind]
    owner: dict[int, int]
    harm: dict[int, float]
    harm_here: dict[int, float]
    innocent: frozenset[int]


@dataclass(frozen=True, slots=True)
class World:
    """All of it. `told` are the accounts that a blind list of people not to harm knows."""

    accounts: tuple[Account, ...]
    posts: tuple[Post, ...]
    listed: dict[int, tuple[Listed, ...]]
    told: frozenset[int]
    truth: Truth
    days: int
    silent_sites: frozenset[int] = field(default_factory=frozenset)  # they show no views
