"""Every fingerprint of one content."""

from __future__ import annotations

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
    picture = Picture(data, limits or DecodeLimits())
    return [found for algorithm in algorithms() for found in algorithm.fingerprints(picture)]


def warm_up() -> None:
    """Load kernels, algorithms and codecs by hashing one small picture of every kind.

    A confined worker cannot open a file afterwards, so nothing may be left to load lazily.
    """
    for sample in samples():
        fingerprint(sample)
