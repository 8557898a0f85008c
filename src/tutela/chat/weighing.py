"""What signs add up to: a versioned TOML file of weights, checked when it is read.

Additive, saturating and monotone: more signs never lower the points. What speaks against a score
never subtracts; it asks for more distinct signs before the pair may alert.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import msgspec

from tutela.chat.model import Sign
from tutela.core.errors import SettingsError

DEFAULT_POINT: Final = 10.0
"""At how many points a conversation is put forward, where nobody chose another point.

Weights run from 1 to 5. Ten is what three distinct signs of middle weight reach with a little
persistence, what two strong ones reach towards somebody who is stated to be a minor, and what one
request for a picture to a stated minor reaches exactly (5, doubled). Two weak signs stay below it
even so. It was fixed before the lexicon was written and before any suite was run, and is not tuned.
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
        asymmetry: Likewise, where the author asks far more than the other.
        night: Likewise, where most messages with a time were written at night.
        prototype: What a likeness to a prototype counts of a rule's hit.
        needs: For a code of what speaks against it: so many more distinct line signs are needed.
    """

    version: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    signs: dict[Sign, Points]
    further: Part
    distinct: Part
    distinct_cap: Part
    minor: Part
    asymmetry: Part
    night: Part
    prototype: Part
    needs: dict[str, Count] = {}


def load(path: Path | None = None) -> Weights:
    """Read weights from a file, or those that are shipped.

    Raises:
        SettingsError: the file cannot be read, or says something unknown or out of range.
    """
    try:
        if path is None:
            data = (resources.files(__package__) / "weights" / SHIPPED).read_bytes()
        else:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(
            f"the weights cannot be read: {error.strerror}",
            code="weights_unreadable",
            hint="name a file of weights in the settings, or leave it out for those shipped",
        ) from error
    return parse(data)


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
