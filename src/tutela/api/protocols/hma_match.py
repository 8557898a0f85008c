"""Answers of the matching service as Meta's Hasher-Matcher-Actioner gives them (HMA 1.1).

Source: HMA's `blueprints/matching.py` and `blueprints/hashing.py`. Of a list that is no alert list
nothing is told: a client of HMA takes whatever it is told as a match.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tutela.api.protocols.hma import SIGNALS, bank_called
from tutela.core.entry import Role
from tutela.core.errors import UsageError
from tutela.core.matching import Answered, Asked, Known, Match, Value, known
from tutela.core.media import PDQ, PDQ_QUALITY_MINIMUM, PDQ_RADIUS_BITS, Digests

# Which signals a file of a content type is hashed to.
SIGNALS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "photo": (PDQ,),
    "video": ("video_md5", "video_sha256"),
}
_EQUAL: Final = "-"  # what HMA says for the distance of a signal type that has none


def content_of(signal_type: str, signal: str) -> Known:
    """Return what a signal says of a content.

    Raises:
        UsageError: there is no such signal type.
        InputError: the signal is not one of its type.
    """
    _checked(signal_type)
    if signal_type == PDQ:
        return known(Asked(fingerprints=(Value(PDQ, signal),)))
    md5 = signal_type == "video_md5"
    return known(Asked(md5=signal) if md5 else Asked(sha256=signal))


def signals_of(content: Known, content_type: str, wanted: str | None) -> dict[str, str]:
    """Return the signals of a file that was read; a picture that says too little has an empty one.

    Raises:
        UsageError: there is no such content type, or it has no such signal type.
    """
    if content_type not in SIGNALS_OF:
        raise UsageError(f"no such content_type: {content_type[:40]!r}", code="content_type")
    names = SIGNALS_OF[content_type]
    if wanted is not None:
        chosen = [name.strip() for name in wanted.split(",") if name.strip()]
        if not chosen or set(chosen) - set(names):
            raise UsageError(f"types of {content_type} are {', '.join(names)}", code="signal_type")
        names = tuple(chosen)
    digests, fingerprints = content
    pdq = next((f for f in fingerprints if f.algorithm == PDQ), None)
    good = pdq is not None and pdq.quality >= PDQ_QUALITY_MINIMUM
    values = {
        PDQ: pdq.bits if pdq is not None and good else b"",
        "video_md5": digests.md5 or b"",
        "video_sha256": digests.sha256 or b"",
    }
    return {name: values[name].hex() for name in names}


def matches_of(answered: Answered) -> tuple[Match, ...]:
    """Return what is told: nothing where a known-good content decides."""
    matches = answered.matches
    if matches and matches[0].role is not Role.ALERT:
        return ()
    return tuple(match for match in matches if match.role is Role.ALERT)


def banks(answered: Answered) -> dict[str, list[dict[str, Any]]]:
    """Return matches by bank."""
    found: dict[str, list[dict[str, Any]]] = {}
    for match in matches_of(answered):
        found.setdefault(bank_called(match.list), []).append(with_distance(match))
    return found


def with_distance(match: Match) -> dict[str, Any]:
    """Return a match with its distance, which is text."""
    distance = str(match.distance_bits) if match.algorithm == PDQ else _EQUAL
    return {"bank_content_id": match.entry, "distance": distance}


def compared(signal_type: str, one: str, other: str) -> list[Any]:
    """Return whether two signals of a type match, and how far they are apart.

    Raises:
        UsageError: there is no such signal type.
        InputError: a signal is not one of its type.
    """
    (digests, values), (others, others_values) = (
        content_of(signal_type, one),
        content_of(signal_type, other),
    )
    if signal_type != PDQ:
        return [_digest(digests) == _digest(others), {}]
    apart = int.from_bytes(values[0].bits) ^ int.from_bytes(others_values[0].bits)
    return [apart.bit_count() <= PDQ_RADIUS_BITS, {"distance": apart.bit_count()}]


def _digest(digests: Digests) -> bytes | None:
    return digests.sha256 or digests.md5


def _checked(signal_type: str) -> None:
    if signal_type not in SIGNALS:
        raise UsageError(f"No such SignalType {signal_type[:40]!r}", code="signal_type")
