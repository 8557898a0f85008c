"""How an entry of a published list lies in a library, and back.

A library's entry has digests, fingerprints, schemes and codes of its own. What it has no field for
(jurisdictions, tags, source, where it stands) rides in `extra`, a JSON object, under the key
`tutela`. Its number in the exchange is the row of its provenance: by that number everybody speaks
of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import msgspec

from tutela.core.entry import Classification, ListEntry, Provenance, State
from tutela.core.ids import EntryId, ListId, OrganisationId
from tutela.exchange.model import INTERNATIONAL, SERVED, Coded, Content, EntryState, Listed


class Carried(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What rides in `extra`; `jurisdictions` stand in the order of the classifications.

    The defaults are those of an entry of an imported list, which carries nothing.
    """

    state: EntryState = EntryState.ACTIVE
    content: Content = Content.IMAGE
    jurisdictions: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    source: str = ""
    source_id: int = 0
    reference: str = ""
    list_id: int = 0
    change: int = 0
    changed_at: datetime | None = None


class _Extra(msgspec.Struct, frozen=True):
    tutela: Carried | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Extra).decode
_NOTHING = Carried()


def entry_of(listed: Listed, own: Provenance) -> ListEntry:
    """Return an entry as a library keeps it; `own` is the provenance of the library's list."""
    carried = Carried(
        state=listed.state,
        content=listed.content,
        jurisdictions=tuple(code.jurisdiction for code in listed.codes),
        tags=listed.tags,
        source=listed.source,
        source_id=listed.source_id,
        reference=listed.reference,
        list_id=listed.list_id,
        change=listed.change,
        changed_at=listed.changed_at,
    )
    return ListEntry(
        provenance=msgspec.structs.replace(own, row=listed.id),
        digests=listed.digests,
        fingerprints=listed.fingerprints,
        classifications=tuple(Classification(code.scheme, code.code) for code in listed.codes),
        state=State.ACTIVE if listed.state in SERVED else State.WITHDRAWN,
        extra=_encode(_Extra(carried)),
    )


def listed_of(entry: ListEntry) -> Listed | None:
    """Return the published entry that `entry_of` was given, or None where this is none."""
    carried = carried_by(entry)
    if carried.changed_at is None:
        return None
    return Listed(
        id=EntryId(entry.provenance.row),
        list_id=ListId(carried.list_id),
        content=carried.content,
        state=carried.state,
        digests=entry.digests,
        fingerprints=entry.fingerprints,
        codes=codes_of(entry, carried),
        tags=carried.tags,
        source_id=OrganisationId(carried.source_id),
        source=carried.source,
        reference=carried.reference,
        change=carried.change,
        changed_at=carried.changed_at,
    )


def carried_by(entry: ListEntry) -> Carried:
    """Return what rides in an entry; the defaults where nothing of ours does."""
    if b'"tutela"' not in entry.extra:
        return _NOTHING
    try:
        return _decode(entry.extra).tutela or _NOTHING
    except msgspec.DecodeError:
        return _NOTHING  # a key of the same name that somebody else's list had


def codes_of(entry: ListEntry, carried: Carried) -> tuple[Coded, ...]:
    """Return the classifications of an entry by jurisdiction; imported ones name none."""
    codes = codes_for(entry.classifications, carried.jurisdictions, frozenset())
    return codes or ()


@lru_cache(maxsize=8192)  # an entry has few classifications, and thousands have the same
def codes_for(
    classifications: tuple[Classification, ...],
    named: tuple[str, ...],
    jurisdictions: frozenset[str],
) -> tuple[Coded, ...] | None:
    """Return the codes that a member gets, or None where the entry is not for it.

    A member of no named jurisdictions gets all; others get an entry if one of its codes is theirs
    or international, and only those codes.
    """
    if len(named) != len(classifications):
        named = (INTERNATIONAL,) * len(classifications)
    codes = tuple(
        Coded(jurisdiction, c.scheme, c.code)
        for jurisdiction, c in zip(named, classifications, strict=True)
    )
    return shown(codes, jurisdictions) or (None if jurisdictions else ())


def shown(codes: Sequence[Coded], jurisdictions: frozenset[str]) -> tuple[Coded, ...]:
    """Return the codes that a member gets, which are all where no jurisdiction is named."""
    wanted = jurisdictions | {INTERNATIONAL}
    return tuple(c for c in codes if not jurisdictions or c.jurisdiction in wanted)
