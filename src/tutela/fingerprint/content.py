"""Every fingerprint of one content."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tutela.fingerprint.algorithm import algorithms
from tutela.fingerprint.picture import DecodeLimits, Picture
from tutela.fingerprint.rehearsal import samples

if TYPE_CHECKING:
    from tutela.core.media import Fingerprint


def fingerprint(data: bytes, limits: DecodeLimits | None = None) -> list[Fingerprint]:
    """Return the fingerprints of the picture in `data` by every installed algorithm, PDQ first.

    PDQ gives the first frame in its eight variants, then later frames as they lie.

    Raises:
        MediaError: with code `unsupported` (no picture format of ours), `truncated`, `too_large`
            (over `limits`) or `undecodable`.
    """
    limits = limits or DecodeLimits()
    picture = Picture(data, limits)
    return [
        found
        for algorithm in algorithms()
        for found in spread(algorithm.fingerprints(picture), limits.frames)
    ]


def spread(found: Sequence[Fingerprint], frames: int) -> list[Fingerprint]:
    """Return the fingerprints of the first frame and of `frames` - 1 later ones, evenly spread."""
    later = sorted({one.frame for one in found} - {0})
    room = frames - 1
    if len(later) > room:
        step = (later[-1] - later[0]) / max(room - 1, 1)
        targets = [later[0] + step * place for place in range(room)]
        later = [min(later, key=lambda number: abs(number - target)) for target in targets]
    kept = {0, *later}
    return [one for one in found if one.frame in kept]


def warm_up() -> None:
    """Load kernels, algorithms and codecs by hashing one small picture of every kind.

    A confined worker cannot open a file afterwards, so nothing may be left to load lazily.
    """
    for sample in samples():
        fingerprint(sample)
