"""List entries: what a hash list says of one content, and who said so."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec

from tutela.core.media import Digests, Fingerprint


class Role(enum.StrEnum):
    """What a match with a list means. An exact alert beats every other role."""

    ALERT = "alert"
    IGNORABLE = "ignorable"
    ALLOW = "allow"


class State(enum.StrEnum):
    """Where an entry stands in its life; only active entries match."""

    ACTIVE = "active"
    WITHDRAWN = "withdrawn"


class Classification(msgspec.Struct, frozen=True):
    """A code under a scheme, as the source gave it; never translated silently.

    For VICS the scheme names model, profile and file kind (`vics-2.0-US-media`), because the
    same number means different things in each.
    """

    scheme: str
    code: str


class Coded(msgspec.Struct, frozen=True):
    """A classification under a scheme, by the law of a jurisdiction (ISO 3166-1 or `INT`)."""

    jurisdiction: str
    scheme: str
    code: str


class Provenance(msgspec.Struct, frozen=True):
    """Where an entry came from: list, file, record number in it (from 1), when and from whom."""

    list: str
    source: str
    row: int
    received_at: datetime
    received_from: str = ""


class ListEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One row of a hash list.

    `extra` holds what the source said beyond our fields, as a JSON object in UTF-8, so that an
    export gives it back unchanged.
    """

    provenance: Provenance
    digests: Digests = Digests()
    fingerprints: tuple[Fingerprint, ...] = ()
    classifications: tuple[Classification, ...] = ()
    state: State = State.ACTIVE
    extra: bytes = b""
