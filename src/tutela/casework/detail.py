"""All that a case knows of one media, beside the picture itself."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework import blind, notes, review
from tutela.casework.model import HitInfo, Item, NoteInfo, Place
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal
from tutela.store.tables.casework import (
    Exhibit,
    Media,
    MediaFact,
    MediaHit,
    Series,
    SeriesMedia,
    Sighting,
    Victim,
    VictimMedia,
)

PLACES_MOST = 200


class Detail(msgspec.Struct, frozen=True, kw_only=True):
    """A media in a case; digests in hexadecimal digits, `facts` as EXIF said them.

    `places` are at most `PLACES_MOST`; `item.sightings` is how many there are.
    """

    item: Item
    sha256: str
    sha1: str
    md5: str
    places: tuple[Place, ...]
    facts: tuple[tuple[str, str], ...]
    hits: tuple[HitInfo, ...]
    series: tuple[str, ...]
    victims: tuple[str, ...]
    notes: tuple[NoteInfo, ...]


def detail(tx: Connection, who: Principal, case_id: CaseId, media_id: MediaId) -> Detail:
    """Return what is known of a media.

    Raises:
        AccessError: `who` may not read this case.
        UsageError: the media is not in the case.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    items = review.items(tx, who, case_id, [media_id])
    if not items:
        raise UsageError("a media named is not in this case", code="not_in_case")
    sha256, sha1, md5 = tx.execute(
        select(Media.sha256, Media.sha1, Media.md5).where(Media.id == media_id)
    ).one()
    facts = tx.execute(
        select(MediaFact.name, MediaFact.value)
        .where(MediaFact.media_id == media_id)
        .order_by(MediaFact.name)
    )
    # What a list says of it may be the very grade that is read again.
    withheld = blind.withheld(tx, who, case_id, [media_id])
    return Detail(
        item=items[0],
        sha256=(sha256 or b"").hex(),
        sha1=(sha1 or b"").hex(),
        md5=(md5 or b"").hex(),
        places=tuple(_places(tx, case_id, media_id)),
        facts=tuple((name, value) for name, value in facts),
        hits=() if withheld else tuple(_hits(tx, case_id, media_id)),
        series=tuple(
            tx.execute(
                select(Series.name)
                .join(SeriesMedia, SeriesMedia.series_id == Series.id)
                .where(SeriesMedia.media_id == media_id)
                .order_by(Series.name)
            ).scalars()
        ),
        victims=tuple(
            tx.execute(
                select(Victim.pseudonym)
                .join(VictimMedia, VictimMedia.victim_id == Victim.id)
                .where(VictimMedia.media_id == media_id)
                .order_by(Victim.pseudonym)
            ).scalars()
        ),
        notes=tuple(notes.list_(tx, who, case_id, f"media:{media_id}")),
    )


def _places(tx: Connection, case_id: CaseId, media_id: MediaId) -> list[Place]:
    rows = tx.execute(
        select(
            Exhibit.label,
            Sighting.path,
            Sighting.inside,
            Sighting.status,
            Sighting.reason,
            Sighting.modified_at,
            Sighting.deleted,
        )
        .join(Exhibit, Exhibit.id == Sighting.exhibit_id)
        .where(Exhibit.case_id == case_id, Sighting.media_id == media_id)
        .order_by(Exhibit.id, Sighting.ordinal)
        .limit(PLACES_MOST)
    )
    return [
        Place(
            exhibit=row.label,
            path=row.path,
            inside=tuple(row.inside),
            status=row.status,
            reason=row.reason,
            modified_at=row.modified_at,
            deleted=row.deleted,
        )
        for row in rows
    ]


def _hits(tx: Connection, case_id: CaseId, media_id: MediaId) -> list[HitInfo]:
    rows = tx.execute(
        select(MediaHit.__table__)
        .where(MediaHit.case_id == case_id, MediaHit.media_id == media_id)
        .order_by(MediaHit.strength, MediaHit.distance_bits, MediaHit.id)
    )
    return [
        HitInfo(
            list_name=row.list_name,
            role=row.role,
            strength=row.strength,
            algorithm=row.algorithm,
            distance_bits=row.distance_bits,
            variant=row.variant,
            entry_number=row.entry_number,
            classifications=tuple((scheme, code) for scheme, code in row.classifications),
            silenced=row.silenced,
        )
        for row in rows
    ]
