"""What nodes send one another: numbered messages, each answered once, and what they may hold.

A message goes over a connection on which both sides showed their key. It names both sides and a
number that follows on the one before, so that it cannot be played again, left out, put elsewhere
in the order or handed on to a third. Its answer is kept by who gave it: the same message again, as
after a cut line, gets the same answer and does nothing.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, TypeVar

import msgspec

from tutela.core.errors import InputError
from tutela.core.media import Digests

T = TypeVar("T")

MESSAGE_BYTES = 1 << 20
ANSWER_BYTES = 1 << 20
CONTENTS = 64  # that one question is about, at most
STATEMENTS = 1_000  # votes in one message, at most
# A message may be old, for lines are cut; what comes out of the future has a wrong clock.
CLOCKS_APART = timedelta(minutes=15)

QUESTION, VOTES = "question", "votes"
# Answers to questions have the same length, however much is known.
_PER_CONTENT, _BESIDE = 128, 1_536

Hex32 = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Stream = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")]
# What people read has no control characters: not to move a cursor, not to turn a line around.
PLAIN: Final = r"\A[^\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]*\Z"
Words = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=PLAIN)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=60, pattern=r"\A[!-~]+\Z")]


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message; `sender` and `receiver` are pins, `body` is what `kind` says."""

    v: Literal[1] = 1
    stream: Stream
    number: Annotated[int, msgspec.Meta(ge=1, le=2**53)]
    sender: Hex32
    receiver: Hex32
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    kind: Word
    body: msgspec.Raw


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a message: `refused` is a code where it was taken but not acted on."""

    v: Literal[1] = 1
    number: int
    refused: Annotated[str, msgspec.Meta(max_length=40, pattern=r"\A[a-z_]*\Z")] = ""
    body: msgspec.Raw = msgspec.Raw(b"null")


class Asked(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A content that is asked about: its digests and its PDQ, as far as they are known, in hex."""

    md5: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{32}\Z")] | None = None
    sha1: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{40}\Z")] | None = None
    sha256: Hex32 | None = None
    pdq: Hex32 | None = None

    @property
    def digests(self) -> Digests:
        """The digests, as bytes."""
        return Digests(*(bytes.fromhex(one) if one else None for one in self._digests))

    @property
    def _digests(self) -> tuple[str | None, ...]:
        return self.md5, self.sha1, self.sha256


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Has anyone seen these? `purpose` says why and by which authority, for the other's log."""

    purpose: Words
    contents: Annotated[tuple[Asked, ...], msgspec.Meta(min_length=1, max_length=CONTENTS)]


class Known(msgspec.Struct, frozen=True):
    """What is said of one content; `reference` is for the contact, empty where nothing is known."""

    known: bool
    reference: Annotated[str, msgspec.Meta(max_length=40, pattern=r"\A[0-9a-z]*\Z")] = ""


class Pointers(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a question: whom to speak to, and of each content whether it is known."""

    contact: Annotated[str, msgspec.Meta(max_length=200, pattern=PLAIN)]
    contents: Annotated[tuple[Known, ...], msgspec.Meta(max_length=CONTENTS)]


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The vote of a nation on a content under a scheme; `code` null where it has none any more."""

    sha256: Hex32
    scheme: Word
    code: Annotated[str, msgspec.Meta(min_length=1, max_length=40, pattern=PLAIN)] | None


class Votes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What organisations of the sender's nation agree on now, where it differs from before."""

    statements: Annotated[tuple[Statement, ...], msgspec.Meta(min_length=1, max_length=STATEMENTS)]


class Taken(msgspec.Struct, frozen=True):
    """The answer to votes: how many were taken, and how many of them have a code unknown here.

    It does not say which contents are here: that is asked by a question, and answered by policy.
    """

    taken: int
    unknown: int


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a node may do here: votes that are not wanted are not even sent."""

    may_ask: bool
    votes: bool


class ListOffer(msgspec.Struct, frozen=True, kw_only=True):
    """A list that a node may follow."""

    name: Annotated[str, msgspec.Meta(pattern=r"\A[a-z][a-z0-9-]{1,62}\Z")]
    title: Annotated[str, msgspec.Meta(max_length=500, pattern=PLAIN)]
    role: Word
    radius_bits: Annotated[int, msgspec.Meta(ge=0, le=256)]


class RecordRow(msgspec.Struct, frozen=True):
    """A line of a log about one message: its number, and SHA-256 (hex) of it and of its answer."""

    stream: Stream
    number: int
    message: Hex32
    answer: Hex32


def encoded(message: object) -> bytes:
    """Return JSON of a message or of a part of one."""
    return msgspec.json.encode(message)


def decoded(body: bytes | msgspec.Raw, kind: type[T], limit_bytes: int = MESSAGE_BYTES) -> T:
    """Return what a node sent.

    Raises:
        InputError: it is too long (code `too_large`), or not of this kind (code `message`).
    """
    text = bytes(body)
    if len(text) > limit_bytes:
        raise InputError(f"this is longer than {limit_bytes:,} bytes", code="too_large")
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        said = str(error)[:200]
        raise InputError(f"this is no {kind.__name__.lower()}: {said}", code="message") from None


def padded(body: bytes, contents: int) -> bytes:
    """Return an answer to a question as long as any other about as many contents."""
    size_bytes = _BESIDE + contents * _PER_CONTENT
    assert len(body) <= size_bytes, "an answer is shorter than its bound"
    return body.ljust(size_bytes)


def sha256(body: bytes) -> bytes:
    """Return the SHA-256 of a message or an answer, as both logs have it."""
    return hashlib.sha256(body).digest()
