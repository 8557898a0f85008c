"""What is asked of the chat service and what it answers; service and client share it.

An answer speaks of signs of risk in messages. It says nothing of what a person is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

LINES: Final = "application/x-ndjson"
LONGEST_BODY: Final = 16 << 20
TO: Final = 100

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
# It is asked for by its path, where empty parts are lost, and clients resolve those of dots: two
# names must not become one.
_PART: Final = r"(?!\.{1,2}(/|$))[^/]+"
Conversation = Annotated[
    str, msgspec.Meta(min_length=1, max_length=200, pattern=f"^{_PART}(/{_PART})*$")
]
NAMED: Final = "between slashes is no empty part, and none that is . or .."


class Message(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """One message, as a platform sends it; a line of the body, or one of `messages`.

    Attributes:
        conversation: Which conversation, by the platform's name for it.
        id: Which message of it.
        author: Who wrote it; a pseudonym that stays the same within the conversation will do.
        text: What was written; it is scored and dropped.
        time: When.
        to: To whom alone it is addressed; nobody means all.
        age_band: Of its author, as the platform knows it.
    """

    conversation: Conversation
    id: Name
    author: Name
    text: str = ""
    time: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    to: Annotated[tuple[Name, ...], msgspec.Meta(max_length=TO)] = ()
    age_band: Literal["", "minor", "adult"] = ""


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/chat` as JSON."""

    messages: tuple[Message, ...]


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """A sign that a message shows: characters `start` to `end` of it, by a rule or a prototype."""

    sign: str
    stage: str
    start: int
    end: int
    rule: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Where a sign was shown: a message of the conversation, `number` counted from 0."""

    message: str
    number: int
    start: int
    end: int
    rule: str


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """What a sign contributed to the points of a pair, how often it was shown, and where."""

    sign: str
    stage: str
    points: float
    count: int
    lines: tuple[Line, ...]


class Pair(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Signs that one speaker showed towards another; `probability` of a trained model only."""

    author: str
    other: str
    points: float
    reasons: tuple[Reason, ...]
    against: tuple[str, ...]
    may_alert: bool
    crossed_at: int | None
    probability: float | None = None


class Answered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer for one message; a line of the body.

    A message by which several pairs reached the point has a line for each.

    Attributes:
        conversation: Which.
        id: Which message of it.
        crossed: Whether a pair reached the point by this message. A person should look.
        parts: SHA-256 of lexicon, weights and prototypes, in hexadecimal.
        author: Who showed signs: whoever wrote it, or whom it answers where it states an age.
        other: Towards whom.
        points: Of that pair; missing where the message changed nothing.
        signs: What it showed.
        reasons: Of that pair, where it crossed.
        cut: Its text was too long, and the end was not scored.
        model: Version of the trained model, where there is one.
    """

    conversation: str
    id: str
    crossed: bool
    parts: str
    author: str = ""
    other: str = ""
    points: float | None = None
    signs: tuple[Sign, ...] = ()
    reasons: tuple[Reason, ...] = ()
    cut: bool = False
    model: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a conversation adds up to: the answer of `GET /v1/chat/CONVERSATION`."""

    conversation: str
    points: float
    alert: bool
    messages: int
    speakers: int
    pairs: tuple[Pair, ...]
    parts: str
    model: str = ""
