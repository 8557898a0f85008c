"""Digests and fingerprints of one content."""

from __future__ import annotations

import msgspec

PDQ = "pdq"
PHOTODNA = "photodna"

# Below this quality a PDQ value says too little to be compared (Meta, "The TMK+PDQF Video-Hashing
# Algorithm and the PDQ Image-Hashing Algorithm", 2019, "quality metric"): near-empty pictures.
PDQ_QUALITY_MINIMUM = 50
PDQ_RADIUS_BITS = 31

# How the query picture must be turned to lie as the listed one does: eight symmetries of a square.
VARIANTS = (
    "original",
    "rotate90",
    "rotate180",
    "rotate270",
    "flipx",
    "flipy",
    "transpose",
    "transverse",
)


class Digests(msgspec.Struct, frozen=True, omit_defaults=True):
    """Cryptographic digests of one content, raw bytes; None where unknown (lists seldom hold all).

    `md5` has 16 bytes, `sha1` 20, `sha256` 32.
    """

    md5: bytes | None = None
    sha1: bytes | None = None
    sha256: bytes | None = None

    def __bool__(self) -> bool:
        """Tell whether any digest is known."""
        return bool(self.md5 or self.sha1 or self.sha256)


class Fingerprint(msgspec.Struct, frozen=True, omit_defaults=True):
    """A perceptual fingerprint of one picture or frame.

    `bits` are the raw bytes (32 for PDQ, most significant bit first as in PDQ's hex form);
    `quality` runs from 0 (says nothing) to 100; `variant` is one of `VARIANTS`; `frame` counts the
    frames of an animation or the pages of a file from 0.
    """

    algorithm: str
    bits: bytes
    quality: int = 100
    variant: str = "original"
    frame: int = 0
