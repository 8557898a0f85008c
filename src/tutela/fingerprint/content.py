"""Every fingerprint of one content, and what else its first frame tells."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tutela.fingerprint import facts as picture_facts
from tutela.fingerprint.algorithm import algorithms
from tutela.fingerprint.picture import DecodeLimits, Picture
from tutela.fingerprint.pixels import TURNS, Frame
from tutela.fingerprint.rehearsal import samples
from tutela.fingerprint.scene import scene
from tutela.fingerprint.thumbnail import blurred_frame

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
    return _fingerprints(Picture(data, limits))


@dataclass
class Seen:
    """What one decoding of a picture gave beyond its fingerprints, of the first frame.

    `width` and `height` are pixels at full size, as a viewer shows the picture upright; `facts`
    are those of `facts.read`; `scene` has 32 bytes, or is None where there is too little to tell;
    `thumbnail` is that of `thumbnail.blurred`, empty where none was asked for or could be made.
    """

    fingerprints: Sequence[Fingerprint] = ()
    width: int = 0
    height: int = 0
    facts: picture_facts.Facts = ()
    scene: bytes | None = None
    thumbnail: bytes = b""


def examine(
    data: bytes,
    limits: DecodeLimits | None = None,
    *,
    facts: bool = True,
    thumbnail: bool = False,
) -> Seen:
    """Return the fingerprints of a picture and what else is wanted, from one decoding.

    Only fingerprints can fail: a fact that cannot be read is left out.

    Raises:
        MediaError: as `fingerprint`.
    """
    seen = Seen()

    def note(frame: Frame) -> None:
        # Whatever goes wrong here, the picture is hashed: no fact shall hide it from the lists.
        if facts:
            with contextlib.suppress(Exception):
                _note_facts(seen, frame, data)
        if thumbnail:
            with contextlib.suppress(Exception):
                seen.thumbnail = blurred_frame(frame)

    seen.fingerprints = _fingerprints(Picture(data, limits or DecodeLimits(), note))
    return seen


def _fingerprints(picture: Picture) -> list[Fingerprint]:
    return [
        found
        for algorithm in algorithms()
        for found in spread(algorithm.fingerprints(picture), picture.limits.frames)
    ]


def _note_facts(seen: Seen, frame: Frame, data: bytes) -> None:
    seen.width, seen.height = frame.full_width, frame.full_height
    if TURNS[frame.orientation][2]:
        seen.width, seen.height = seen.height, seen.width
    block = frame.image.info.get("exif")
    seen.facts = picture_facts.read(block if isinstance(block, bytes) else data)
    seen.scene = scene(frame)


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
    """Load kernels, algorithms and codecs by examining one small picture of every kind.

    A confined worker cannot open a file afterwards, so nothing may be left to load lazily.
    """
    for sample in samples():
        fingerprint(sample)
        examine(sample, thumbnail=True)
