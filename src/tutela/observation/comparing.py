"""Holds what was seen against hash lists again, once they have changed.

A media is gone when a list learns of it: its digests and perceptual hash, which were kept, are
asked again, and every place where it stood is raised.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, Row, select

from tutela.audit import log
from tutela.audit.log import Event
from tutela.core.entry import Role
from tutela.core.ids import CaseId
from tutela.core.media import PDQ, PDQ_RADIUS_BITS, Digests, Fingerprint
from tutela.core.principal import Principal
from tutela.hashlist.library import Library
from tutela.observation import places, raising
from tutela.observation.notices import Policy
from tutela.store import Database
from tutela.store.bulk import update_rows
from tutela.store.tables.observation import SeenMedia

TOGETHER = 2_000


class Compared(msgspec.Struct, frozen=True):
    """How many media were asked about, and the places that were raised."""

    media: int
    raised: int


def compare(  # noqa: PLR0913, PLR0917 what is held against what, under which policy
    database: Database,
    who: Principal,
    case_id: CaseId,
    library: Library,
    policy: Policy,
    moment: datetime,
    radius_bits: int = PDQ_RADIUS_BITS,
) -> Compared:
    """Compare the media of a case that were last asked of another generation of the library.

    Stopped at any moment, it goes on where it was. Of a turned picture only the value as it lay is
    kept, so a list that learns later of a mirrored copy is met by digests alone.
    """
    generation = library.generation
    media = raised = 0
    while True:
        with database.write() as tx:
            rows = _behind(tx, case_id, generation)
            found = _compare(tx, case_id, library, rows, moment, radius_bits)
            more, events = raising.of_media(tx, case_id, found, policy, moment)
            update_rows(
                tx,
                SeenMedia,
                [{"id": r.id, "generation": generation, "compared_at": moment} for r in rows],
            )
            media += len(rows)
            raised += len(more)
            last = len(rows) < TOGETHER
            if last and media:
                said = {"media": media, "raised": raised}
                events.append(Event("media.compared", f"case:{case_id}", said))
            log.record_many(tx, who, events)
            if last:
                return Compared(media, raised)


def _behind(tx: Connection, case_id: CaseId, generation: int) -> Sequence[Row[tuple[object, ...]]]:
    return tx.execute(
        select(SeenMedia.__table__)
        .where(SeenMedia.case_id == case_id, SeenMedia.generation != generation)
        .order_by(SeenMedia.id)
        .limit(TOGETHER)
    ).all()


def _compare(  # noqa: PLR0913, PLR0917 as `compare`
    tx: Connection,
    case_id: CaseId,
    library: Library,
    rows: Sequence[Row[tuple[object, ...]]],
    moment: datetime,
    radius_bits: int,
) -> list[int]:
    queries = [(_digests(row), _fingerprints(row)) for row in rows]
    answers = library.find_many(queries, radius_bits=radius_bits)
    hits = {row.id: tuple(found) for row, found in zip(rows, answers, strict=True) if found}
    places.meet(tx, case_id, hits, moment)
    return [number for number, found in hits.items() if any(h.role is Role.ALERT for h in found)]


def _digests(row: Row[tuple[object, ...]]) -> Digests:
    return Digests(md5=row.md5 or None, sha1=row.sha1 or None, sha256=row.sha256)


def _fingerprints(row: Row[tuple[object, ...]]) -> list[Fingerprint]:
    return [Fingerprint(PDQ, row.pdq, row.pdq_quality)] if row.pdq else []
