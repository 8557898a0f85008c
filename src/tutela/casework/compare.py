"""Holds what a case knows only by another system's word against the hash lists.

What is read here is compared when it is read. A media of an import has digests, and at times a PDQ
value, that somebody states: they are compared like our own. PhotoDNA is never compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, or_, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework import contents, sightings, stacking
from tutela.core.ids import CaseId, MediaId
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.core.principal import Principal
from tutela.scan.pipeline import Matcher
from tutela.scan.wire import ITSELF, Outcome, Status
from tutela.store.database import Database
from tutela.store.tables.casework import CaseMedia, Media

BATCH: Final = 1000
# What `stacking.turned` gives, in its order.
TURNS: Final = (
    *("original", "flipx", "flipy", "rotate180"),
    *("transpose", "rotate90", "rotate270", "transverse"),
)


def compare(database: Database, who: Principal, case_id: CaseId, matcher: Matcher) -> int:
    """Write the hits of media that nobody has read here; return how many media have one.

    Done again with other lists it adds what these say. `arrange` does what follows from it.

    Raises:
        AccessError: `who` may not add evidence to this case.
        UsageError: the case is closed, or its authority not valid.
    """
    after = met = 0
    while True:
        with database.write() as tx:
            require(tx, who, Permission.EVIDENCE_ADD, case_id)
            case = cases.working(tx, case_id)
            rows = _unread(tx, case_id, after)
            if not rows:
                break
            hits = matcher.hits([_outcome(row) for row in rows])
            found = [(MediaId(row.id), some) for row, some in zip(rows, hits, strict=True) if some]
            sightings.write_hits(tx, case, found)
            cases.stay_open(tx, case_id)
            met, after = met + len(found), rows[-1].id
    if met:
        with database.write() as tx:
            log.record(tx, who, "evidence.compared", f"case:{case_id}", media=met)
    return met


def _unread(tx: Connection, case_id: CaseId, after: int) -> Sequence[Any]:
    return tx.execute(
        select(Media.id, Media.sha256, Media.sha1, Media.md5, Media.pdq)
        .join(CaseMedia, CaseMedia.media_id == Media.id)
        .where(
            CaseMedia.case_id == case_id,
            Media.id > after,
            or_(Media.pdq.is_(None), contents.stated(Media.id)),
        )
        .order_by(Media.id)
        .limit(BATCH)
    ).all()


def _outcome(row: Any) -> Outcome:
    return Outcome(
        item=0,
        order=ITSELF,
        status=Status.HASHED,
        digests=Digests(md5=row.md5, sha1=row.sha1, sha256=row.sha256),
        fingerprints=tuple(_looks(row.pdq)) if row.pdq else (),
    )


def _looks(pdq: bytes) -> Iterator[Fingerprint]:
    """Yield a stated value in every turn, as far as the value itself tells."""
    turned = stacking.turned(np.frombuffer(pdq, np.uint8).reshape(1, -1))
    for variant, bits in zip(TURNS, turned[:, 0], strict=True):
        yield Fingerprint(PDQ, bits.tobytes(), variant=variant)
