"""The compact form of questions and answers: `application/vnd.tutela.match`.

docs/reference/match-api.md gives both layouts. All numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tutela.core.entry import Coded, Role
from tutela.core.errors import InputError
from tutela.core.hit import Strength
from tutela.core.matching import (
    VALUE_BYTES,
    Answer,
    Answered,
    Known,
    Match,
    Remark,
    checked_size,
)
from tutela.core.media import PDQ, VARIANTS, Digests, Fingerprint

MEDIA_TYPE = "application/vnd.tutela.match"
QUESTION = b"TUM1"
ANSWER = b"TUA1"
KINDS = (PDQ, "sha256", "sha1", "md5")
ALGORITHMS = ("sha256", "sha1+md5", "sha1", "md5", PDQ)
STRENGTHS = (Strength.EXACT, Strength.INDICATIVE)

_HEAD = struct.Struct("<4sII")  # magic, contents, columns
_COLUMN = struct.Struct("<B3xI")  # kind, rows
_ANSWER = struct.Struct("<4sIIIQ")  # magic, contents, matches, bytes of the tail, generation
_MATCH = struct.Struct("<IIBBBBI")  # content, entry of the tail, algorithm, strength, bits, variant
_NUMBER = 0xFFFFFF  # a content's number in a row; above it stands the variant


class Described(NamedTuple):
    """What of a match is said once for each entry, in the tail of an answer."""

    list: str
    entry: int
    role: Role
    state: str
    codes: tuple[Coded, ...]
    source: str
    tags: tuple[str, ...]
    reference: str


class _Tail(msgspec.Struct, frozen=True):
    entries: tuple[Described, ...]
    remarks: tuple[tuple[int, Remark], ...]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Tail).decode
_VARIANT = {name: number for number, name in enumerate(VARIANTS)}
_ALGORITHM = {name: number for number, name in enumerate(ALGORITHMS)}


def question(contents: Sequence[Known]) -> bytes:
    """Return contents in the compact form: PDQ values and digests; frames are not told apart.

    Raises:
        InputError: there are too many, or values of other algorithms.
    """
    columns: dict[str, tuple[list[int], list[bytes]]] = {kind: ([], []) for kind in KINDS}
    for number, (digests, fingerprints) in enumerate(contents):
        for found in fingerprints:
            if found.algorithm != PDQ:
                raise InputError(
                    f"the compact form has no {found.algorithm}", hint="ask by JSON", code="value"
                )
            if len(found.bits) != VALUE_BYTES[PDQ]:
                raise InputError("a PDQ value has 32 bytes", code="value")
            columns[PDQ][0].append(number | _VARIANT[found.variant] << 24)
            columns[PDQ][1].append(found.bits)
        for kind in KINDS[1:]:
            value = getattr(digests, kind)
            if value is not None:
                columns[kind][0].append(number)
                columns[kind][1].append(value)
    checked_size(len(contents), sum(len(rows) for rows, _ in columns.values()))
    parts = [_HEAD.pack(QUESTION, len(contents), sum(bool(rows) for rows, _ in columns.values()))]
    for kind, (rows, values) in columns.items():
        if rows:
            parts.append(_COLUMN.pack(KINDS.index(kind), len(rows)))
            parts.append(struct.pack(f"<{len(rows)}I", *rows))
            parts.extend(values)
    return b"".join(parts)


def contents_of(body: bytes) -> list[Known]:
    """Return the contents of a question in the compact form.

    Raises:
        InputError: it is not one, is cut short or too long, or asks too much.
    """
    try:
        magic, contents, columns = _HEAD.unpack_from(body)
        if magic != QUESTION or columns > len(KINDS):
            raise _malformed()
        checked_size(contents, 0)
        found: list[list[Fingerprint]] = [[] for _ in range(contents)]
        digests: list[dict[str, bytes]] = [{} for _ in range(contents)]
        at = _HEAD.size
        for _ in range(columns):
            at = _column(body, at, found, digests)
    except (struct.error, IndexError):
        raise _malformed() from None
    if at != len(body):
        raise _malformed()
    return [(Digests(**have), rows) for have, rows in zip(digests, found, strict=True)]


def _column(
    body: bytes, at: int, found: list[list[Fingerprint]], digests: list[dict[str, bytes]]
) -> int:
    """Read one column from `at`, and return where it ends."""
    kind: int
    rows: int
    kind, rows = _COLUMN.unpack_from(body, at)
    name = KINDS[kind]
    width = VALUE_BYTES[name]
    at += _COLUMN.size
    first = at + 4 * rows
    checked_size(len(found), rows)
    if first + width * rows > len(body):
        raise _malformed()
    numbers = struct.unpack_from(f"<{rows}I", body, at)
    for place, number in enumerate(numbers):
        begin = first + place * width
        value = body[begin : begin + width]
        if kind == 0:
            bits = Fingerprint(PDQ, value, 100, VARIANTS[number >> 24])
            found[number & _NUMBER].append(bits)
        else:
            digests[number][name] = value
    return first + width * rows


def answer(given: Answer) -> bytes:
    """Return an answer in the compact form; an entry that many contents meet stands in it once."""
    entries: dict[tuple[str, int], int] = {}
    described: list[Described] = []
    rows: list[bytes] = []
    remarks: list[tuple[int, Remark]] = []
    for number, content in enumerate(given.contents):
        for match in content.matches:
            place = entries.setdefault((match.list, match.entry), len(described))
            if place == len(described):
                described.append(
                    Described(
                        match.list,
                        match.entry,
                        match.role,
                        match.state,
                        match.codes,
                        match.source,
                        match.tags,
                        match.reference,
                    )
                )
            rows.append(
                _MATCH.pack(
                    number,
                    place,
                    _ALGORITHM[match.algorithm],
                    STRENGTHS.index(match.strength),
                    match.distance_bits,
                    _VARIANT[match.variant],
                    match.frame,
                )
            )
        remarks.extend((number, remark) for remark in content.remarks)
    tail = _encode(_Tail(tuple(described), tuple(remarks)))
    head = _ANSWER.pack(ANSWER, len(given.contents), len(rows), len(tail), given.generation)
    return b"".join((head, *rows, tail))


def answer_of(body: bytes) -> Answer:
    """Return the answer that is in the compact form.

    Raises:
        InputError: it is not one, or is cut short.
    """
    try:
        magic, contents, rows, size, generation = _ANSWER.unpack_from(body)
        end = _ANSWER.size + rows * _MATCH.size
        if magic != ANSWER or end + size != len(body):
            raise _malformed()
        tail = _decode(body[end:])
        matches: dict[int, list[Match]] = {}
        for number, place, algorithm, strength, bits, variant, frame in _MATCH.iter_unpack(
            body[_ANSWER.size : end]
        ):
            about = tail.entries[place]
            match = Match(
                **about._asdict(),
                algorithm=ALGORITHMS[algorithm],
                strength=STRENGTHS[strength],
                distance_bits=bits,
                variant=VARIANTS[variant],
                frame=frame,
            )
            matches.setdefault(number, []).append(match)
        remarks: dict[int, list[Remark]] = {}
        for number, remark in tail.remarks:
            remarks.setdefault(number, []).append(remark)
    except (struct.error, IndexError, msgspec.DecodeError):
        raise _malformed() from None
    if max((*matches, *remarks), default=-1) >= contents:
        raise _malformed()
    return Answer(
        generation,
        tuple(
            Answered(tuple(matches.get(number, ())), tuple(remarks.get(number, ())))
            for number in range(contents)
        ),
    )


def _malformed() -> InputError:
    return InputError(
        "this is not the compact form of a match", code="malformed", hint=f"see {MEDIA_TYPE}"
    )
