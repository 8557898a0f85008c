"""All that a case says about its media, read in chunks in the order of the media's numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select

from tutela.casework.facts import STATED
from tutela.casework.formats.vics_named import MARK
from tutela.core.ids import CaseId, MediaId
from tutela.store.tables.casework import (
    CaseMedia,
    Exhibit,
    Media,
    MediaFact,
    Note,
    Series,
    SeriesMedia,
    Sighting,
    Tag,
    Victim,
    VictimMedia,
)
from tutela.store.tables.grading import Grade

CHUNK: Final = 500


class SightingSaid(msgspec.Struct, frozen=True):
    """One place of a media: `entry` is the record it came with, `rest` what of it is not ours."""

    label: str
    place: bytes
    path: str
    inside: tuple[str, ...]
    modified_at: datetime | None
    deleted: bool
    entry: int
    rest: str


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """One media in a case. `rests` are the records it came with; `imported` grades by scheme."""

    media_id: MediaId
    sha256: bytes | None
    sha1: bytes | None
    md5: bytes | None
    size_bytes: int
    kind: str
    is_picture: bool
    width: int | None
    height: int | None
    pdq: bytes | None
    latitude: float | None
    longitude: float | None
    first_seen_at: datetime
    state: str
    code: str | None
    rests: tuple[str, ...]
    sightings: tuple[SightingSaid, ...]
    imported: dict[str, str]
    facts: dict[str, str]
    series: tuple[str, ...]
    tags: tuple[str, ...]
    notes: tuple[tuple[datetime, str], ...]
    victim_identified: bool


def chunks(tx: Connection, case_id: CaseId) -> Iterator[Material]:
    """Yield the media of a case; memory holds one chunk, whatever the case's size."""
    after = -1
    while True:
        rows = tx.execute(
            select(
                *(column for column in Media.__table__.columns),
                CaseMedia.state,
                CaseMedia.code,
                CaseMedia.extra,
            )
            .join(Media, Media.id == CaseMedia.media_id)
            .where(CaseMedia.case_id == case_id, CaseMedia.media_id > after)
            .order_by(CaseMedia.media_id)
            .limit(CHUNK)
        ).all()
        if not rows:
            return
        yield from _filled(tx, case_id, rows)
        after = rows[-1].id


def _filled(tx: Connection, case_id: CaseId, rows: Sequence[Any]) -> Iterator[Material]:
    ids = [row.id for row in rows]
    sightings = _sightings(tx, case_id, ids)
    imported = _imported(tx, case_id, ids)
    facts = _grouped(
        tx.execute(
            select(MediaFact.media_id, MediaFact.name, MediaFact.value)
            .where(MediaFact.media_id.in_(ids), MediaFact.name != STATED)
            .order_by(MediaFact.name)
        ),
        lambda row: (row.name, row.value),
    )
    series = _grouped(
        tx.execute(
            select(SeriesMedia.media_id, Series.name)
            .join(Series, Series.id == SeriesMedia.series_id)
            .where(SeriesMedia.media_id.in_(ids))
            .order_by(Series.name)
        ),
        lambda row: row.name,
    )
    tags = _grouped(
        tx.execute(
            select(Tag.media_id, Tag.name)
            .where(Tag.case_id == case_id, Tag.media_id.in_(ids))
            .order_by(Tag.name)
        ),
        lambda row: row.name,
    )
    notes = _grouped_notes(tx, case_id, ids)
    identified = set(
        tx.execute(
            select(VictimMedia.media_id)
            .join(Victim, Victim.id == VictimMedia.victim_id)
            .where(VictimMedia.media_id.in_(ids), Victim.state.in_(("identified", "safe")))
        ).scalars()
    )
    for row in rows:
        yield Material(
            media_id=MediaId(row.id),
            **{name: getattr(row, name) for name in _COLUMNS},
            rests=tuple(dict(row.extra).get("vics", ())),
            sightings=tuple(sightings[row.id]),
            imported=imported[row.id],
            facts=dict(facts[row.id]),
            series=tuple(series[row.id]),
            tags=tuple(tags[row.id]),
            notes=tuple(notes[row.id]),
            victim_identified=row.id in identified,
        )


_COLUMNS: Final = (
    *("sha256", "sha1", "md5", "size_bytes", "kind", "is_picture", "width", "height", "pdq"),
    *("latitude", "longitude"),
    *("first_seen_at", "state", "code"),
)


def _grouped(rows: Iterable[Any], value: Callable[[Any], Any]) -> defaultdict[int, list[Any]]:
    found: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.media_id].append(value(row))
    return found


def _sightings(
    tx: Connection, case_id: CaseId, ids: Sequence[int]
) -> defaultdict[int, list[SightingSaid]]:
    query = (
        select(
            Sighting.media_id,
            Exhibit.label,
            Sighting.place,
            Sighting.path,
            Sighting.inside,
            Sighting.modified_at,
            Sighting.deleted,
            Sighting.extra,
        )
        .join(Exhibit, Exhibit.id == Sighting.exhibit_id)
        .where(Exhibit.case_id == case_id, Sighting.media_id.in_(ids))
        .order_by(Exhibit.label, Sighting.path, Sighting.id)
    )
    # Copies that lay beside a file are no places where a media was found.
    rows = (row for row in tx.execute(query) if MARK not in row.extra)
    return _grouped(rows, _sighting)


def _sighting(row: Any) -> SightingSaid:
    extra = dict(row.extra)
    return SightingSaid(
        row.label,
        row.place,
        row.path,
        tuple(row.inside),
        row.modified_at,
        row.deleted,
        extra.get("entry", 0),
        extra.get("vics", ""),
    )


def _imported(
    tx: Connection, case_id: CaseId, ids: Sequence[int]
) -> defaultdict[int, dict[str, str]]:
    """Return the last imported grade of each media by scheme; one that was cleared is none."""
    found: defaultdict[int, dict[str, str]] = defaultdict(dict)
    rows = tx.execute(
        select(Grade.media_id, Grade.scheme, Grade.code)
        .where(Grade.case_id == case_id, Grade.media_id.in_(ids), Grade.basis == "imported")
        .order_by(Grade.id)
    )
    for row in rows:
        if row.code is not None:
            found[row.media_id][row.scheme] = row.code
    return found


def _grouped_notes(
    tx: Connection, case_id: CaseId, ids: Sequence[int]
) -> defaultdict[int, list[tuple[datetime, str]]]:
    found: defaultdict[int, list[tuple[datetime, str]]] = defaultdict(list)
    rows = tx.execute(
        select(Note.subject, Note.written_at, Note.text)
        .where(Note.case_id == case_id, Note.subject.in_([f"media:{number}" for number in ids]))
        .order_by(Note.written_at, Note.id)
    )
    for row in rows:
        found[int(row.subject.removeprefix("media:"))].append((row.written_at, row.text))
    return found
