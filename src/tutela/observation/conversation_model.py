"""Conversations as they are kept: what the reading and the scoring rooms give, in plain values.

Signs, stages and codes of what speaks against them are words of those rooms; here they are only
kept and shown.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import Final

import msgspec

OBSERVED: Final = "observed"  # the format of what a crawl read of sites
NOBODY: Final = -1  # the number of a speaker who was addressed and never spoke


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where conversations come from.

    Attributes:
        name: Of the file or folder, for a person; it is sealed.
        format: What it was read as.
        sha256: Of the source, 32 bytes; the same one is taken once in a case.
        keep: How long words are kept after the week in which the import began.
    """

    name: str
    format: str
    sha256: bytes
    keep: timedelta


class FileNamed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that a message carries, as the export names it; `sha256` is an export's word."""

    name: str = ""
    kind: str = ""
    size_bytes: int = 0
    sha256: bytes = b""


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it was read.

    Attributes:
        conversation: By which its source knows the conversation.
        id: By which it knows the message.
        author: By which it knows the speaker; "" for nobody.
        text: What was said; not kept where `post` is given.
        name: As the author is shown.
        at: When, UTC.
        deleted: It was deleted in the export.
        system: Nobody said it.
        files: What it carries.
        replies_to: The `id` that it answers.
        to: Authors to whom alone it is addressed.
        age_band: Of its author, as a platform says: "", `minor` or `adult`.
        troubles: What was repaired, by code.
        post: The post of a site that has its words, None for those of exports.
    """

    conversation: str
    id: str
    author: str
    text: str = ""
    name: str = ""
    at: datetime | None = None
    deleted: bool = False
    system: bool = False
    files: tuple[FileNamed, ...] = ()
    replies_to: str = ""
    to: tuple[str, ...] = ()
    age_band: str = ""
    troubles: tuple[str, ...] = ()
    post: int | None = None


class Sealed(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """What of a message is sealed."""

    text: str
    id: str = ""
    files: tuple[FileNamed, ...] = ()
    to: tuple[str, ...] = ()


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a message that counted: characters from `start` up to `end`, by which rule."""

    number: int
    start: int = 0
    end: int = 0
    rule: str = ""
    similarity: float = 0.0


class ReasonKept(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign contributed to a pair's points, and the first or strongest places of it."""

    sign: str
    stage: str
    points: float
    count: int
    shown: tuple[Counted, ...] = ()


class PairKept(msgspec.Struct, frozen=True, kw_only=True):
    """What signs `author` showed towards `other`, both by which the source knows them."""

    author: str
    other: str
    points: float
    reasons: tuple[ReasonKept, ...] = ()
    against: tuple[str, ...] = ()
    may_alert: bool = False
    crossed_at: int | None = None
    probability: float | None = None


class ScoreKept(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversation adds up to; the heaviest pair comes first."""

    conversation: str
    points: float
    pairs: tuple[PairKept, ...]
    alert: bool


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """By what conversations were scored: `sha256` of all parts, and the point of an alert."""

    sha256: bytes
    point: float


class State(enum.StrEnum):
    """How far people are with a conversation."""

    OPEN = "open"
    READ = "read"
    HANDED_OVER = "handed_over"
    DISMISSED = "dismissed"


class Verdict(enum.StrEnum):
    """What a person says of a score, or of one line of it."""

    TRUE = "true"  # what is shown is there
    FALSE = "false"
    UNSURE = "unsure"


UNDECIDED: Final = (State.OPEN.value, State.READ.value)
