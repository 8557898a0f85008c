"""What signs add up to: a versioned TOML file of weights, checked when it is read.

Additive, saturating and monotone: more signs never lower the points. What speaks against a score
never subtracts; it asks for more distinct signs before the pair may alert.
"""

from __future__ import annotations

import math
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import msgspec

from tutela.chat.model import Sign
from tutela.core.errors import SettingsError

DEFAULT_POINT: Final = 10.0
"""At how many points a conversation is put forward, where nobody chose another point.

It was fixed before the lexicon was written and before any suite was run, and is not tuned; the
weights were, on invented dialogues. A request for a picture to a stated minor reaches it exactly
(5, doubled). Else it takes four or five distinct signs, or fewer that are shown again and again.
"""

SHIPPED: Final = "v1.toml"
MAX_BYTES: Final = 64 * 1024

Part = Annotated[float, msgspec.Meta(ge=0, le=1)]
Points = Annotated[float, msgspec.Meta(ge=0, le=100)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1000)]


class Weights(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of weights.

    Attributes:
        version: By which the file is known; a score says it.
        signs: Points of the first full showing of a sign.
        further: Each further showing adds so much of what the one before it added.
        distinct: Part of the points of the line signs, for each distinct one beyond the second.
        distinct_cap: Of that at most.
        minor: Part of the points of the line signs, where the other is stated to be a minor.
        minor_request: Part of those of a request for a picture to a stated minor, beside it.
        asymmetry: Likewise, where the author asks far more than the other.
        night: Likewise, where most messages with a time were written at night.
        prototype: What a likeness to a prototype counts of a rule's hit.
        chance: What harmless talk shows by chance in a message, in strengths of showings; so much
            is taken off for each beyond the first `SHORT`. Long talk would else add up to all.
        needs: For a code of what speaks against it: so many more distinct line signs are needed.
    """

    version: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    signs: dict[Sign, Points]
    further: Part
    distinct: Part
    distinct_cap: Part
    minor: Part
    minor_request: Part
    asymmetry: Part
    night: Part
    prototype: Part
    chance: Part
    needs: dict[str, Count] = {}


LINE_SIGNS: Final = frozenset(
    {
        Sign.AGE,
        Sign.ALONE,
        Sign.SECRECY,
        Sign.ISOLATION,
        Sign.CHANNEL,
        Sign.PICTURE,
        Sign.GIFT,
        Sign.FLATTERY,
        Sign.THREAT,
        Sign.PRESSURE,
        Sign.MEETING,
    }
)
"""What a message may show; the others are what the state of a pair shows."""

ONE_LINE: Final = "one_line"
SHORT: Final = 20  # messages of one to the other, in which nothing adds up by chance
# Asked by everybody who gets to know somebody, and by whoever cares for them.
_QUESTIONS: Final = frozenset({Sign.AGE, Sign.ALONE})
SURPRISE: Final = "surprise"  # explains a secret, not a request for a picture
DISTINCT: Final = 2  # line signs, on as many messages: one line never alerts by itself
CLEAR: Final = 0.6  # from which strength on a sign counts for the rule; two weak showings make one


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What one speaker showed towards another, as far as it weighs.

    Attributes:
        signs: For each line sign the sum of the strengths of its showings.
        spoken: Messages from the author to the other.
        messages: How many messages showed any of them clearly by itself.
        persistence: How often was asked again after a refusal.
        known_media: How many files that a hash list has.
        minor: Whether the other is stated, or said, to be under 18.
        asymmetry: Whether the author asks far more than the other.
        night: Whether most messages with a time were written at night.
        minor_request: Whether a picture or the camera was asked for after the other was a stated
            minor.
        against: Codes of what speaks against it.
        once: Of these codes, those that rest on too little to hold back a request for a picture to
            a stated minor.
    """

    signs: dict[Sign, float]
    spoken: int = 0
    messages: int = 0
    persistence: int = 0
    known_media: int = 0
    minor: bool = False
    asymmetry: bool = False
    night: bool = False
    minor_request: bool = False
    against: tuple[str, ...] = ()
    once: tuple[str, ...] = ()


def weigh(weights: Weights, tally: Tally) -> dict[Sign, float]:
    """Return the points of each sign; never below 0, and never fewer for more signs."""
    shown = _beyond_chance(weights, tally)
    more = min(weights.distinct * max(len(shown) - DISTINCT, 0), weights.distinct_cap)
    points = {
        sign: weights.signs.get(sign, 0.0) * _saturated(total, weights.further) * (1 + more)
        for sign, total in shown.items()
    }
    line = sum(points.values())
    if tally.minor and line:
        request = points.get(Sign.PICTURE, 0.0) if tally.minor_request else 0.0
        points[Sign.MINOR] = weights.minor * line + weights.minor_request * request
    for sign, part, holds in (
        (Sign.ASYMMETRY, weights.asymmetry, tally.asymmetry),
        (Sign.NIGHT, weights.night, tally.night),
    ):
        if holds and line:
            points[sign] = part * line
    for sign, count in (
        (Sign.PERSISTENCE, tally.persistence),
        (Sign.KNOWN_MEDIA, tally.known_media),
    ):
        if count:
            points[sign] = weights.signs.get(sign, 0.0) * _saturated(count, weights.further)
    return points


def may_alert(weights: Weights, tally: Tally) -> bool:
    """Tell whether a pair may be put forward: the rule that one line never alerts by itself.

    Two distinct line signs on two messages, and so many more as what speaks against it asks for,
    one of which is more than a question about the other; or a request for a picture to a stated
    minor that nothing speaks against.

    Where two messages show any sign clearly and there are two signs, there are two signs on two
    messages: either the two messages show different ones, or the second sign is on a third.
    """
    needs = {code: weights.needs.get(code, 0) for code in tally.against}
    more = sum(needs.values())
    light = {SURPRISE, *tally.once}
    if tally.minor_request and not any(need for code, need in needs.items() if code not in light):
        return True
    if not any(total >= CLEAR for sign, total in tally.signs.items() if sign not in _QUESTIONS):
        return False
    distinct = clear(tally.signs)
    return distinct >= DISTINCT + more and tally.messages >= DISTINCT


def clear(signs: dict[Sign, float]) -> int:
    """Return how many signs were shown clearly enough to count for the rule."""
    return sum(total >= CLEAR for total in signs.values())


def _beyond_chance(weights: Weights, tally: Tally) -> dict[Sign, float]:
    """Return what signs were shown beyond what talk of this length shows by chance, all alike.

    A request for a picture to a stated minor is no chance. The more signs, the less is taken off:
    more of them never lower the points.
    """
    total = sum(tally.signs.values())
    expected = weights.chance * max(tally.spoken - SHORT, 0)
    left = 1 - min(expected / total, 1.0) if total else 0.0
    signs = {sign: one * left for sign, one in tally.signs.items()}
    if tally.minor_request:
        signs[Sign.PICTURE] = tally.signs.get(Sign.PICTURE, 0.0)
    return {sign: one for sign, one in signs.items() if one > 0}


def _saturated(total: float, further: float) -> float:
    """Return a full showing as 1, and each further one as `further` of the one before it."""
    if total <= 1 or further >= 1:
        return total
    return 1.0 + further * (1.0 - math.pow(further, total - 1.0)) / (1.0 - further)


def load(path: Path | None = None) -> Weights:
    """Read weights from a file, or those that are shipped.

    Raises:
        SettingsError: the file cannot be read, or says something unknown or out of range.
    """
    try:
        if path is None:
            data = shipped_bytes()
        else:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            f"the weights cannot be read: {error.strerror}",
            code="weights_unreadable",
            hint="name a file of weights, or leave it out for those shipped",
        ) from error
    return parse(data)


def shipped_bytes() -> bytes:
    """Return the file that is shipped."""
    return (resources.files(__package__) / "weights" / SHIPPED).read_bytes()


def parse(data: bytes) -> Weights:
    """Return the weights in a file.

    Raises:
        SettingsError: it is no TOML, too long, or says something unknown or out of range.
    """
    if len(data) > MAX_BYTES:
        raise SettingsError("the weights are longer than 64 KiB", code="weights_long")
    try:
        return msgspec.toml.decode(data, type=Weights, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise SettingsError(
            f"the weights do not hold: {error}",
            code="weights_wrong",
            hint="compare the file with the weights that are shipped",
        ) from error
