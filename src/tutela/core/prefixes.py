"""Look-up by prefix: the service learns the first bits of a digest, never which digest.

It answers with everything that it lists under those bits, as much for every prefix: each digest
stands there as a keyed hash under a fresh salt, and what is said of it masked with the rest of that
hash. Whoever has the digest finds and reads its row; whoever has not learns nothing from it. What
is missing to the constant number of rows is filled up with hashes of random digests.

docs/reference/match-api.md describes it; the idea is that of Li, Pal, Ali, Sullivan, Chatterjee and
Ristenpart, "Protocols for Checking Compromised Credentials" (CCS 2019), whose clients meet buckets
of a hash prefix.
"""

from __future__ import annotations

import hmac
import secrets
import struct
from collections.abc import Iterable, Sequence

import msgspec

from tutela.core.entry import Role
from tutela.core.errors import InputError
from tutela.core.hit import Strength

ALGORITHMS = ("sha256", "sha1", "md5")
SALT_BYTES = 16
TAG_BYTES = 16
ROW_BYTES = 32
PREFIXES_LIMIT = 16  # in one request
BITS_LIMIT = 24
ROLES = (Role.ALERT, Role.IGNORABLE, Role.ALLOW)
STRENGTHS = (Strength.EXACT, Strength.INDICATIVE)
_SAID = struct.Struct("<HBBIQ")  # list, role, strength, nothing, entry


class Bucket(msgspec.Struct, frozen=True):
    """How long a prefix of an algorithm is, and how many rows every answer has a multiple of."""

    bits: int
    rows: int


class Terms(msgspec.Struct, frozen=True):
    """What a member must know to ask: `GET /v1/prefix`."""

    buckets: dict[str, Bucket]
    prefixes_per_day: int


class PrefixQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/prefix`; `bits` are those of the terms."""

    algorithm: str
    bits: int
    prefixes: tuple[int, ...]


class Rows(msgspec.Struct, frozen=True):
    """What is listed under a prefix: a salt, and rows of 32 bytes in no order."""

    prefix: int
    salt: bytes
    rows: bytes


class PrefixAnswer(msgspec.Struct, frozen=True):
    """The answer for all prefixes, in their order; `lists` are those that rows speak of."""

    generation: int
    lists: tuple[str, ...]
    answers: tuple[Rows, ...]


class Known(msgspec.Struct, frozen=True):
    """What a row says of a digest."""

    list: str
    entry: int
    role: Role
    strength: Strength


def prefix_of(digest: bytes, bits: int) -> int:
    """Return the first bits of a digest as a number."""
    return int.from_bytes(digest[:8]) >> (64 - bits)


def sealed(
    prefix: int, listed: Iterable[tuple[bytes, Known]], lists: Sequence[str], multiple: int
) -> Rows:
    """Return rows for digests of one prefix, filled up to a multiple of `multiple`.

    Args:
        prefix: That of the digests.
        listed: Each digest with what is said of it.
        lists: The names that `Known.list` may have.
        multiple: A digest that stands in no list takes the place of each that is missing.
    """
    salt = secrets.token_bytes(SALT_BYTES)
    rows = [
        _row(
            salt,
            digest,
            _SAID.pack(
                lists.index(known.list),
                ROLES.index(known.role),
                STRENGTHS.index(known.strength),
                0,
                known.entry,
            ),
        )
        for digest, known in listed
    ]
    wanted = multiple * max(1, -(-len(rows) // multiple))
    nothing = bytes(_SAID.size)
    rows += [_row(salt, secrets.token_bytes(32), nothing) for _ in range(wanted - len(rows))]
    rows.sort()  # keyed hashes: by their order nobody tells which are true
    return Rows(prefix, salt, b"".join(rows))


def found(answer: Rows, lists: Sequence[str], digest: bytes) -> list[Known]:
    """Return what the rows under its prefix say of a digest.

    Raises:
        InputError: the answer is malformed.
    """
    if len(answer.rows) % ROW_BYTES or len(answer.salt) != SALT_BYTES:
        raise InputError("the rows of a prefix are malformed", code="malformed")
    keyed = hmac.digest(answer.salt, digest, "sha256")
    said = []
    for at in range(0, len(answer.rows), ROW_BYTES):
        # Always all of it: how long this takes does not tell whether a digest was there.
        if hmac.compare_digest(answer.rows[at : at + TAG_BYTES], keyed[:TAG_BYTES]):
            masked = answer.rows[at + TAG_BYTES : at + ROW_BYTES]
            said.append(_read(_masked(masked, keyed), lists))
    return said


def checked(question: PrefixQuestion) -> None:
    """Refuse a question that asks for no prefix or too many, or for ones that there are not.

    Raises:
        InputError: as it says.
    """
    if question.algorithm not in ALGORITHMS:
        raise InputError(f"prefixes are those of {', '.join(ALGORITHMS)}", code="algorithm")
    if not 0 < len(question.prefixes) <= PREFIXES_LIMIT:
        raise InputError(
            f"a request asks for 1 to {PREFIXES_LIMIT} prefixes", code="too_many_values"
        )
    if not 0 <= question.bits <= BITS_LIMIT:
        raise InputError(f"a prefix has 0 to {BITS_LIMIT} bits", code="value")
    if any(not 0 <= prefix < 1 << question.bits for prefix in question.prefixes):
        raise InputError(f"a number that is no prefix of {question.bits} bits", code="value")


def _row(salt: bytes, digest: bytes, said: bytes) -> bytes:
    keyed = hmac.digest(salt, digest, "sha256")
    return keyed[:TAG_BYTES] + _masked(said, keyed)


def _masked(said: bytes, keyed: bytes) -> bytes:
    mask = int.from_bytes(keyed[TAG_BYTES:])
    return (int.from_bytes(said) ^ mask).to_bytes(ROW_BYTES - TAG_BYTES)


def _read(said: bytes, lists: Sequence[str]) -> Known:
    number, role, strength, _, entry = _SAID.unpack(said)
    try:
        return Known(lists[number], entry, ROLES[role], STRENGTHS[strength])
    except IndexError:
        raise InputError("a row of a prefix is malformed", code="malformed") from None
