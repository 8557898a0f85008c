"""Finds pictures of a case that look like one of them, in any turn; nearness is no conclusion."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework import review, stacking
from tutela.casework.model import Item, MediaState
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, MediaId
from tutela.core.media import PDQ_QUALITY_MINIMUM, PDQ_RADIUS_BITS
from tutela.core.principal import Principal
from tutela.store.tables.casework import CaseMedia, Media

RADIUS_MAXIMUM_BITS = 80
LIMIT = 100


def similar(
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    media_id: MediaId,
    radius_bits: int = PDQ_RADIUS_BITS,
) -> list[tuple[Item, int]]:
    """Return at most `LIMIT` pictures within a radius with their distance in bits, nearest first.

    Known ones are left out: nobody needs to see them.

    Raises:
        AccessError: `who` may not read this case.
        UsageError: the picture is not in the case or shows too little, or the radius is too large.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    if not 0 <= radius_bits <= RADIUS_MAXIMUM_BITS:
        raise UsageError(f"a radius is 0 to {RADIUS_MAXIMUM_BITS} bits")
    rows = tx.execute(
        select(CaseMedia.media_id, CaseMedia.state, Media.pdq)
        .join(Media, Media.id == CaseMedia.media_id)
        .where(
            CaseMedia.case_id == case_id,
            Media.pdq.is_not(None),
            Media.pdq_quality >= PDQ_QUALITY_MINIMUM,
        )
    ).all()
    own = next((pdq for number, _, pdq in rows if number == media_id), None)
    if own is None:
        raise UsageError(
            "this media cannot be compared",
            code="not_comparable",
            hint="it is no picture of this case, or shows too little for a fingerprint",
        )
    others = [
        (number, pdq)
        for number, state, pdq in rows
        if number != media_id and state != MediaState.KNOWN.value
    ]
    codes = np.frombuffer(b"".join(pdq or b"" for _, pdq in others), np.uint8).reshape(-1, 32)
    apart = stacking.distances(codes, own)
    near = np.flatnonzero(apart <= radius_bits)
    nearest = near[np.argsort(apart[near], kind="stable")][:LIMIT]
    found = {others[row][0]: int(apart[row]) for row in nearest.tolist()}
    items = review.items(tx, who, case_id, list(found))
    return [(item, found[item.media_id]) for item in items]


def distance(
    tx: Connection, who: Principal, case_id: CaseId, one: MediaId, other: MediaId
) -> int | None:
    """Return by how many of 256 bits two pictures of a case differ as they lie; None if unknown."""
    require(tx, who, Permission.CASE_READ, case_id)
    rows = tx.execute(
        select(CaseMedia.media_id, Media.pdq)
        .join(Media, Media.id == CaseMedia.media_id)
        .where(CaseMedia.case_id == case_id, CaseMedia.media_id.in_([one, other]))
    )
    known = {media_id: pdq for media_id, pdq in rows if pdq is not None}
    if one not in known or other not in known:
        return None
    return (int.from_bytes(known[one]) ^ int.from_bytes(known[other])).bit_count()
