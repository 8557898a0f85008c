"""Hits: a queried content met a list entry."""

from __future__ import annotations

import enum

import msgspec

from tutela.core.entry import ListEntry, Role


class Strength(enum.StrEnum):
    """How far a hit may be relied on.

    `EXACT`: SHA-256, or SHA-1 and MD5 together where the entry has no SHA-256; only this inherits a
    trusted grade. `INDICATIVE`: MD5 or SHA-1 alone, or a perceptual match; it orders work.
    """

    EXACT = "exact"
    INDICATIVE = "indicative"


class Hit(msgspec.Struct, frozen=True):
    """One match of a content with one entry of one list.

    `algorithm` is the one that matched (`sha256`, `sha1+md5`, `sha1`, `md5`, `pdq`, ...);
    `distance_bits` is 0 for digests; `variant` and `frame` are those of the query's fingerprint.
    """

    list: str
    role: Role
    entry_number: int
    entry: ListEntry
    algorithm: str
    strength: Strength
    distance_bits: int = 0
    variant: str = "original"
    frame: int = 0
