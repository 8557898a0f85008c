"""What is asked of the matching service and what it answers; service and client share it."""

from __future__ import annotations

import binascii
from collections.abc import Sequence

import msgspec

from tutela.core.entry import Coded, Role
from tutela.core.errors import InputError
from tutela.core.hit import Strength
from tutela.core.media import PDQ, VARIANTS, Digests, Fingerprint

CONTENTS_LIMIT = 4096  # in one request
# Of one content: sixteen frames in eight variants, for as many algorithms as a licensee may have.
FINGERPRINTS_LIMIT = 256
ROWS_LIMIT = 1 << 16  # values of all contents of a request together
VALUE_BYTES = {"sha256": 32, "sha1": 20, "md5": 16, PDQ: 32}
VALUE_LIMIT = 4096  # bytes of a value of another algorithm
FRAME_LIMIT = 1 << 31

# One content: what is known of it. The library takes the same pair.
Known = tuple[Digests, Sequence[Fingerprint]]


class Value(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A fingerprint on the wire, its bits in hexadecimal."""

    algorithm: str
    value: str
    quality: int = 100
    variant: str = VARIANTS[0]
    frame: int = 0


class Asked(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A content on the wire; digests in hexadecimal."""

    sha256: str = ""
    sha1: str = ""
    md5: str = ""
    fingerprints: tuple[Value, ...] = ()


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/match` as JSON."""

    contents: tuple[Asked, ...]


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that a content meets.

    `entry` is its number on the list, by which feedback names it; `distance_bits` is 0 for digests;
    `state` is `active` or `disputed`; `codes` are those of the asking member's jurisdictions;
    `source` is the organisation that contributed it; `variant` and `frame` are those of the value
    asked about.
    """

    list: str
    entry: int
    role: Role
    strength: Strength
    algorithm: str
    distance_bits: int
    state: str
    codes: tuple[Coded, ...]
    source: str
    tags: tuple[str, ...]
    reference: str
    variant: str = VARIANTS[0]
    frame: int = 0


class Remark(msgspec.Struct, frozen=True):
    """An entry that would have answered and does not; `code` says why (`quarantined`)."""

    list: str
    entry: int
    code: str


class Answered(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer for one content: its matches, the deciding one first, and remarks."""

    matches: tuple[Match, ...] = ()
    remarks: tuple[Remark, ...] = ()


class FileRead(msgspec.Struct, frozen=True):
    """How reading a file went: `reason` says why it has no fingerprints (`unsupported`, ...)."""

    sha256: str
    size_bytes: int
    fingerprints: int
    reason: str = ""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer for all contents, in their order, by one generation of the index.

    `file` is there where a file was sent instead of hashes.
    """

    generation: int
    contents: tuple[Answered, ...]
    file: FileRead | None = None


def asked(content: Known) -> Asked:
    """Return a content as it goes on the wire."""
    digests, fingerprints = content
    return Asked(
        (digests.sha256 or b"").hex(),
        (digests.sha1 or b"").hex(),
        (digests.md5 or b"").hex(),
        tuple(
            Value(f.algorithm, f.bits.hex(), f.quality, f.variant, f.frame) for f in fingerprints
        ),
    )


def known(content: Asked) -> Known:
    """Return a content as it came from the wire.

    Raises:
        InputError: it says nothing, a value is not of its algorithm, or there are too many.
    """
    digests = Digests(
        _optional("md5", content.md5),
        _optional("sha1", content.sha1),
        _optional("sha256", content.sha256),
    )
    if not digests and not content.fingerprints:
        raise InputError("a content with neither digest nor fingerprint", code="no_hash")
    if len(content.fingerprints) > FINGERPRINTS_LIMIT:
        raise InputError(
            f"a content with more than {FINGERPRINTS_LIMIT} fingerprints", code="too_many_values"
        )
    return digests, tuple(map(_fingerprint, content.fingerprints))


def checked_size(contents: int, values: int) -> None:
    """Refuse a request of too many contents, or values.

    Raises:
        InputError: code `too_many_contents` or `too_many_values`.
    """
    if contents > CONTENTS_LIMIT:
        raise InputError(
            f"{contents:,} contents in one request; {CONTENTS_LIMIT:,} are allowed",
            code="too_many_contents",
            hint="ask in several requests",
        )
    if values > ROWS_LIMIT:
        raise InputError(
            f"{values:,} values in one request; {ROWS_LIMIT:,} are allowed",
            code="too_many_values",
            hint="ask in several requests",
        )


def _fingerprint(value: Value) -> Fingerprint:
    sound = 0 <= value.quality <= 100 and 0 <= value.frame < FRAME_LIMIT
    if value.variant not in VARIANTS or not sound:
        raise InputError(
            "a fingerprint with a variant, quality or frame that there is not", code="value"
        )
    return Fingerprint(
        value.algorithm,
        _bytes(value.algorithm, value.value),
        value.quality,
        value.variant,
        value.frame,
    )


def _optional(algorithm: str, text: str) -> bytes | None:
    return _bytes(algorithm, text) if text else None


def _bytes(algorithm: str, text: str) -> bytes:
    size = VALUE_BYTES.get(algorithm)
    try:
        value = binascii.unhexlify(text)
    except ValueError:  # not ASCII, not hexadecimal, or an odd number of digits
        value = b""
    if not value or len(value) > VALUE_LIMIT or (size is not None and len(value) != size):
        wanted = f"{2 * size} hexadecimal digits" if size else "hexadecimal digits"
        raise InputError(f"a value of {algorithm[:40]!r} is not {wanted}", code="value")
    return value
